"""File locks between processes, on a local disk or a network file system.

They are `flock` locks: the kernel (or the file server) releases a lock when its holder ends, even if it is killed. The
existence of a lock file therefore means nothing, and nobody has to delete it after a crash.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from .errors import RequestError

_log = logging.getLogger(__name__)


class HeldError(RequestError):
    """Another process holds a lock."""


@contextmanager
def run_lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of a run while the block runs; fail at once if another process holds it.

    Args:
        path: the lock file. It must serve no other purpose, because its content is overwritten.
        what: name of the run for the error message.

    Raises:
        HeldError: another process holds the lock; the message names its host, process id and start time.
    """
    with _opened(path) as descriptor:
        if not _lock(descriptor, path, wait=False):
            raise HeldError(f"{what}: another process runs it ({_holder(path)}); wait until it ends, or stop it")
        # The content only serves the error message above. A full disk must not prevent a run from holding its lock.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_self()).encode(), 0)
        yield


@contextmanager
def commit_lock(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` and hold it while the block runs. The block should be short, since others wait."""
    with _opened(path) as descriptor:
        _lock(descriptor, path, wait=True)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except PermissionError:
        # Another user created the file. A local file system also locks a file that is open for reading only.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # This also releases the lock.


def _lock(descriptor: int, path: Path, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        # Some network file systems are mounted without support for locks. A run is still possible there.
        _log.warning(
            "%s: the file cannot be locked (%s), so a second start of the same run would not be noticed; do not start "
            "it twice",
            path,
            error.strerror,
        )
    return True


def _self() -> dict[str, str | int]:
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"host": socket.gethostname(), "process": os.getpid(), "since": since}


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"host {holder['host']}, process {holder['process']}, since {holder['since']}"
    return "its host and process id are not known"
