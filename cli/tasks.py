"""`linkbert tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RequestError
from ..experiments.options import RunOptions
from ..tasks.registry import TASKS, get_task
from ..tasks.task import Task, Truncation
from . import options
from .console import print_json, print_table, print_text, set_up_logging

_EXAMPLES = 3


def command(
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="Show the card of this dataset.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Show three examples as this model sees them.")
    ] = None,
    revision: options.Revision = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """List the datasets, or show the card and examples of one.

    Example: linkbert tasks gad --model minilm
    """
    set_up_logging(quiet=quiet)
    if model and (task is None or json):
        raise RequestError("--model shows examples of one TASK as text; name one, without --json")
    if revision is not None and model is None:
        raise RequestError("--revision belongs to --model; name a model from the hub")
    chosen = [get_task(task)] if task else list(TASKS.values())
    if json:
        print_json([_card(item) for item in chosen])
        return
    if task is None:
        print_table(
            ("task", "family", "metric", *("train", "dev", "test"), "unit"),
            [(item.name, item.family.name, item.metric, *map(str, item.counts), _unit(item)) for item in chosen],
        )
        return
    for key, value in _card(chosen[0]).items():
        print_text(f"{key:<16} {_shown(value)}")
    if model:
        _print_examples(chosen[0], model, revision, data_dir)


def _unit(task: Task) -> str:
    return task.unit if task.splits[0] == "train" else f"{task.unit} ({'/'.join(task.splits)})"


def _card(task: Task) -> dict[str, Any]:
    from ..tasks.recipe import RECIPES, recipe_settings

    recipes = {name: recipe_settings(task.recipe_section, name) for name in RECIPES}
    return {
        "name": task.name,
        "title": task.title,
        "version": task.version,
        "family": task.family.name,
        "suite": task.suite,
        "task_type": task.task_type,
        "head": task.head.kind,
        "metric": task.metric,
        "labels": list(task.labels),
        "negative": task.negative,
        "release": task.release,
        "counts": task.official,
        "unit": task.unit,
        "trained_on": task.trained_on or task.name,
        "recipes": {name: recipe for name, recipe in recipes.items() if recipe},
        "access": task.access,
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _print_examples(task: Task, model: str, revision: str | None, data_dir: Path) -> None:
    from itertools import islice

    from ..corpora.prepared import read_examples
    from ..models.loading import inspect_model
    from ..models.sources import find_model
    from ..models.tokenizer_loading import load_tokenizer
    from ..tasks.data import require_split
    from ..tasks.recipe import default_recipe, recipe_settings

    source = find_model(model, revision=revision)
    recipe = recipe_settings(task.recipe_section, default_recipe(task, inspect_model(source).hidden_size))
    max_length = recipe["max_length"]
    tokenizer = load_tokenizer(source.path, words=task.head.per_word)
    path = require_split(task, task.splits[0], data_dir)
    examples = list(islice(read_examples(path, task.parse), _EXAMPLES))
    for example, row in zip(examples, task.encode(tokenizer, examples, max_length, Truncation()), strict=True):
        print_text(f"\nid {example['id']}, label {_shown(example.get('label'))}")
        for sequence in row["input_ids"]:
            print_text(f"  {len(sequence)} pieces: {' '.join(tokenizer.convert_ids_to_tokens(sequence))}")
