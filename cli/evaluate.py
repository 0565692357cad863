"""`linkbert eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import print_json, progress, set_up_logging
from .summary import print_results


def command(
    task: options.Task,
    model: Annotated[str | None, typer.Option("--model", metavar="RUN_DIR", help="A run folder of the task.")] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="Anybody's predictions: JSON lines with id and prediction.")
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="train|dev|val|test", help="The split to score.")] = "test",
    name: Annotated[
        str | None, typer.Option("--name", help="Store the result of the predictions under this model name.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The seed that the predictions were made with.")] = None,
    overwrite: options.Overwrite = False,
    data_dir: options.DataDir = options.DATA_DIR,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    results_dir: options.ResultsDir = options.RESULTS_DIR,
    precision: options.Precision = "auto",
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Score a fine-tuned model again, or anybody's predictions."""
    set_up_logging(quiet=quiet)
    from ..benchmarks.evaluation import evaluate

    with progress(quiet=quiet) as report:
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
            report=report,
        )
    if json:
        print_json(result)
    else:
        print_results([result])
