"""Writing files so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import RequestError

_log = logging.getLogger(__name__)

# A temporary file is `.NAME~RANDOM.tmp`.
_MARK, _TEMPORARY = "~", ".tmp"


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing; rename it to `path` when the block ends well.

    The content is synced to disk before the rename, and the folder after it. If the block raises, `path` is
    untouched and the temporary file is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_temporary(path.name), suffix=_TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename in (None, name):
            error.filename, error.filename2 = str(path), None  # what was to be written, not how
        with suppress(OSError):  # the first error matters
            Path(name).unlink()
        raise
    sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a folder beside `path` for a block that fills it; sync it and rename it to `path` when the block ends well.

    If the block raises, nothing is left of it. A folder of files that is at `path` already goes just before the rename.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=path.parent, prefix=_temporary(path.name), suffix=_TEMPORARY))
    try:
        yield staged
        staged.chmod(0o777 & ~_umask())
        for file in staged.iterdir():
            sync_file(file)
        sync_folder(staged)
        if path.exists():
            discard(path)
        staged.replace(path)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    sync_folder(path.parent)


def sweep(folder: Path, names: str) -> None:
    """Remove what killed processes left half written in `folder`.

    Args:
        folder: only one process at a time writes such names there; the caller holds the lock for that.
        names: a pattern of what was to be written.
    """
    for path in folder.glob(f".{names}{_MARK}*{_TEMPORARY}"):
        _log.debug("removing %s", path)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove a folder so that it is there or not there, never a part of it; `sweep` ends what is interrupted."""
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_temporary(folder.name), suffix=_TEMPORARY))
    folder.replace(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _temporary(name: str) -> str:
    return f".{name}{_MARK}"


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


def sync_file(path: Path) -> None:
    """Sync a file's content to disk."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk."""
    # Windows and some network file systems cannot sync a folder; the rename itself has happened.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
