"""Running what is missing of a suite, one run after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LinkbertError, RequestError, nearest
from ..experiments.evaluation import evaluate
from ..experiments.finetune import finetune
from ..experiments.options import RunOptions
from ..experiments.paths import RunPaths
from ..experiments.results import Result
from ..leaderboard.board import Board, leaderboard
from ..models.loading import inspect_model
from ..models.sources import find_model
from ..tasks.data import require_split
from ..tasks.recipe import default_recipe, recipe_seed
from ..tasks.registry import TASKS, get_task, is_task_file
from ..tasks.task import SUITES, Task
from ..training.reporters import Reporter

SUITE_NAMES = (*SUITES, "all")
_log = logging.getLogger(__name__)
_MAX_SEEDS = 1000


@dataclass(frozen=True)
class PlannedRun:
    """One run of a suite.

    Attributes:
        task: the task's name.
        request: the task as the user named it: its name, or a task file.
        model: the model as the user named it.
        name: the model's name in paths.
        seed: the seed.
        action: `train`, or `score` (with the model fine-tuned on another task).
        done: whether its result file exists. If that holds a different run, this run fails and names the file.
        missing: which data are missing and how to get them; None if they are there.
    """

    task: str
    request: str
    model: str
    name: str
    seed: int
    action: str
    done: bool
    missing: str | None

    def __str__(self) -> str:
        return f"{self.task} {self.name} seed {self.seed}"


@dataclass(frozen=True)
class FailedRun:
    """A run of a suite that failed, with the reason."""

    run: PlannedRun
    error: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a suite.

    Attributes:
        runs: a result or a failure for each run, in the order of the plan.
        leaderboard: the leaderboard afterwards.
    """

    runs: list[Result | FailedRun]
    leaderboard: Board

    @property
    def failures(self) -> list[FailedRun]:
        """The runs that failed."""
        return [run for run in self.runs if isinstance(run, FailedRun)]

    def to_json(self) -> dict[str, Any]:
        """Return `{"runs": [result, or {"task", "model", "seed", "error"}], "leaderboard": {"rows": [...]}}`."""
        runs = [
            {"task": item.run.task, "model": item.run.name, "seed": item.run.seed, "error": item.error}
            if isinstance(item, FailedRun)
            else item.to_json()
            for item in self.runs
        ]
        return {"runs": runs, "leaderboard": self.leaderboard.to_json()}


def benchmark(
    suite: str,
    *,
    models: Sequence[str],
    seeds: int = 1,
    tasks: Sequence[str] = (),
    dry_run: bool = False,
    on_plan: Callable[[list[PlannedRun]], None] | None = None,
    on_run: Callable[[PlannedRun, int, int], None] | None = None,
    reporters: Sequence[Reporter] = (),
    **values: Any,
) -> Outcome:
    """Run what is missing of a suite. A failure is recorded and does not stop the other runs.

    Args:
        suite: `blurb`, `medqa`, `mmlu`, `all`, or a task file.
        models: presets, folders or hub ids, each with its `@REVISION` if one is wanted.
        seeds: number of seeds: the recipe's seed and the numbers after it.
        tasks: only these tasks of the suite, if any are named.
        dry_run: only plan; the leaderboard is that of the results so far.
        on_plan: called with the plan before anything runs.
        on_run: called before each run with it, its number and the number of all runs.
        reporters: are told how the runs proceed.
        **values: fields of `RunOptions` for all runs, such as `recipe` and `data_dir`.

    Raises:
        RequestError: a suite, task or model is unknown, or an option is out of range.
    """
    options = RunOptions.of("", model="", **values)
    options.require_valid()
    plan = plan_suite(suite, models, seeds, tasks, options)
    if on_plan:
        on_plan(plan)
    runs: list[Result | FailedRun] = []
    for number, run in enumerate(() if dry_run else plan, start=1):
        if on_run:
            on_run(run, number, len(plan))
        try:
            runs.append(_execute(run, options, reporters))
        except Exception as error:
            # The other runs do not depend on this one, whatever the error is. The command ends with exit code 1.
            reason = str(error) if isinstance(error, LinkbertError) else f"{type(error).__name__}: {error}"
            _log.error("%s failed: %s", run, reason)
            runs.append(FailedRun(run, reason))
    folder = options.results_dir
    return Outcome(runs, leaderboard(folder if folder.is_dir() else None))


def _execute(run: PlannedRun, options: RunOptions, reporters: Sequence[Reporter]) -> Result:
    if run.action == "train":
        result = finetune(replace(options, task=run.request, model=run.model, seeds=(run.seed,)), reporters=reporters)
        assert isinstance(result, Result)  # a list is returned for several seeds only
        return result
    trained_on = get_task(run.request).trained_on or run.task
    return evaluate(
        run.request,
        model=RunPaths(trained_on, run.name, run.seed, options.runs_dir, options.results_dir).run_dir,
        precision=options.precision,
        data_dir=options.data_dir,
        runs_dir=options.runs_dir,
        results_dir=options.results_dir,
        reporters=reporters,
    )


def plan_suite(
    suite: str, models: Sequence[str], seeds: int, tasks: Sequence[str], options: RunOptions
) -> list[PlannedRun]:
    """List the runs of a suite in order. A task that is scored with another task's model comes after that task.

    Raises:
        RequestError: a suite, task or model is unknown, or a task is not in the suite.
    """
    chosen = {name: get_task(name) for name in _tasks_of(suite, tasks)}
    if seeds < 1:
        raise RequestError(f"--seeds should be at least 1, found {seeds}")
    if seeds > _MAX_SEEDS:
        raise RequestError(f"--seeds should be at most {_MAX_SEEDS}, found {seeds}")
    plan = []
    for model in models:
        source = find_model(model, revision=options.revision)
        width = inspect_model(source).hidden_size
        for request, task in chosen.items():
            name = task.name
            first = recipe_seed(task, options.recipe or default_recipe(task, width))
            action = "score" if task.trained_on else "train"
            missing = _missing_data(task, action, options)
            for seed in range(first, first + seeds):
                paths = RunPaths(name, source.name, seed, options.runs_dir, options.results_dir)
                plan.append(
                    PlannedRun(name, request, model, source.name, seed, action, paths.result_file.exists(), missing)
                )
    return plan


def _tasks_of(suite: str, tasks: Sequence[str]) -> list[str]:
    if is_task_file(suite):
        if tasks:
            raise RequestError("--task names tasks of a suite; a task file is one task")
        return [suite]
    if suite not in SUITE_NAMES:
        raise RequestError(
            f"unknown suite {suite!r}; {nearest(suite, SUITE_NAMES)} (or a task file, which ends in .toml)"
        )
    members = [name for name, task in TASKS.items() if suite in ("all", task.suite)]
    for name in tasks:
        if get_task(name).name not in members:
            raise RequestError(f"{name} is not in the suite {suite}; it has {', '.join(members)}")
    chosen = [name for name in members if not tasks or name in tasks]
    needed = [other for name in chosen if (other := TASKS[name].trained_on) and other not in chosen]
    return [*needed, *chosen]


def _missing_data(task: Task, action: str, options: RunOptions) -> str | None:
    """Return which data of a task are missing and how to get them, or None if all that a run needs are there."""
    for split in options.splits if action == "train" else ("test",):
        try:
            require_split(task, split, options.data_dir)
        except RequestError as error:
            return str(error)
    return None
