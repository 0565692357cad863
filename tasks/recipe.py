"""Recipes: each setting is resolved once (flag, then recipe, then default), and its origin is kept with it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from .task import CUT, Family, Task

RECIPES = ("base", "large", "small")
SMALL_HIDDEN_SIZE = 384
LARGE_HIDDEN_SIZE = 1024  # Encoders of this width and more take the published recipe for large models.
DEFAULT_SEED = 42
# Schedules of `transformers.get_scheduler` that need nothing but the numbers of warm-up and training updates. Named
# here because importing transformers takes seconds; a test compares them with the library.
SCHEDULES = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)
LONG_INPUTS = (CUT, "keep-mentions", "windows")


@dataclass(frozen=True)
class Recipe:
    """The settings of one fine-tuning run. Defaults are those of the authors' scripts.

    Attributes:
        learning_rate: the highest learning rate of the schedule.
        batch_size: examples per update, over all processes and micro-batches.
        epochs: passes over the training split.
        max_length: word pieces per sequence, special tokens included.
        warmup: updates in which the learning rate rises from 0; a float below 1 is a share of all updates, rounded up.
        weight_decay: weight decay of AdamW, not applied to biases and normalisation weights.
        beta1: decay rate of AdamW's first moment.
        beta2: decay rate of AdamW's second moment.
        eps: epsilon of AdamW.
        max_grad_norm: the norm to which gradients are clipped.
        dropout: hidden dropout rate; the checkpoint's own if None.
        attention_dropout: attention dropout rate; the checkpoint's own if None.
        group_by_length: whether batches are drawn from examples of similar length, which departs from the published
            order.
        schedule: name of the learning rate schedule; `linear` (to 0 after the warm-up) is the published one.
        layer_decay: factor of the learning rate from each layer to the one below it; 1 is the published recipe.
        frozen_layers: number of lowest layers that are not trained, with the embeddings; 0 is the published recipe.
        reinit_layers: number of highest layers that begin with random weights, with the pooler; 0 is the published
            recipe.
        long_inputs: what is done with inputs of more than `max_length` word pieces, one of `LONG_INPUTS`; `cut`, which
            loses their ends, is the published recipe.
        origin: setting -> where its value came from.
    """

    learning_rate: float
    batch_size: int
    epochs: int
    max_length: int
    warmup: float = 0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    max_grad_norm: float = 1.0
    dropout: float | None = None
    attention_dropout: float | None = None
    group_by_length: bool = False
    schedule: str = "linear"
    layer_decay: float = 1.0
    frozen_layers: int = 0
    reinit_layers: int = 0
    long_inputs: str = "cut"
    origin: Mapping[str, str] = field(default_factory=dict, compare=False)

    def values(self) -> dict[str, Any]:
        """Return all settings by name, without their origins."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "origin"}

    def warmup_steps(self, steps: int) -> int:
        """Return the number of warm-up updates in a run of `steps` updates."""
        return int(self.warmup) if self.warmup >= 1 else math.ceil(self.warmup * steps)


KEYS = tuple(item.name for item in fields(Recipe) if item.name != "origin")
_DEFAULTS = {item.name: item.default for item in fields(Recipe) if item.name in KEYS[4:]}
_WHOLE = ("batch_size", "epochs", "max_length", "frozen_layers", "reinit_layers")
_WORDS = {"schedule": SCHEDULES, "long_inputs": LONG_INPUTS}
# Inclusive lower and upper bounds, and whether the lower one is excluded.
_BOUNDS: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0, 1, True),
    "batch_size": (1, 1_000_000, False),
    "epochs": (1, 1_000_000, False),
    "max_length": (4, 1_000_000, False),
    "warmup": (0, 1_000_000_000, False),
    "weight_decay": (0, 1, False),
    "beta1": (0, 0.999999, False),
    "beta2": (0, 0.9999999, False),
    "eps": (0, 1, True),
    "max_grad_norm": (0, 1_000_000, True),
    "dropout": (0, 0.99, False),
    "attention_dropout": (0, 0.99, False),
    "layer_decay": (0, 1, True),
    "frozen_layers": (0, 1000, False),
    "reinit_layers": (0, 1000, False),
}


@cache
def load_recipes(name: str) -> dict[str, Any]:
    """Read and check `recipes/NAME.toml`.

    Raises:
        RequestError: the file is not TOML, a setting is unknown, or its value is out of range.
    """
    return _read(Path(__file__).parent / "recipes" / f"{name}.toml")


def recipe_file_sections(path: Path) -> list[str]:
    """Return the names of the sections of a file of recipes.

    Raises:
        RequestError: the file cannot be read or is malformed.
    """
    return [name for name, item in _read(path).items() if isinstance(item, dict)]


