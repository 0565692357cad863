"""In which settings a run departs from the recipe that was published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .recipe import Recipe, load_recipes, resolve_recipe
from .task import Task


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
