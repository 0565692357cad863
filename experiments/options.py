"""Everything that a user may ask of a run: one field per flag, with its default and its check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from ..corpora.json_files import check_text
from ..errors import RequestError, nearest
from ..models.sources import name_problem, revision_problem
from ..tasks.recipe import KEYS, RECIPES, problem_with
from ..training.checkpoints import CHECKPOINT_EVERY
from ..training.device import PRECISIONS, Precision

Selection = Literal["last", "best-dev"]
TrainSplit = Literal["train", "dev"]
SELECTIONS: tuple[str, ...] = get_args(Selection)
# Settings of a recipe that have a flag of their own; the others are given with --set.
RECIPE_FLAGS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "max_length",
    "layer_decay",
    "frozen_layers",
    "reinit_layers",
    "long_inputs",
)
_MAX_STEPS = 10**9


def seed_is_valid(seed: int) -> bool:
    """Return whether every random generator accepts this seed."""
    return 0 <= seed < 2**32


def _must(fine: Callable[[Any], bool], message: str) -> dict[str, Any]:
    """Return the metadata of a field whose value is checked; `message` says what is wrong with a value."""
    return {"check": lambda value: None if value is None or fine(value) else message.format(value)}


def _one_of(flag: str, choices: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of a field that has one of these values."""
    return {
        "check": lambda value: (
            None if value is None or value in choices else f"{flag} {value!r}: {nearest(str(value), choices)}"
        )
    }


