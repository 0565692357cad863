"""The engine without processes of its own: one run after the other, on all processes that a launcher started."""

from __future__ import annotations

from collections.abc import Sequence

from ..training.reporters import Reporter
from .jobs import Event, Job, reason_of


class InlineEngine:
    """Works on jobs in this process. Under `accelerate launch`, every process does so, and each run uses all of them.

    Args:
        reporters: are told how each run proceeds.
    """

    slots = 1

    def __init__(self, reporters: Sequence[Reporter] = ()) -> None:
        self.reporters = reporters
        self._events: list[Event] = []

    def start(self, job: Job) -> None:
        """Do a job to its end."""
        try:
            self._events.append(Event(job.number, result=job.work(*job.arguments, self.reporters)))
        except Exception as error:
            # Whatever it is, the other runs do not depend on it.
            self._events.append(Event(job.number, error=reason_of(error)))

    def poll(self, seconds: float) -> list[Event]:
        """Return the ends of the jobs since the last call."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Do nothing: a job ends before `start` returns."""
