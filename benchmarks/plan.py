"""The plan of a suite: which runs it has, in which order, and what is there of each already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from ..experiments.options import RunOptions
from ..experiments.paths import RunPaths
from ..experiments.plan import RunPlan, make_plan
from ..experiments.run_folder import look_up
from ..experiments.store import read_result
from ..models.loading import inspect_model
from ..models.sources import ModelSource, find_model
from ..tasks.data import load_split
from ..tasks.recipe import default_recipe, recipe_file_sections, recipe_seed
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

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        return {
            "task": self.task, "model": self.name, "seed": self.seed, "action": self.action, "done": self.done,
            "begun": self.begun, "problem": self.problem, "updates": self.updates, "train_tokens": self.train_tokens,
            "score_tokens": self.score_tokens,
        }  # fmt: skip

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
        RequestError: a suite, task or model is unknown, a task is not in the suite, two models have the same name, or
            the recipe file cannot be read or has a section for none of the tasks.
    """
    chosen = {name: get_task(name) for name in _tasks_of(suite, tasks)}
    of_file = _in_recipe_file(options.recipe_file, chosen.values())
    if seeds < 1:
        raise RequestError(f"--seeds should be at least 1, found {seeds}")
    if seeds > _MAX_SEEDS:
        raise RequestError(f"--seeds should be at most {_MAX_SEEDS}, found {seeds}")
    plan: list[PlannedRun] = []
    for model, source in _sources(models, options.revision).items():
        width = inspect_model(source).hidden_size
        for request, task in chosen.items():
            first = recipe_seed(task, options.recipe or default_recipe(task, width))
            wanted = tuple(range(first, first + seeds))
            file = options.recipe_file if task.name in of_file else None
            common = replace(options, task=request, model=model, seeds=wanted, recipe_file=file)
            if task.trained_on is None:
                plan += _training_runs(task, source.name, common)
            else:
                trained = {run.seed: run for run in plan if (run.task, run.name) == (task.trained_on, source.name)}
                plan += _scoring_runs(task, source.name, common, trained)
    return plan


def _sources(models: Sequence[str], revision: str | None) -> dict[str, ModelSource]:
    """Return the models by how they were named first; the same model under another path counts once."""
    found: dict[str, ModelSource] = {}
    for model in models:
        source = find_model(model, revision=revision)
        for other, known in found.items():
            if known.path.resolve() == source.path.resolve():
                break
            if known.name == source.name:
                raise RequestError(
                    f"--model {other} and --model {model} have the same name, {source.name}, by which results are "
                    "kept; rename one of the folders"
                )
        else:
            found[model] = source
    return found


def _in_recipe_file(file: Path | None, tasks: Iterable[Task]) -> list[str]:
    """Return the tasks that have a section in a recipe file; the others keep their own recipe.

    Raises:
        RequestError: the file cannot be read, or has a section for none of the tasks.
    """
    if file is None:
        return []
    sections = recipe_file_sections(file)
    found = [task.name for task in tasks if task.recipe_section in sections]
    if not found:
        raise RequestError(f"{file}: has no section for any task of the suite; it has {', '.join(sections) or 'none'}")
    return found


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


def _scoring_runs(
    task: Task, name: str, options: RunOptions, trained: Mapping[int, PlannedRun]
) -> Iterator[PlannedRun]:
    """Yield the runs of all seeds. If a model is yet to be trained, whether its score is there is seen afterwards."""
    data = missing = None
    try:
        data = load_split(task, "test", options.data_dir).sha256
    except RequestError as error:
        missing = str(error)
    for seed in options.seeds:
        run = PlannedRun(task.name, name, seed, replace(options, seeds=(seed,)), task.trained_on, problem=missing)
        if data is not None and trained[seed].done:
            try:
                run = replace(run, done=_is_scored(run, task, data, trained[seed]))
            except RequestError as error:
                run = replace(run, problem=str(error))
        yield run


def _is_scored(run: PlannedRun, task: Task, data: str, trained: PlannedRun) -> bool:
    """Return whether the result of a run that only scores is there, and is that of these data and of this model."""
    file = run.paths.result_file
    if not file.exists():
        return False
    scored, model = read_result(file), read_result(trained.paths.result_file)
    same = {
        f"another model than that of {trained.paths.result_file}": scored.trained_weights_sha256
        == model.trained_weights_sha256,
        "other data": scored.data["test"]["sha256"] == data,
        "another version of the task": scored.task_version == task.version,
    }
    if wrong := [what for what, is_same in same.items() if not is_same]:
        raise RequestError(
            f"{file}: the stored result is of {' and of '.join(wrong)}; use another --results-dir, or remove it"
        )
    return True


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
    named = [get_task(name).name for name in tasks]
    for name in named:
        if name not in members:
            raise RequestError(f"{name} is not in the suite {suite}; it has {', '.join(members)}")
    chosen = [name for name in members if not named or name in named]
    needed = [other for name in chosen if (other := TASKS[name].trained_on) and other not in chosen]
    return [*needed, *chosen]
