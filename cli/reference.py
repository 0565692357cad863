"""`python -m linkbert.cli.reference`: the score of the `Trainer` of transformers with this package's settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..experiments.options import RunOptions
from . import options
from .console import print_text


def command(
    task: options.Task,
    model: options.Model,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the head, the order and the dropout masks.")],
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Number of epochs; the recipe's by default.")
    ] = None,
    revision: options.Revision = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    precision: options.Precision = "auto",
) -> None:
    """Fine-tune with the Trainer of transformers in random batches, and print the test score as JSON."""
    from ..speed.reference import reference_score

    found = reference_score(
        task,
        model=model,
        revision=revision,
        seed=seed,
        epochs=epochs,
        data_dir=Path(data_dir),
        precision=precision,
    )
    print_text(json.dumps(found))


if __name__ == "__main__":
    typer.run(command)
