"""The engine without processes of its own: one run after the other, on all processes that a launcher started."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..training.reporters import Reporter
from .jobs import Event, Job, reason_of


def is_launched() -> bool:
    """Return whether a launcher has started several processes."""
    return int(os.environ.get("WORLD_SIZE") or 1) > 1


class InlineEngine:
    """Works on jobs in this process. Under `accelerate launch`, every process does so, and each run uses all of them.

    Args:
        reporters: are told how each run proceeds.
    """

    slots = 1

    def __init__(self, reporters: Sequence[Reporter] = ()) -> None:
        self.reporters = reporters
        self._job: Job | None = None
        self._begun = False

    def start(self, job: Job) -> None:
        """Take a job."""
        self._job, self._begun = job, False

    def poll(self, seconds: float) -> list[Event]:
        """Say that the job begins or, at the next call, do it to its end, which takes as long as it takes."""
        job = self._job
        if job is None:
            return []
        if not self._begun:
            self._begun = True
            return [Event(job.number, began=True)]
        self._job = None
        try:
            return [Event(job.number, result=job.work(*job.arguments, self.reporters))]
        except Exception as error:
            # Whatever it is, the other runs do not depend on it.
            return [Event(job.number, error=reason_of(error))]

    def close(self) -> None:
        """Do nothing: a job ends before `poll` returns."""
