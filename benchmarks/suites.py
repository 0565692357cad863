"""Running what is missing of a suite, one run after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LinkbertError, RequestError, nearest
from ..models.loading import inspect_model
from ..models.sources import find_model
from ..tasks.recipe import published_recipe, recipe_seed
from ..tasks.registry import TASKS, get_task
from ..tasks.task import SUITES
from ..training.checkpoints import CHECKPOINT_EVERY
from .evaluation import evaluate
from .leaderboard import leaderboard
from .results import Place
from .run import finetune
from .settings import problems_with_flags

if TYPE_CHECKING:
    from .scoring import Report

SUITE_NAMES = (*SUITES, "all")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """One run of a plan.

    Attributes:
        task: the task's name.
        model: as the user named it.
        name: the model's name in paths.
        seed: the seed.
        action: `train`, or `score` (with the model fine-tuned on another task).
        done: whether a result lies in its place; if it is of a different run, the item fails and says where.
    """

    task: str
    model: str
    name: str
    seed: int
    action: str
    done: bool

    def __str__(self) -> str:
        return f"{self.task} {self.name} seed {self.seed}"


def benchmark(
    suite: str,
    *,
    models: Sequence[str],
    seeds: int = 1,
    tasks: Sequence[str] = (),
    recipe_name: str | None = None,
    data_dir: str | Path = "data",
    runs_dir: str | Path = "runs",
    results_dir: str | Path = "results",
    precision: str = "auto",
    per_device_batch_size: int | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
    deterministic: bool = False,
    dry_run: bool = False,
    on_plan: Callable[[list[Item]], None] | None = None,
    on_item: Callable[[Item, int, int], None] | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Run what is missing of a suite; a run that fails is noted and the others go on.

    Args:
        suite: `blurb`, `medqa`, `mmlu` or `all`.
        models: presets, folders or hub ids.
        seeds: how many: the recipe's seed, and the numbers after it.
        tasks: only these of the suite.
        recipe_name: see `finetune`.
        data_dir: prepared corpora.
        runs_dir: models and logs.
        results_dir: scored runs.
        precision: number format.
        per_device_batch_size: examples per micro-batch.
        checkpoint_every: see `finetune`.
        deterministic: likewise.
        dry_run: plan only; the leaderboard is as it is.
        on_plan: called with the plan before anything runs.
        on_item: called before each run with it, its number and their number.
        report: called with signs of life.

    Returns:
        `{"runs": [result, or {"task", "model", "seed", "error"}], "leaderboard": {"rows": [...]}}`.

    Raises:
        RequestError: an unknown suite, task or model, or a flag out of range.
    """
    if problems := problems_with_flags(recipe_name, precision, per_device_batch_size, checkpoint_every):
        raise RequestError(*problems)
    plan = plan_suite(suite, models, seeds, tasks, recipe_name, Path(runs_dir), Path(results_dir))
    if on_plan:
        on_plan(plan)
    folders: dict[str, Any] = {"data_dir": data_dir, "runs_dir": runs_dir, "results_dir": results_dir}
    runs = []
    for number, item in enumerate(() if dry_run else plan, start=1):
        if on_item:
            on_item(item, number, len(plan))
        try:
            if item.action == "score":
                runs.append(_score(item, folders, precision, report))
                continue
            runs.append(
                finetune(
                    item.task,
                    model=item.model,
                    seed=item.seed,
                    recipe_name=recipe_name,
                    precision=precision,
                    per_device_batch_size=per_device_batch_size,
                    checkpoint_every=checkpoint_every,
                    deterministic=deterministic,
                    report=report,
                    **folders,
                )
            )
        except Exception as error:
            # Whatever it is, the other runs do not depend on it; the command ends with exit code 1.
            reason = str(error) if isinstance(error, LinkbertError) else f"{type(error).__name__}: {error}"
            _log.error("%s failed: %s", item, reason)
            runs.append({"task": item.task, "model": item.name, "seed": item.seed, "error": reason})
    return {"runs": runs, "leaderboard": leaderboard(results_dir)}


def plan_suite(
    suite: str,
    models: Sequence[str],
    seeds: int,
    tasks: Sequence[str],
    recipe_name: str | None,
    runs_dir: Path,
    results_dir: Path,
) -> list[Item]:
    """List the runs of a suite in order; those whose result is there are `done`.

    Raises:
        RequestError: an unknown suite, task or model, or a task outside the suite.
    """
    if suite not in SUITE_NAMES:
        raise RequestError(f"unknown suite {suite!r}; {nearest(suite, SUITE_NAMES)}")
    if seeds < 1:
        raise RequestError(f"--seeds should be at least 1, found {seeds}")
    members = [name for name, task in TASKS.items() if suite in ("all", task.suite)]
    for name in tasks:
        if get_task(name).name not in members:
            raise RequestError(f"{name} is not in the suite {suite}; it has {', '.join(members)}")
    chosen = [name for name in members if not tasks or name in tasks]
    # A task that is scored with another's model needs that one trained first.
    needed = [other for name in chosen if (other := TASKS[name].trained_on) and other not in chosen]
    plan = []
    for model in models:
        source = find_model(model)
        assert source is not None  # only without download
        recipe = recipe_name or published_recipe(inspect_model(source).hidden_size)
        for name in [*needed, *chosen]:
            first = recipe_seed(TASKS[name].recipe_section, recipe)
            for seed in range(first, first + seeds):
                place = Place(name, source.name, seed, runs_dir, results_dir)
                action = "score" if TASKS[name].trained_on else "train"
                plan.append(Item(name, model, source.name, seed, action, place.result_file.exists()))
    return plan


def _score(item: Item, folders: dict[str, Any], precision: str, report: Report | None) -> Any:
    trained_on = TASKS[item.task].trained_on or item.task
    run_dir = Place(trained_on, item.name, item.seed, Path(folders["runs_dir"]), Path()).run_dir
    return evaluate(item.task, model=run_dir, precision=precision, report=report, **folders)
