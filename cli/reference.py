"""`python -m linkbert.cli.reference`: the score of the Trainer of transformers at this project's settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import print_text


def command(
    task: options.Task,
    model: options.Model,
    seed: Annotated[int, typer.Option("--seed", help="Of the head's weights, the order and the dropouts.")],
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")] = None,
    data_dir: options.DataDir = options.DATA_DIR,
    precision: options.Precision = "auto",
) -> None:
    """Fine-tune with the Trainer of transformers in random batches, and print the test score as JSON."""
    from ..benchmarks.reference import reference_score

    found = reference_score(task, model=model, seed=seed, epochs=epochs, data_dir=Path(data_dir), precision=precision)
    print_text(json.dumps(found))


if __name__ == "__main__":
    typer.run(command)
