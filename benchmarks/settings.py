"""What a run is to do, with every problem found and told together before anything starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from ..files import require_writable
from ..models.loading import ModelInfo, inspect_model
from ..models.sources import find_model, safe_name
from ..tasks.data import require_split
from ..tasks.recipe import (
    RECIPES,
    departures,
    problem_with,
    published_recipe,
    recipe_seed,
    resolve_recipe,
)
from ..tasks.registry import get_task
from ..tasks.task import Recipe, Task
from .results import Place

_MAX_STEPS = 10**9
SELECTIONS = ("last", "best-dev")


@dataclass(frozen=True)
class Folders:
    """The three folders of a project.

    Attributes:
        data: prepared corpora.
        runs: models and logs.
        results: scored runs.
    """

    data: Path = Path("data")
    runs: Path = Path("runs")
    results: Path = Path("results")


@dataclass(frozen=True)
class Limits:
    """What makes a run unlike a full one, and how its model is chosen.

    Attributes:
        max_steps: ends the run and its schedule after this many updates.
        train_fraction: share of the training examples that is used.
        train_split: the split that is trained on.
        select: `last` (the published protocol) or `best-dev`.
    """

    max_steps: int | None = None
    train_fraction: float = 1.0
    train_split: str = "train"
    select: str = "last"


def splits_needed(limits: Limits) -> tuple[str, ...]:
    """The splits that a run reads: what it trains on, dev unless that is dev, and test."""
    return (limits.train_split, *(("dev",) if limits.train_split != "dev" else ()), "test")


@dataclass(frozen=True)
class Settings:
    """A request to fine-tune, resolved and checked.

    Attributes:
        task: the task.
        model: the model.
        recipe: every setting with its origin.
        recipe_name: the recipe that they began with.
        limits: what makes the run unlike a full one.
        seeds: the seeds, in order.
        folders: where everything lies.
        precision: as asked for.
        per_device: examples per micro-batch, or None to choose by memory.
        overwrite: whether a different run may be replaced.
        restart: whether the same run begins anew, whatever is there of it.
        checkpoint_every: minutes between checkpoints; 0 for the ends of epochs alone.
        deterministic: whether only algorithms are used that give the same bits each time.
        given: which of the limits were given as flags.
    """

    task: Task
    model: ModelInfo
    recipe: Recipe
    recipe_name: str
    limits: Limits
    seeds: tuple[int, ...]
    folders: Folders
    precision: str
    per_device: int | None
    overwrite: bool
    restart: bool
    checkpoint_every: float
    deterministic: bool
    given: tuple[str, ...] = ()

    def place(self, seed: int) -> Place:
        """Where the run of one seed lies."""
        return Place(self.task.name, self.model.source.name, seed, self.folders.runs, self.folders.results)

    @property
    def dev_is_held_out(self) -> bool:
        """Whether the dev split can be scored: not when it is trained on."""
        return self.limits.train_split != "dev"

    def recipe_as_used(self) -> dict[str, dict[str, Any]]:
        """The `recipe` object of a result: setting -> value and origin, the run's limits among them."""
        used = {key: {"value": value, "origin": self.recipe.origin[key]} for key, value in self.recipe.values().items()}
        for key in ("max_steps", "train_fraction", "train_split", "select"):
            origin = f"--{key.replace('_', '-')}" if key in self.given else "default"
            used[key] = {"value": getattr(self.limits, key), "origin": origin}
        return used

    def departures(self) -> list[str]:
        """Where the run differs from the published protocol."""
        published = published_recipe(self.model.hidden_size)
        found = departures(self.recipe, self.task.recipe_section, self.recipe_name, published, dropouts_of(self.model))
        if self.limits.select != "last":
            found.append(f"select {self.limits.select} instead of last")
        return found


