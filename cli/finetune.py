"""`linkbert finetune`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from ..experiments.options import RunOptions
from ..training.stopping import obeying_signals
from . import options
from .console import print_json, print_table, print_text, progress, set_up_logging
from .summary import departure_line, print_results

_TRUNCATION = {
    "examples": "examples",
    "examples_cut": "cut",
    "tokens_cut": "tokens cut",
    "masks_lost": "mention lost",
    "gold_labels_lost": "gold labels lost",
    "windowed": "in windows",
}


def command(
    context: typer.Context,
    task: options.Task,
    model: options.Model,
    revision: options.Revision = None,
    seed: options.Seeds = None,
    recipe: options.RecipeName = None,
    recipe_file: options.RecipeFile = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    max_length: options.MaxLength = None,
    layer_decay: options.LayerDecay = None,
    frozen_layers: options.FrozenLayers = None,
    reinit_layers: options.ReinitLayers = None,
    long_inputs: options.LongInputs = None,
    settings: options.Settings = None,
    select: options.Select = RunOptions.select,
    max_steps: options.MaxSteps = None,
    train_fraction: options.TrainFraction = RunOptions.train_fraction,
    train_split: options.TrainSplit = RunOptions.train_split,
    dry_run: options.DryRun = False,
    name: options.Name = None,
    overwrite: options.Overwrite = False,
    restart: options.Restart = False,
    checkpoint_every: options.CheckpointEvery = RunOptions.checkpoint_every,
    data_dir: options.DataDir = RunOptions.data_dir,
    runs_dir: options.RunsDir = RunOptions.runs_dir,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    track: options.Track = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    precision: options.Precision = RunOptions.precision,
    per_device_batch_size: options.PerDevice = None,
    deterministic: options.Deterministic = False,
) -> None:
    """Train a model on a task by the published recipe, score dev and test, and store the result.

    Example: linkbert finetune ncbi-disease --model biolinkbert-base

    Example: linkbert finetune gad --model ./my-bert --seed 1 --seed 2 --epochs 3
    """
    set_up_logging(quiet=quiet)
    values = options.option_values(context.params)
    request = RunOptions.of(task, model=model, seed=seed or None, **values)
    if dry_run:
        _show_plan(request, json=json)
    else:
        _train(request, track or (), quiet=quiet, json=json)


def _show_plan(request: RunOptions, *, json: bool) -> None:
    from ..experiments.plan import plan_finetune

    plan = plan_finetune(request).to_json()
    print_json(plan) if json else _print_plan(plan)


def _train(request: RunOptions, track: Sequence[str], *, quiet: bool, json: bool) -> None:
    from ..experiments.finetune import finetune
    from ..experiments.trackers import make_trackers

    trackers = make_trackers(track)
    with obeying_signals(), progress(quiet=quiet) as reporters:
        result = finetune(request, reporters=[*reporters, *trackers])
    results = result if isinstance(result, list) else [result]
    if json:
        documents = [item.to_json() for item in results]
        print_json(documents if isinstance(result, list) else documents[0])
    else:
        print_results(results)


def _print_plan(plan: dict[str, Any]) -> None:
    model = plan["model"]
    print_text(f"{plan['task']} with {model['name']} ({model['source']}), {model['parameters']:,} parameters")
    print_table(
        ("setting", "value", "from"),
        [(key, _shown(item["value"]), item["origin"]) for key, item in plan["recipe"].items()],
    )
    print_text(
        f"\n{plan['train_examples']} training examples, {plan['steps_per_epoch']} updates an epoch, "
        f"{plan['steps']} in all, {plan['warmup_steps']} of warm-up; seeds {', '.join(map(str, plan['seeds']))}"
    )
    for departure in plan["departures"]:
        print_text(departure_line(plan["suite"], departure))
    print_text("")
    print_table(
        ("split", *_TRUNCATION.values()),
        [(split, *(str(counts[kind]) for kind in _TRUNCATION)) for split, counts in plan["truncation"].items()],
    )
    for run, result in zip(plan["run_dirs"], plan["result_files"], strict=True):
        print_text(f"\nrun folder {run}\nresult     {result}")


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
