"""Atomic writes: a reader finds either the old file or the complete new one, even after a crash.

The content goes to a temporary file beside the target, is synced to disk with fsync, and is then renamed to the target.
"""

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

# A temporary file or folder is named `.NAME~RANDOM.tmp`.
_MARK, _TEMPORARY = "~", ".tmp"


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` for writing, and rename it to `path` when the block ends without an error.

    The file is synced to disk before the rename and its folder after it. If the block raises, `path` stays as it was
    and the temporary file is removed.

    Args:
        path: the file to write. Missing parent folders are created.

    Yields:
        The temporary file, open for writing in binary mode.

    Raises:
        OSError: the file cannot be written. Its `filename` is `path`, not the temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_temporary(path.name), suffix=_TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        # `mkstemp` makes a file that only its owner can read; give it the permissions that `open` would give it.
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename in (None, name):
            # The user knows the file that was to be written, not the temporary one.
            error.filename, error.filename2 = str(path), None
        with suppress(OSError):  # An error here must not hide the first one.
            Path(name).unlink()
        raise
    sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Create a temporary folder beside `path`, and rename it to `path` when the block ends without an error.

    Its files are synced to disk before the rename. If the block raises, the temporary folder is removed. A folder that
    already exists at `path` is removed just before the rename, so for a moment there is none.

    Args:
        path: the folder to write. Missing parent folders are created.

    Yields:
        The temporary folder. The block may write files into it, but no folders.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=path.parent, prefix=_temporary(path.name), suffix=_TEMPORARY))
    try:
        yield staged
        staged.chmod(0o777 & ~_umask())
        for file in staged.iterdir():
            # safetensors makes files that nobody else can read.
            file.chmod(0o666 & ~_umask())
            sync_file(file)
        sync_folder(staged)
        if path.exists():
            discard(path)
        staged.replace(path)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    sync_folder(path.parent)


@contextmanager
def filled_folder(folder: Path) -> Iterator[Path]:
    """Write several files into a folder that is there; each of them appears completely, after the block has ended.

    Yields:
        The folder in which the block writes them.
    """
    saved = folder / "saved"
    with atomic_folder(saved) as staged:
        yield staged
    for path in sorted(saved.iterdir()):
        path.replace(folder / path.name)
    saved.rmdir()
    sync_folder(folder)


def sweep(folder: Path, names: str) -> None:
    """Remove the temporary files and folders that killed processes left in `folder`.

    The caller must hold the lock for these names; otherwise it removes what another process is writing.

    Args:
        folder: the folder to search; its subfolders are not searched.
        names: a glob pattern for the final names of the files and folders, e.g. `seed-1.*`.
    """
    for path in folder.glob(f".{names}{_MARK}*{_TEMPORARY}"):
        _log.debug("removing %s", path)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove a folder so that no reader ever finds a part of it.

    If the process is killed before it has removed all files, `sweep` removes the rest.
    """
    # A rename is atomic and may replace an empty folder, so the folder disappears as a whole; then it is emptied.
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_temporary(folder.name), suffix=_TEMPORARY))
    folder.replace(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _temporary(name: str) -> str:
    return f".{name}{_MARK}"


def atomic_write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` with `atomic_write`."""
    with atomic_write(path) as handle:
        handle.write(text.encode())


def write_output(path: Path, content: bytes, flag: str = "") -> None:
    """Write a file that a user asked for, completely or not at all.

    Args:
        path: the file. A device or a pipe, such as /dev/stdout, is written to and not replaced.
        content: its content.
        flag: the option that named it, for messages; empty if none did.

    Raises:
        RequestError: it is a folder, or cannot be written.
    """
    try:
        if path.is_dir():
            raise RequestError(f"{flag} {path}: expected a file, found a folder; name another".strip())
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            with atomic_write(path.resolve()) as handle:
                handle.write(content)
    except OSError as error:
        raise RequestError(f"{flag} {path}: cannot be written ({error.strerror}); name another".strip()) from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def cache_dir() -> Path:
    """Return the cache folder: `LINKBERT_CACHE_DIR`, or else `linkbert` below `XDG_CACHE_HOME` or `~/.cache`."""
    chosen = os.environ.get("LINKBERT_CACHE_DIR")
    if chosen is not None and not chosen.isprintable():
        raise RequestError(f"LINKBERT_CACHE_DIR={chosen!r}: the path is not plain text; name another folder")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "linkbert"


def require_writable(folder: Path, what: str, *, create: bool = True) -> None:
    """Check that files can be written into `folder`, and create the folder if it is missing.

    Args:
        folder: the folder to check.
        what: name of the folder's purpose for the error message, e.g. "the run folder".
        create: whether a missing folder is created. If False, the nearest existing parent folder is checked instead.

    Raises:
        RequestError: a file is at this path, or the folder cannot be created or written.
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
    # The operating system offers no way to read the mask without setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_file(path: Path) -> None:
    """Sync a file's content to disk (fsync)."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to disk (fsync), so that a rename in it survives a power failure."""
    # Windows and some network file systems cannot sync a folder. The rename has happened anyway, so this is no error.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