def resolve_settings(
    task: str,
    model: str,
    *,
    name: str | None,
    seeds: Sequence[int],
    recipe_name: str | None,
    overrides: Mapping[str, tuple[Any, str]],
    limits: Limits,
    given: tuple[str, ...],
    folders: Folders,
    precision: str,
    per_device: int | None,
    overwrite: bool,
    restart: bool,
    checkpoint_every: float,
    deterministic: bool,
    write: bool = True,
) -> Settings:
    """Check a request and resolve it.

    Args:
        task: the task's name.
        model: preset, folder or hub id.
        name: overrides the model's name in paths.
        seeds: empty for the recipe's own.
        recipe_name: None for the published one of the model's size.
        overrides: setting -> (value, origin).
        limits: as asked for.
        given: which limits came from flags.
        folders: where everything lies.
        precision: `auto` or a number format.
        per_device: examples per micro-batch, or None.
        overwrite: whether a different run may be replaced.
        restart: whether the same run begins anew.
        checkpoint_every: minutes between checkpoints.
        deterministic: whether only algorithms are used that give the same bits each time.
        write: whether the output folders must be writable.

    Raises:
        RequestError: all that is wrong, together; a model is downloaded only when nothing else is.
    """
    found = get_task(task)
    if found.trained_on is not None:
        raise RequestError(
            f"{task} is never trained on: it is evaluated with a model fine-tuned on {found.trained_on}. Run "
            f"`linkbert finetune {found.trained_on} --model {model}`, then `linkbert eval {task} --model RUN_DIR`"
        )
    problems: list[str] = []
    for key, (value, origin) in overrides.items():
        if problem := problem_with(key, value):
            problems.append(f"{origin}: {problem}")
    problems += problems_with_flags(recipe_name, precision, per_device, checkpoint_every)
    problems += _limit_problems(limits, seeds)
    for split in splits_needed(limits):
        _collect(problems, partial(require_split, found, split, folders.data))
    if write:
        _collect(problems, lambda: require_writable(folders.runs, "the folder of runs", create=False))
        _collect(problems, lambda: require_writable(folders.results, "the folder of results", create=False))
    source = _collect(problems, lambda: find_model(model, name, download=not problems))
    if problems or source is None:
        raise RequestError(*problems)
    info = inspect_model(source)
    chosen = recipe_name or published_recipe(info.hidden_size)
    recipe = resolve_recipe(found.recipe_section, chosen, overrides, dropouts_of(info))
    if info.max_positions is not None and recipe.max_length > info.max_positions:
        raise RequestError(
            f"maximum length {recipe.max_length} ({recipe.origin['max_length']}) is beyond the {info.max_positions} "
            f"positions of {model}; use --max-length {info.max_positions} or less"
        )
    return Settings(
        task=found,
        model=info,
        recipe=recipe,
        recipe_name=chosen,
        limits=limits,
        seeds=tuple(dict.fromkeys(seeds)) or (recipe_seed(found.recipe_section, chosen),),
        folders=folders,
        precision=precision,
        per_device=per_device,
        overwrite=overwrite,
        restart=restart,
        checkpoint_every=checkpoint_every,
        deterministic=deterministic,
        given=given,
    )


def seed_is_fine(seed: int) -> bool:
    """Tell whether every random generator takes this seed."""
    return 0 <= seed < 2**32


def check_name(name: str | None) -> None:
    """Make sure that a model's name can be the name of a folder.

    Raises:
        RequestError: it cannot.
    """
    if name is not None and not safe_name(name):
        raise RequestError(f"--name {name!r}: use letters, digits, '.', '_' and '-', beginning with a letter or digit")


def problems_with_flags(
    recipe_name: str | None, precision: str, per_device: int | None, checkpoint_every: float
) -> list[str]:
    """Say what is wrong with the flags that single runs and suites share."""
    from ..training.precision import PRECISIONS

    checks = [
        (recipe_name in (None, *RECIPES), f"--recipe {recipe_name!r}: {nearest(str(recipe_name), RECIPES)}"),
        (precision in PRECISIONS, f"--precision {precision!r}: {nearest(precision, PRECISIONS)}"),
        (per_device is None or per_device > 0, "--per-device-batch-size should be at least 1"),
        (
            0 <= checkpoint_every < math.inf,
            f"--checkpoint-every should be minutes, 0 or more, found {checkpoint_every:g}",
        ),
    ]
    return [message for fine, message in checks if not fine]


def _limit_problems(limits: Limits, seeds: Sequence[int]) -> list[str]:
    checks = [
        (
            limits.max_steps is None or 0 < limits.max_steps <= _MAX_STEPS,
            f"--max-steps should be from 1 to {_MAX_STEPS}, found {limits.max_steps}",
        ),
        (
            0 < limits.train_fraction <= 1,
            f"--train-fraction should be above 0 and at most 1, found {limits.train_fraction}",
        ),
        (
            limits.train_split in ("train", "dev"),
            f"--train-split should be train or dev, found {limits.train_split!r}; the test split is never trained on",
        ),
        (limits.select in SELECTIONS, f"--select {limits.select!r}: {nearest(limits.select, SELECTIONS)}"),
        (
            limits.select == "last" or limits.train_split != "dev",
            "--select best-dev needs a dev split that is not trained on",
        ),
        (all(map(seed_is_fine, seeds)), "--seed should be from 0 to 4294967295"),
    ]
    return [message for fine, message in checks if not fine]


def _collect(problems: list[str], call: Callable[[], Any]) -> Any:
    try:
        return call()
    except RequestError as error:
        problems += [problem for problem in error.problems if problem not in problems]
        return None


def dropouts_of(info: ModelInfo) -> dict[str, float]:
    """The checkpoint's own values of the recipe's two dropouts."""
    return {"dropout": info.dropout, "attention_dropout": info.attention_dropout}
