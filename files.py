"""Writing files so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import RequestError


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing; rename it to `path` when the block ends well.

    The content is synced to disk before the rename, and the folder after it. If the block raises, `path` is
    untouched and the temporary file is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_folder(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` in one step (see `atomic_write`)."""
    with atomic_write(path) as handle:
        handle.write(text.encode())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def require_writable(folder: Path, what: str, *, create: bool = True) -> None:
    """Create `folder` if need be and make sure that files can be written into it.

    Args:
        folder: the folder.
        what: what it is, for the message.
        create: with False, a folder that is missing is judged by the nearest one above it, and not made.

    Raises:
        RequestError: the folder is a file, or cannot be created or written.
    """
    try:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise RequestError(f"{folder}: {what} must be a folder, but a file is in the way; choose another") from error
    except OSError as error:
        raise RequestError(
            f"{folder}: cannot write to {what} ({error.strerror}); make it writable or choose another folder"
        ) from error


def _umask() -> int:
    # The only way to read the mask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # Windows and some network file systems cannot sync a folder; the rename itself has happened.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
