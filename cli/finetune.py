"""`linkbert finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RequestError
from ..training.stopping import obeying_signals
from . import options
from .console import print_json, print_table, print_text, progress, set_up_logging
from .summary import print_results


def command(
    task: options.Task,
    model: options.Model,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", help="Repeat for several; the recipe's by default.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the training split.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Examples per update.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Peak of the schedule.")] = None,
    max_length: Annotated[int | None, typer.Option("--max-length", help="Word pieces per sequence.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting of the recipe; repeatable."),
    ] = None,
    recipe: options.RecipeName = None,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", help="End the run and its schedule early; such a run is not ranked.")
    ] = None,
    train_fraction: Annotated[
        float | None, typer.Option("--train-fraction", help="Use a part of the training examples; not ranked.")
    ] = None,
    train_split: Annotated[
        str | None, typer.Option("--train-split", metavar="train|dev", help="Train on dev instead; not ranked.")
    ] = None,
    select: Annotated[
        str | None,
        typer.Option("--select", metavar="last|best-dev", help="Which model is scored; the last one is the protocol."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved recipe, the steps and what is cut; train nothing.")
    ] = False,
    name: options.Name = None,
    overwrite: options.Overwrite = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of going on with what is there of the same run.")
    ] = False,
    checkpoint_every: options.CheckpointEvery = options.CHECKPOINT_EVERY,
    deterministic: options.Deterministic = False,
    data_dir: options.DataDir = options.DATA_DIR,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    results_dir: options.ResultsDir = options.RESULTS_DIR,
    precision: options.Precision = "auto",
    per_device_batch_size: options.PerDevice = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Train a model on a task by the published recipe, score dev and test, and store the result."""
    set_up_logging(quiet=quiet)
    flags = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "max_length": max_length}
    chosen = _settings(settings or [], {key: value for key, value in flags.items() if value is not None})
    from ..benchmarks.run import finetune

    with obeying_signals(), progress(quiet=quiet) as report:
        result = finetune(
            task,
            model=model,
            seed=seed or None,
            name=name,
            recipe_name=recipe,
            max_steps=max_steps,
            train_fraction=train_fraction,
            train_split=train_split,
            select=select,
            data_dir=data_dir,
            runs_dir=runs_dir,
            results_dir=results_dir,
            precision=precision,
            per_device_batch_size=per_device_batch_size,
            overwrite=overwrite,
            restart=restart,
            checkpoint_every=checkpoint_every,
            deterministic=deterministic,
            dry_run=dry_run,
            report=report,
            **chosen,
        )
    if json:
        print_json(result)
    elif dry_run:
        _print_plan(result)  # type: ignore[arg-type]
    else:
        print_results(result if isinstance(result, list) else [result])


def _settings(items: list[str], flags: dict[str, Any]) -> dict[str, Any]:
    from ..tasks.recipe import KEYS, parse_setting, problem_with

    chosen, problems = dict(flags), []
    for item in items:
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
    kinds = {
        "examples": "examples",
        "examples_cut": "cut",
        "tokens_cut": "tokens cut",
        "masks_lost": "entity mask lost",
        "gold_labels_lost": "gold labels lost",
        "windowed": "in windows",
    }
    print_table(
        ("split", *kinds.values()),
        [(split, *(str(counts[kind]) for kind in kinds)) for split, counts in plan["truncation"].items()],
    )
    for run, result in zip(plan["run_dirs"], plan["result_files"], strict=True):
        print_text(f"\nrun folder {Path(run)}\nresult     {Path(result)}")


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
