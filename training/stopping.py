"""Signals that ask a run to stop: the update is finished and a checkpoint written first."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger(__name__)

# SIGUSR1 is Slurm's warning that the time is up.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(BaseException):
    """A signal asked the run to stop. Like `KeyboardInterrupt`, no `except Exception` holds it up.

    Args:
        number: the signal's number.
        at_once: raised in the middle of an update, whose state is good for nothing.
    """

    def __init__(self, number: int, *, at_once: bool = False) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number, self.at_once = number, at_once
        self.exit_code = 128 + number


class _Watch:
    """What has been asked for, and whether it has to wait."""

    asked: int | None = None
    waiting = False

    def receive(self, number: int, frame: Any) -> None:
        """Handle a signal: while an update runs the first one waits for its end, a second one does not."""
        first, self.asked = self.asked is None, number
        if not self.waiting or not first:
            raise Stopped(number, at_once=self.waiting)
        _log.warning("%s: finishing this update; the next signal stops at once", signal.Signals(number).name)


_watch = _Watch()


@contextmanager
def obeying_signals() -> Iterator[None]:
    """Answer SIGTERM, SIGINT and SIGUSR1 with `Stopped` while the block runs; in a thread, change nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _watch.receive) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _watch.asked, _watch.waiting = None, False


@contextmanager
def between_updates(*, alone: bool = True) -> Iterator[None]:
    """Let the first signal wait while the block runs, which should look at `stop_asked` often.

    Args:
        alone: whether this process decides for itself; several stop where they have agreed to.

    Raises:
        Stopped: when the block is done, if a signal waits and the process is alone.
    """
    _watch.waiting = True
    try:
        yield
    finally:
        _watch.waiting = False
    if alone and _watch.asked is not None:
        raise Stopped(_watch.asked)


def stop_asked() -> int | None:
    """The signal that asked to stop, if one did."""
    return _watch.asked