@dataclass(frozen=True)
class RunOptions:
    """A request to fine-tune a model on a task. `RunOptions.of` makes one from names and values.

    Attributes:
        task: the task's name.
        model: a preset, a folder or a hub id.
        seeds: one run per seed; empty for the seed of the recipe.
        name: the model's name in paths and on the leaderboard; derived from `model` and `revision` if None.
        revision: a branch, tag or commit hash of a model from the hub; `model@revision` does the same.
        recipe: `base`, `large` or `small`; None for the published recipe of the model's size.
        recipe_file: a TOML file whose section for the task replaces settings of the recipe, such as `linkbert search`
            writes.
        settings: settings that replace those of the recipe and of the recipe file.
        max_steps: ends the run and its schedule after this many updates. Such a run is not ranked.
        train_fraction: share of the training examples that is used. A run below 1 is not ranked.
        train_split: the split that is trained on. A run on dev is not ranked.
        select: `last` scores the model of the last epoch, as the protocol says; `best-dev` the best epoch on dev.
        data_dir: the folder of prepared corpora.
        runs_dir: the folder of models and logs.
        results_dir: the folder of results.
        precision: the number format.
        per_device_batch_size: examples per micro-batch; chosen by memory if None.
        overwrite: replace a different run that is stored in the same place.
        restart: start anew, even if the same run is finished or has a checkpoint.
        checkpoint_every: minutes between checkpoints; 0 to write them at the ends of epochs only.
        deterministic: use only algorithms that give the same bits each time, on GPUs too.
    """

    task: str
    model: str
    seeds: tuple[int, ...] = field(
        default=(),
        metadata=_must(lambda seeds: all(map(seed_is_valid, seeds)), "--seed should be from 0 to 4294967295"),
    )
    name: str | None = field(default=None, metadata={"check": name_problem})
    revision: str | None = field(default=None, metadata={"check": revision_problem})
    recipe: str | None = field(default=None, metadata=_one_of("--recipe", RECIPES))
    recipe_file: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_steps: int | None = field(
        default=None,
        metadata=_must(
            lambda steps: 0 < steps <= _MAX_STEPS, f"--max-steps should be from 1 to {_MAX_STEPS}, found {{}}"
        ),
    )
    train_fraction: float = field(
        default=1.0,
        metadata=_must(lambda share: 0 < share <= 1, "--train-fraction should be above 0 and at most 1, found {}"),
    )
    train_split: TrainSplit = field(
        default="train",
        metadata=_must(
            lambda split: split in get_args(TrainSplit),
            "--train-split should be train or dev, found {!r}; the test split is never trained on",
        ),
    )
    select: Selection = field(default="last", metadata=_one_of("--select", SELECTIONS))
    data_dir: Path = Path("data")
    runs_dir: Path = Path("runs")
    results_dir: Path = Path("results")
    precision: Precision = field(default="auto", metadata=_one_of("--precision", PRECISIONS))
    per_device_batch_size: int | None = field(
        default=None, metadata=_must(lambda size: size > 0, "--per-device-batch-size should be at least 1")
    )
    overwrite: bool = False
    restart: bool = False
    checkpoint_every: float = field(
        default=CHECKPOINT_EVERY,
        metadata=_must(
            lambda minutes: 0 <= minutes < math.inf, "--checkpoint-every should be minutes, 0 or more, found {:g}"
        ),
    )
    deterministic: bool = False

    @classmethod
    def of(cls, task: str, *, model: str, seed: int | Sequence[int] | None = None, **values: Any) -> RunOptions:
        """Make options from names and values, as Python callers and flags give them.

        Args:
            task: the task's name.
            model: a preset, a folder or a hub id.
            seed: one seed, or several; None for the seed of the recipe.
            **values: other fields of this class, and settings of the recipe such as `epochs=3`. None means "not given".
        """
        for what, name in (("task", task), ("model", model)):
            if not isinstance(name, str):
                raise RequestError(f"a {what} is named by a text, found {type(name).__name__}")
        given = {key: value for key, value in values.items() if value is not None}
        known = {item.name for item in fields(cls)}
        settings = dict(given.pop("settings", {})) | {key: given.pop(key) for key in [*given] if key not in known}
        for key in ("data_dir", "runs_dir", "results_dir"):
            if key in given:
                given[key] = Path(given[key])
        seeds = () if seed is None else (seed,) if isinstance(seed, int) else tuple(dict.fromkeys(seed))
        return cls(task=task, model=model, seeds=seeds, settings=settings, **given)

    def problems(self) -> list[str]:
        """Return everything that is wrong with the options by themselves, one message per problem."""
        # A mistyped name is answered with options too, because Python callers give both as keywords.
        names = (*KEYS, *(item.name for item in fields(self) if item.name not in ("task", "seeds", "settings")), "seed")
        found = [
            f"{setting_flag(key)}: {wrong}" if key in KEYS else f"unknown setting {key!r}; {nearest(key, names)}"
            for key, value in self.settings.items()
            if (wrong := problem_with(key, value))
        ]
        for item in fields(self):
            check, value = item.metadata.get("check"), getattr(self, item.name)
            try:
                wrong = check(value) if check is not None else None
            except TypeError:  # Python callers may give a text for a number.
                wrong = f"{option_flag(item.name)}: {value!r} is of another type than this option has"
            if wrong:
                found.append(wrong)
        for key in ("model", "data_dir", "runs_dir", "results_dir"):
            try:
                check_text(str(getattr(self, key)))
            except ValueError:  # The name of a file may hold any bytes.
                found.append(
                    f"--{key.replace('_', '-')}: the path is not UTF-8, and could not be stored in a result; rename it"
                )
        if self.select != "last" and self.train_split == "dev":
            found.append("--select best-dev needs a dev split that is not trained on")
        return found

    def require_valid(self) -> None:
        """Make sure that nothing is wrong with the options by themselves.

        Raises:
            RequestError: something is; all problems are reported together.
        """
        if problems := self.problems():
            raise RequestError(*problems)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the run reads: the one it trains on, dev unless that is dev, and test."""
        return (self.train_split, *(("dev",) if self.train_split != "dev" else ()), "test")

    @property
    def limits(self) -> dict[str, Any]:
        """The options that make a run unlike the published one, which a result records beside the recipe's settings."""
        return {key: getattr(self, key) for key in ("max_steps", "train_fraction", "train_split", "select")}


def setting_flag(key: str) -> str:
    """Return the flag that replaces a setting of the recipe."""
    return f"--{key.replace('_', '-')}" if key in RECIPE_FLAGS else f"--set {key}"


def option_flag(key: str) -> str:
    """Return the flag of an option."""
    return f"--{key.replace('_', '-')}"
