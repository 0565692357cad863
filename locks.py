"""Locks between processes, on a local disk or a network file system, that die with whoever holds them."""

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


@contextmanager
def run_lock(path: Path, what: str) -> Iterator[None]:
    """Hold `path` as a lock while the block runs.

    The kernel (or the file server) drops the lock when its holder dies, however it dies: the file that stays behind
    locks nothing.

    Args:
        path: a file for the lock alone.
        what: what is held, for the message.

    Raises:
        RequestError: somebody else holds it; says who, where and since when.
    """
    with _opened(path) as descriptor:
        if not _lock(descriptor, path, wait=False):
            raise RequestError(f"{what}: another process runs it ({_holder(path)}); wait for it, or stop it there")
        with suppress(OSError):  # a full disk keeps nobody from holding it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_self()).encode(), 0)
        yield


@contextmanager
def commit_lock(path: Path) -> Iterator[None]:
    """Wait for `path` and hold it as a lock while the block, which should be short, runs."""
    with _opened(path) as descriptor:
        _lock(descriptor, path, wait=True)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except PermissionError:  # somebody else made it; to lock it, it need not be written
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # and with it the lock


def _lock(descriptor: int, path: Path, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        # Some network file systems are mounted without locks.
        _log.warning("%s: cannot be locked (%s); do not start the same run twice", path, error.strerror)
    return True


def _self() -> dict[str, str | int]:
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"host": socket.gethostname(), "process": os.getpid(), "since": since}


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"host {holder['host']}, process {holder['process']}, since {holder['since']}"
    return "it has not said which"
