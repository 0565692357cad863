"""`linkbert finetune`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ..errors import RequestError
from ..experiments.options import RECIPE_FLAGS, RunOptions
from ..training.stopping import obeying_signals
from . import options
from .console import print_json, print_table, print_text, progress, set_up_logging
from .summary import print_results

_TRUNCATION = {
    "examples": "examples",
    "examples_cut": "cut",
    "tokens_cut": "tokens cut",
    "masks_lost": "entity mask lost",
    "gold_labels_lost": "gold labels lost",
    "windowed": "in windows",
}


def command(
    context: typer.Context,
    task: options.Task,
    model: options.Model,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed", help="Repeat for several runs; the recipe's seed by default.", rich_help_panel=options.RECIPE
        ),
    ] = None,
    recipe: options.RecipeName = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the training split.", rich_help_panel=options.RECIPE)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Examples per update.", rich_help_panel=options.RECIPE)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", help="The highest rate of the schedule.", rich_help_panel=options.RECIPE),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option("--max-length", help="Word pieces per sequence.", rich_help_panel=options.RECIPE)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any other setting of the recipe, e.g. schedule=cosine; repeatable. --dry-run shows all of them.",
            rich_help_panel=options.RECIPE,
        ),
    ] = None,
    select: Annotated[
        str,
        typer.Option(
            "--select",
            metavar="EPOCH",
            help="The epoch whose model is scored: last (the protocol), or best-dev.",
            rich_help_panel=options.RECIPE,
        ),
    ] = RunOptions.select,
    max_steps: Annotated[
        int | None,
        typer.Option("--max-steps", help="End the run and its schedule early.", rich_help_panel=options.LIMITS),
    ] = None,
    train_fraction: Annotated[
        float,
        typer.Option("--train-fraction", help="Train on this share of the examples.", rich_help_panel=options.LIMITS),
    ] = RunOptions.train_fraction,
    train_split: Annotated[
        str,
        typer.Option(
            "--train-split", metavar="SPLIT", help="Train on train, or on dev.", rich_help_panel=options.LIMITS
        ),
    ] = RunOptions.train_split,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show the settings, the number of updates and what would be cut, and stop.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    name: options.Name = None,
    overwrite: options.Overwrite = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Start anew instead of continuing or reusing the same run.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    checkpoint_every: options.CheckpointEvery = RunOptions.checkpoint_every,
    data_dir: options.DataDir = options.DATA_DIR,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    results_dir: options.ResultsDir = options.RESULTS_DIR,
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
    values = options.option_values(context.params) | {"settings": _recipe_settings(context.params)}
    request = RunOptions.of(task, model=model, seed=seed or None, **values)
    if dry_run:
        from ..experiments.plan import plan_finetune

        plan = plan_finetune(request).to_json()
        print_json(plan) if json else _print_plan(plan)
        return
    from ..experiments.finetune import finetune

    with obeying_signals(), progress(quiet=quiet) as reporters:
        result = finetune(request, reporters=reporters)
    results = result if isinstance(result, list) else [result]
    if json:
        documents = [item.to_json() for item in results]
        print_json(documents if isinstance(result, list) else documents[0])
    else:
        print_results(results)


def _recipe_settings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the recipe that flags replace.

    Raises:
        RequestError: a setting of `--set` is unknown, malformed or given twice.
    """
    from ..tasks.recipe import KEYS, parse_setting, problem_with

    chosen = {key: parameters[key] for key in RECIPE_FLAGS if parameters[key] is not None}
    problems = []
    for item in parameters["settings"] or ():
        key, value = parse_setting(item)
        if key not in KEYS:
            problems.append(f"--set {item}: {problem_with(key, value)}")
        elif key in chosen:
            problems.append(f"--set {item}: {key} is given twice")
        chosen[key] = value
    if problems:
        raise RequestError(*problems)
    return chosen


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
        print_text(f"departs from the published recipe: {departure}")
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