def read_recipe_file(path: Path, section: str) -> dict[str, tuple[Any, str]]:
    """Return the settings of one section of a file of recipes, each with where it came from, and `seed` left out.

    Args:
        path: a TOML file with a section for each task and, at the top, `about`: where the settings come from.
        section: the section, a task's name.

    Raises:
        RequestError: the file cannot be read, is malformed, or lacks the section.
    """
    data = _read(path)
    values = data.get(section)
    if not isinstance(values, dict):
        known = ", ".join(name for name, item in data.items() if isinstance(item, dict)) or "none"
        raise RequestError(f"{path}: no section [{section}]; it has {known}")
    about = f" ({data['about']})" if "about" in data else ""
    return {key: (value, f"recipe file {path.name}{about}") for key, value in values.items() if key != "seed"}


def _read(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise RequestError(f"{path}: the recipe file cannot be read ({error.strerror})") from error
    for section, values in data.items():
        if isinstance(values, dict):
            for key, value in values.items():
                if key != "seed" and (problem := problem_with(key, value)):
                    raise RequestError(f"{path} [{section}]: {problem}")
    return data


def recipe_settings(task: str, name: str) -> dict[str, Any]:
    """Return what a recipe says about a task, with the recipe's defaults; empty for a task that is never trained on."""
    data = load_recipes(name)
    return data.get("defaults", {}) | data[task] if task in data else {}


def default_recipe(task: Task, hidden_size: int) -> str:
    """Return the name of the recipe for an encoder of this width: the published one, unless the task is a user's own.

    The benchmark's published recipe for small encoders is that of the base models, which they learn little with. A task
    of a user's own has no published recipe, so that small encoders take the one made for them.
    """
    if task.definition is not None and hidden_size <= SMALL_HIDDEN_SIZE:
        return "small"
    return "large" if hidden_size >= LARGE_HIDDEN_SIZE else "base"


def recipe_seed(task: Task, name: str) -> int:
    """Return the seed that the task file or the recipe names for a task, or 42 if neither names one."""
    return {**recipe_settings(task.recipe_section, name), **task.recipe}.get("seed", DEFAULT_SEED)


def resolve_recipe(
    task: Task, name: str, overrides: Mapping[str, tuple[Any, str]], checkpoint: Mapping[str, float]
) -> Recipe:
    """Resolve every setting for one task.

    Args:
        task: the task.
        name: the recipe's name.
        overrides: setting -> (value, origin), from flags.
        checkpoint: the dropout rates of the model's configuration (`ModelInfo.dropouts`).

    Raises:
        RequestError: some overrides are wrong; all problems are reported together.
    """
    published = load_recipes(name)["published"] and task.definition is None
    title = f"recipe {name} ({'published' if published else 'ours'})"
    layers: list[tuple[Mapping[str, Any], str]] = [
        (_DEFAULTS, "default"),
        (checkpoint, "checkpoint"),
        (recipe_settings(task.recipe_section, name), title),
        (task.recipe, "task file"),
    ]
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for settings, where in layers:
        for key in KEYS:
            if key in settings:
                values[key], origin[key] = settings[key], where
    problems = []
    for key, (value, where) in overrides.items():
        problem = problem_with(key, value)
        if problem:
            problems.append(f"{where}: {problem}")
        else:
            values[key], origin[key] = (int(value) if key in _WHOLE else value), where
    if not problems and (problem := problem_with_family(task.family, values["long_inputs"])):
        problems.append(f"{origin['long_inputs']}: {problem}")
    if problems:
        raise RequestError(*problems)
    return Recipe(**values, origin=origin)


def problem_with(key: str, value: Any) -> str | None:
    """Return what is wrong with the value of a setting, or None if nothing is."""
    if key not in KEYS:
        return f"unknown setting {key!r}; {nearest(key, KEYS)}"
    if key in _WORDS:
        return None if value in _WORDS[key] else f"unknown {key} {value!r}; {nearest(str(value), _WORDS[key])}"
    if key == "group_by_length":
        return None if isinstance(value, bool) else f"group_by_length should be true or false, found {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{key} should be a number, found {value!r}"
    low, high, excluded = _BOUNDS[key]
    if not low <= value <= high or (excluded and value == low):
        return f"{key} should be {'above' if excluded else 'at least'} {low} and at most {high}, found {value}"
    if key in _WHOLE and value != int(value):
        return f"{key} should be a whole number, found {value}"
    if key == "warmup" and value > 1 and value != int(value):
        return f"warmup should be a whole number of updates or a share below 1, found {value}"
    return None


def problem_with_family(family: Family, long_inputs: str) -> str | None:
    """Return why the examples of a family cannot be encoded in this way, or None if they can."""
    known = (CUT, *family.long_inputs)
    return (
        None if long_inputs in known else f"{family.name} has no long_inputs {long_inputs!r}; it has {', '.join(known)}"
    )


def parse_setting(text: str) -> tuple[str, Any]:
    """Read one `key=value` of `--set`.

    Raises:
        RequestError: there is no `=`, or the value is not of a type that the setting can have.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise RequestError(f"--set {text}: expected KEY=VALUE, e.g. --set weight_decay=0.01")
    if key in _WORDS or key not in KEYS:  # An unknown key is reported as such.
        return key, value
    words = {"true": True, "false": False}
    if value.lower() in words:
        return key, words[value.lower()]
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    raise RequestError(f"--set {text}: {value!r} is neither a number nor true or false")
