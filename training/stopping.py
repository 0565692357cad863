"""Signals that ask a run to stop: the current update is finished, and a checkpoint written, before it does."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger(__name__)

# SIGUSR1 is Slurm's warning that the time is up.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# A launcher may pass on a signal that the run has received as well, and Slurm sends two kinds of them.
_SAME_SECONDS = 1.0


class Stopped(BaseException):
    """A signal asked the run to stop. It is a `BaseException`, so that no `except Exception` catches it.

    Args:
        number: the signal's number.
        at_once: whether it was raised in the middle of an update, so that the present state cannot be saved.
    """

    def __init__(self, number: int, *, at_once: bool = False) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number, self.at_once = number, at_once
        self.exit_code = 128 + number


class _Watch:
    """Remembers the signal that arrived, and whether it has to wait for the end of an update."""

    asked: int | None = None
    since = 0.0
    waiting = False

    def receive(self, number: int, frame: Any) -> None:
        """Handle a signal. While updates run, the first one waits for the end of its update; a second one does not.

        What comes within a second of the first is taken for the same request, and so is a signal of another kind with
        SIGUSR1, by which Slurm says that it will put the job back into its queue.
        """
        first, now = self.asked is None, time.monotonic()
        same = not first and (
            now - self.since < _SAME_SECONDS or (number == signal.SIGUSR1) != (self.asked == signal.SIGUSR1)
        )
        if first:
            self.since = now
        if first or number == signal.SIGUSR1:
            self.asked = number
        if same:
            return
        if not self.waiting or not first:
            raise Stopped(number, at_once=self.waiting)
        _log.warning("%s: finishing this update; the next signal stops at once", signal.Signals(number).name)


_watch = _Watch()


@contextmanager
def obeying_signals() -> Iterator[None]:
    """Answer SIGTERM, SIGINT and SIGUSR1 with `Stopped` while the block runs.

    A signal that is ignored stays ignored: a shell script that starts a command in the background makes it ignore
    SIGINT, so that Ctrl-C stops the script alone. In a thread that is not the main one, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _watch.receive) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _watch.asked, _watch.waiting = None, False


@contextmanager
def between_updates(*, alone: bool = True) -> Iterator[None]:
    """Let the first signal wait while the block runs; the block should call `stop_asked` after every update.

    Args:
        alone: whether this is the only process. Several processes stop at an update on which they have agreed.

    Raises:
        Stopped: the block is done, a signal is waiting, and the process is alone.
    """
    _watch.waiting = True
    try:
        yield
    finally:
        _watch.waiting = False
    if alone and _watch.asked is not None:
        raise Stopped(_watch.asked)


def stop_asked() -> int | None:
    """Return the signal that asked the run to stop, or None."""
    return _watch.asked
