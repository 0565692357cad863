"""Recipes: each setting is resolved once (flag, then recipe, then default), and its origin is kept with it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from .task import Recipe, Task

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

KEYS = tuple(item.name for item in fields(Recipe) if item.name != "origin")
_DEFAULTS = {item.name: item.default for item in fields(Recipe) if item.name in KEYS[4:]}
_WHOLE = ("batch_size", "epochs", "max_length", "frozen_layers", "reinit_layers")
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
    path = Path(__file__).parent / "recipes" / f"{name}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path}: not TOML: {error}") from error
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
    if problems:
        raise RequestError(*problems)
    return Recipe(**values, origin=origin)


def problem_with(key: str, value: Any) -> str | None:
    """Return what is wrong with the value of a setting, or None if nothing is."""
    if key not in KEYS:
        return f"unknown setting {key!r}; {nearest(key, KEYS)}"
    if key == "schedule":
        return None if value in SCHEDULES else f"unknown schedule {value!r}; {nearest(str(value), SCHEDULES)}"
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


def parse_setting(text: str) -> tuple[str, Any]:
    """Read one `key=value` of `--set`.

    Raises:
        RequestError: there is no `=`, or the value is not of a type that the setting can have.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise RequestError(f"--set {text}: expected KEY=VALUE, e.g. --set weight_decay=0.01")
    if key == "schedule":
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


def departures(recipe: Recipe, task: Task, name: str, published: str, checkpoint: Mapping[str, float]) -> list[str]:
    """Return in which settings a run departs from the recipe for a model of its size.

    Args:
        recipe: the settings of the run.
        task: the task.
        name: the recipe with which the run began.
        published: the recipe for a model of this size (`default_recipe`).
        checkpoint: the dropout rates of the model's configuration.
    """
    found = []
    if name != published:
        ours = "" if load_recipes(name)["published"] or task.definition is not None else " (ours)"
        found.append(f"recipe {name}{ours} instead of {published}")
    reference = resolve_recipe(task, name, {}, checkpoint)
    for key, expected in reference.values().items():
        used = getattr(recipe, key)
        if used != expected:
            where = "" if name == published else f" of recipe {name}"
            found.append(f"{key} {_show(used)} instead of {_show(expected)}{where}")
    return found


def _show(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | str) else f"{value:g}"
