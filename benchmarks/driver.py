"""Working through a plan with an engine: what may start, what has ended, and what that means for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ..experiments.results import Result
from ..experiments.store import read_result
from ..training.reporters import Progress
from .jobs import Engine, Event, Job, reason_of_end, score, train
from .plan import PlannedRun

_POLL_SECONDS = 0.5


class Watcher(Protocol):
    """Something that is told how a suite proceeds. A subclass overrides the methods that it needs."""

    def on_plan(self, plan: Sequence[PlannedRun]) -> None:
        """Receive the plan before anything runs."""

    def on_start(self, number: int) -> None:
        """Receive the place in the plan of a run that begins, or begins again after its machine was lost."""

    def on_progress(self, number: int, progress: Progress) -> None:
        """Receive the progress of a run."""

    def on_log(self, number: int, level: int, text: str) -> None:
        """Receive a message of a run."""

    def on_end(self, number: int, outcome: Result | str) -> None:
        """Receive the result of a run, or why it failed. Runs that were done before the command are told as well."""

    def on_wait(self) -> None:
        """Receive a sign that time has passed."""


class Driver:
    """Works through a plan.

    Args:
        plan: the runs, each after those that it needs.
        engine: works on them.
        watcher: is told how it proceeds.
        track: names of trackers that follow the runs.
    """

    def __init__(self, plan: Sequence[PlannedRun], engine: Engine, watcher: Watcher, track: Sequence[str] = ()) -> None:
        self.plan, self.engine, self.watcher, self.track = plan, engine, watcher, tuple(track)
        self.outcomes: dict[int, Result | str] = {}
        places = {(run.task, run.name, run.seed): number for number, run in enumerate(plan)}
        needs = {number: places.get((run.needs or "", run.name, run.seed)) for number, run in enumerate(plan)}
        self._needed = {number: place for number, place in needs.items() if place is not None}
        self._waiting: dict[int, None] = {}  # in order; a dictionary, because many are taken out
        self._running: set[int] = set()

    def run(self) -> list[Result | str]:
        """Run what is missing, and return a result, or the reason of a failure, for each run of the plan.

        Raises:
            Stopped: a signal asked for it. The runs under way have written checkpoints.
        """
        for number, run in enumerate(self.plan):
            if run.done and run.problem is None:
                self._end(number, read_result(run.paths.result_file))
            elif run.problem is not None:
                self._end(number, run.problem)
            else:
                self._waiting[number] = None
        try:
            while self._waiting or self._running:
                self._start_what_can()
                for event in self.engine.poll(_POLL_SECONDS) if self._running else ():
                    self._handle(event)
                self.watcher.on_wait()
        finally:
            self.engine.close()
        return [self.outcomes[number] for number in range(len(self.plan))]

    def _start_what_can(self) -> None:
        for number in list(self._waiting):
            if len(self._running) >= self.engine.slots:
                return
            needed = self._needed.get(number)
            if needed is not None and needed not in self.outcomes:
                continue
            del self._waiting[number]
            if needed is not None and isinstance(self.outcomes[needed], str):
                self._end(number, f"it needs the model of {self.plan[needed]}, which failed")
                continue
            self._running.add(number)
            self.engine.start(self._job(number))

    def _job(self, number: int) -> Job:
        run = self.plan[number]
        if run.needs is None:
            return Job(number, str(run), train, (run.options, self.track))
        return Job(number, str(run), score, (run.options, replace(run.paths, task=run.needs).run_dir))

    def _handle(self, event: Event) -> None:
        number = event.number
        if event.began:
            self.watcher.on_start(number)
        if event.progress is not None:
            self.watcher.on_progress(number, event.progress)
        if event.log is not None:
            self.watcher.on_log(number, *event.log)
        if event.is_last:
            self._running.discard(number)
            self._end(number, reason_of_end(event) if event.result is None else Result.from_json(event.result))

    def _end(self, number: int, outcome: Result | str) -> None:
        self.outcomes[number] = outcome
        self.watcher.on_end(number, outcome)
