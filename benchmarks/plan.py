"""The plan of a suite: which runs it has, in which order, and what is there of each already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import RequestError, nearest
from ..experiments.options import RunOptions
from ..experiments.paths import RunPaths
from ..experiments.plan import RunPlan, make_plan
from ..experiments.run_folder import look_up
from ..experiments.store import read_result
from ..models.loading import inspect_model
from ..models.sources import find_model
from ..tasks.data import require_split
from ..tasks.recipe import default_recipe, recipe_seed
from ..tasks.registry import TASKS, get_task, is_task_file
from ..tasks.task import SUITES, Task

SUITE_NAMES = (*SUITES, "all")
_MAX_SEEDS = 1000
_SCORING = 1 / 3  # the work of scoring a token beside that of training on it


@dataclass(frozen=True)
class PlannedRun:
    """One run of a suite.

    Attributes:
        task: the task's name.
        name: the model's name in paths.
        seed: the seed.
        options: the request for this run alone.
        needs: the task with whose fine-tuned model the task is scored; None for a run that trains.
        done: whether its result is there.
        begun: whether it was begun, so that it continues.
        problem: why it cannot run (missing data, or a different run in its place), and what to do; else None.
        updates: updates of its training, or 0.
        train_tokens: word pieces that its training reads, or 0.
        score_tokens: word pieces that are scored after it, or 0.
    """

    task: str
    name: str
    seed: int
    options: RunOptions
    needs: str | None = None
    done: bool = False
    begun: bool = False
    problem: str | None = None
    updates: int = 0
    train_tokens: int = 0
    score_tokens: int = 0

    def __str__(self) -> str:
        return f"{self.task} {self.name} seed {self.seed}"

    @property
    def action(self) -> str:
        """`train`, or `score` (with the model fine-tuned on another task)."""
        return "train" if self.needs is None else "score"

    @property
    def paths(self) -> RunPaths:
        """Where the run and its result lie."""
        return RunPaths(self.task, self.name, self.seed, self.options.runs_dir, self.options.results_dir)

    @property
    def work(self) -> float:
        """The work of the run, counted in tokens that are trained on."""
        return self.train_tokens + _SCORING * self.score_tokens


def plan_suite(
    suite: str, models: Sequence[str], seeds: int, tasks: Sequence[str], options: RunOptions
) -> list[PlannedRun]:
    """List the runs of a suite in order. A task that is scored with another task's model comes after that task.

    Args:
        suite: `blurb`, `medqa`, `mmlu`, `all`, or a task file.
        models: presets, folders or hub ids.
        seeds: number of seeds: the recipe's seed and the numbers after it.
        tasks: only these tasks of the suite, if any are named.
        options: what all runs have in common.

    Raises:
        RequestError: a suite, task or model is unknown, or a task is not in the suite.
    """
    chosen = {name: get_task(name) for name in _tasks_of(suite, tasks)}
    if seeds < 1:
        raise RequestError(f"--seeds should be at least 1, found {seeds}")
    if seeds > _MAX_SEEDS:
        raise RequestError(f"--seeds should be at most {_MAX_SEEDS}, found {seeds}")
    plan: list[PlannedRun] = []
    for model in models:
        source = find_model(model, revision=options.revision)
        width = inspect_model(source).hidden_size
        for request, task in chosen.items():
            first = recipe_seed(task, options.recipe or default_recipe(task, width))
            wanted = tuple(range(first, first + seeds))
            common = replace(options, task=request, model=model, seeds=wanted)
            if task.trained_on is None:
                plan += _training_runs(task, source.name, common)
            else:
                plan += _scoring_runs(task, source.name, common)
    return plan


def _training_runs(task: Task, name: str, options: RunOptions) -> Iterator[PlannedRun]:
    """Yield the runs of all seeds, which share the work of planning."""
    runs = [PlannedRun(task.name, name, seed, replace(options, seeds=(seed,))) for seed in options.seeds]
    try:
        resolved = make_plan(options, writes=False)
        runs = [_looked_up(run, resolved) for run in runs]
        # Encoding takes time, and is of no use if all runs are done.
        sizes = None if all(run.done or run.problem for run in runs) else _sizes_of(resolved)
    except RequestError as error:
        yield from (replace(run, problem=str(error)) for run in runs)
        return
    for run in runs:
        yield run if sizes is None or run.done or run.problem else replace(run, **sizes)


def _looked_up(run: PlannedRun, resolved: RunPlan) -> PlannedRun:
    try:
        existing = look_up(run.paths, resolved.identity(run.seed), run.options)
    except RequestError as error:
        return replace(run, problem=str(error))
    begun = existing.trained or run.paths.checkpoints.exists()
    return replace(run, done=existing.result is not None, begun=begun)


def _scoring_runs(task: Task, name: str, options: RunOptions) -> Iterator[PlannedRun]:
    missing = _missing_data(task, options)
    for seed in options.seeds:
        run = PlannedRun(task.name, name, seed, replace(options, seeds=(seed,)), task.trained_on, problem=missing)
        try:
            yield replace(run, done=_is_scored(run))
        except RequestError as error:
            yield replace(run, problem=str(error))


def _is_scored(run: PlannedRun) -> bool:
    """Return whether the result of a run that only scores is there, and is that of the model as it is now."""
    if not run.paths.result_file.exists():
        return False
    scored, trained = read_result(run.paths.result_file), replace(run.paths, task=run.needs or run.task).result_file
    if not trained.exists() or read_result(trained).trained_weights_sha256 == scored.trained_weights_sha256:
        return True
    raise RequestError(
        f"{run.paths.result_file}: the stored result is of another model than that of {trained}; use another "
        "--results-dir, or remove it"
    )


def _sizes_of(plan: RunPlan) -> dict[str, int]:
    """Return the updates and word pieces of a run, as fields of `PlannedRun`. Encodings are cached."""
    from ..training.encoded_rows import lengths_of

    lengths = {split: lengths_of(encoded) for split, (encoded, _) in plan.encode().items()}
    steps, options = plan.steps(), plan.options
    per_epoch = int(lengths[options.train_split][plan.training_indices].sum())
    scorings = {"dev": 1 if options.select == "last" else steps.epochs, "test": 1}
    if plan.held_out_dev is None:
        del scorings["dev"]
    return {
        "updates": steps.total,
        "train_tokens": per_epoch * steps.total // steps.per_epoch,
        "score_tokens": sum(times * int(lengths[split].sum()) for split, times in scorings.items()),
    }


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


def _missing_data(task: Task, options: RunOptions) -> str | None:
    """Return how to get the data of a task that is only scored, or None if they are there."""
    try:
        require_split(task, "test", options.data_dir)
    except RequestError as error:
        return str(error)
    return None
