"""Running what is missing of a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..experiments.options import RunOptions
from ..experiments.results import Result
from ..experiments.trackers import make_trackers
from ..files import require_writable
from ..leaderboard.board import Board, leaderboard
from .driver import Driver, Watcher
from .engines import LOCAL, EngineOptions
from .estimate import Estimate, estimate
from .plan import PlannedRun, plan_suite


@dataclass(frozen=True)
class FailedRun:
    """A run of a suite that failed, with the reason."""

    run: PlannedRun
    error: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a suite.

    Attributes:
        plan: the runs as they were planned.
        runs: a result or a failure for each run, in the order of the plan; nothing if they were only planned.
        leaderboard: the leaderboard afterwards.
        estimate: if nothing was run, how long it would take; None otherwise, and if there is nothing to do.
    """

    plan: list[PlannedRun]
    runs: list[Result | FailedRun]
    leaderboard: Board
    estimate: Estimate | None = None

    @property
    def failures(self) -> list[FailedRun]:
        """The runs that failed."""
        return [run for run in self.runs if isinstance(run, FailedRun)]

    @property
    def is_whole(self) -> bool:
        """Whether no run has failed, and each one that was only planned can run."""
        return not self.failures and (bool(self.runs) or all(run.problem is None for run in self.plan))

    def to_json(self) -> dict[str, Any]:
        """Return `{"plan": [...], "runs": [result, or {"task", "model", "seed", "error"}], "leaderboard": {...}}`.

        With an estimate, there is `estimate` as well: `{"seconds", "devices", "tokens_per_second"}`.
        """
        plan = [run.to_json() for run in self.plan]
        runs = [
            {"task": item.run.task, "model": item.run.name, "seed": item.run.seed, "error": item.error}
            if isinstance(item, FailedRun)
            else item.to_json()
            for item in self.runs
        ]
        estimated = {} if self.estimate is None else {"estimate": asdict(self.estimate)}
        return {"plan": plan, "runs": runs, "leaderboard": self.leaderboard.to_json(), **estimated}


def benchmark(
    suite: str,
    *,
    models: Sequence[str],
    seeds: int = 1,
    tasks: Sequence[str] = (),
    dry_run: bool = False,
    engine: EngineOptions = LOCAL,
    on_plan: Callable[[Sequence[PlannedRun]], None] | None = None,
    watcher: Watcher,
    track: Sequence[str] = (),
    **values: Any,
) -> Outcome:
    """Run what is missing of a suite. A failure is recorded and does not stop the other runs.

    Args:
        suite: `blurb`, `medqa`, `mmlu`, `all`, or a task file.
        models: presets, folders or hub ids, each with its `@REVISION` if one is wanted.
        seeds: number of seeds: the recipe's seed and the numbers after it.
        tasks: only these tasks of the suite, if any are named.
        dry_run: only plan, and estimate the time; the leaderboard is that of the results so far.
        engine: what works on the runs.
        on_plan: called with the plan before anything runs.
        watcher: is told how the suite proceeds.
        track: names of trackers that follow the runs.
        **values: fields of `RunOptions` for all runs, such as `recipe` and `data_dir`.

    Raises:
        RequestError: a suite, task or model is unknown, an option is out of range, or a folder cannot be written.
        Stopped: a signal asked for it. The runs under way have written checkpoints.
    """
    options = RunOptions.of("", model="", **values)
    options.require_valid()
    engine.require_valid()
    make_trackers(track)  # They are made again where the runs are; this checks their names and packages.
    if not dry_run:
        require_writable(options.runs_dir, "the folder of runs")
        require_writable(options.results_dir, "the folder of results")
    plan = plan_suite(suite, models, seeds, tasks, options)
    watcher.on_plan(plan)
    if on_plan is not None:
        on_plan(plan)
    runs: list[Result | FailedRun] = []
    if not dry_run:
        missing = sum(not run.done and run.problem is None for run in plan)
        driver = Driver(plan, engine.make(missing, options.runs_dir), watcher, track)
        outcomes = driver.run()
        runs = [
            FailedRun(run, outcome) if isinstance(outcome, str) else outcome
            for run, outcome in zip(plan, outcomes, strict=True)
        ]
    folder = options.results_dir
    return Outcome(plan, runs, leaderboard(folder if folder.is_dir() else None), estimate(plan) if dry_run else None)
