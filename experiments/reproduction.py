"""The command that makes a result again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..models.presets import PRESETS
from ..models.sources import default_name
from .results import Result


def command_of(result: Result) -> str:
    """Return the `linkbert` command that makes a result again, without the folders of data, runs and results."""
    task = result.known_task
    if not result.recipe:
        words = [
            "linkbert",
            "eval",
            result.task,
            "--predictions",
            str(result.model.get("source")),
            "--name",
            result.name,
        ]
        return shlex.join(words if result.seed is None else [*words, "--seed", str(result.seed)])
    if task is not None and task.trained_on:
        return shlex.join(["linkbert", "eval", result.task, "--model", result.run_dir or "RUN_DIR"])
    model = _model(result)
    # A task of a user's own is named by its task file, which usually bears its name.
    task_name = f"{result.task}.toml" if result.definition else result.task
    words = ["linkbert", "finetune", task_name, "--model", model, *_recipe(result), "--seed", str(result.seed)]
    words += ["--precision", result.precision]
    name = model
    if revision := result.model.get("revision"):
        # A branch may have moved since, so that the commit is named even if the run was of the default branch.
        words += ["--revision", str(revision)]
        name = default_name(model, str(revision))
    return shlex.join(words if name == result.name else [*words, "--name", result.name])


def _model(result: Result) -> str:
    """Return the preset of a model, or else its hub id or folder."""
    source = str(result.model.get("source"))
    names = [
        preset.name
        for preset in PRESETS.values()
        if source == preset.hub_id or (preset.hub_id is None and source.startswith("package "))
    ]
    return names[0] if names else source


def _recipe(result: Result) -> Iterator[str]:
    """Yield the flags of the recipe, and of each setting that a flag replaced."""
    origins = {key: str(item.get("origin")) for key, item in result.recipe.items()}
    recipes = {origin.split()[1] for origin in origins.values() if origin.startswith("recipe ")}
    if recipes:
        yield from ("--recipe", min(recipes))
    for key, origin in origins.items():
        if origin.startswith("--set "):
            yield from ("--set", f"{key}={result.setting(key)}")
        elif origin.startswith("--"):
            yield from (origin, str(result.setting(key)))
