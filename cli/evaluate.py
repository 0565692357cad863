"""`linkbert eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..experiments.options import RunOptions
from ..training.stopping import obeying_signals
from . import options
from .console import print_json, progress, set_up_logging
from .summary import print_results


def command(
    task: options.Task,
    model: Annotated[str | None, typer.Option("--model", metavar="RUN_DIR", help="A run folder of the task.")] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", help="Predictions from elsewhere: JSON lines with id and prediction."),
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="train, dev, val or test.")] = "test",
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="Store the result of the predictions under this model name.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="The seed of the predictions, if they have one.", rich_help_panel=options.OUTPUT),
    ] = None,
    overwrite: options.Overwrite = False,
    data_dir: options.DataDir = RunOptions.data_dir,
    runs_dir: options.RunsDir = RunOptions.runs_dir,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
    precision: options.Precision = RunOptions.precision,
) -> None:
    """Score a fine-tuned model again, or predictions from elsewhere.

    Example: linkbert eval gad --model runs/gad/minilm/seed-42 --split dev

    Example: linkbert eval gad --predictions mine.jsonl --name my-model
    """
    set_up_logging(quiet=quiet)
    from ..experiments.evaluation import evaluate

    with obeying_signals(), progress(quiet=quiet) as reporters:
        result = evaluate(
            task,
            model=model,
            predictions=predictions,
            split=split,
            name=name,
            seed=seed,
            data_dir=data_dir,
            runs_dir=runs_dir,
            results_dir=results_dir,
            precision=precision,
            overwrite=overwrite,
            reporters=reporters,
        )
    if json:
        print_json(result.to_json())
    else:
        print_results([result])
