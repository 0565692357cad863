"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..training.checkpoints import CHECKPOINT_EVERY as CHECKPOINT_EVERY

Task = Annotated[str, typer.Argument(metavar="TASK", help="A dataset's name; `linkbert tasks` lists them.")]
Tasks = Annotated[list[str] | None, typer.Argument(metavar="[TASK]...", help="Datasets; all of them without any.")]
Model = Annotated[str, typer.Option("--model", metavar="MODEL", help="A preset, a folder, or a hub id.")]
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="LINKBERT_DATA_DIR", help="The folder of prepared corpora.")
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="The folder of models and logs.")]
ResultsDir = Annotated[Path, typer.Option("--results-dir", help="The folder of scored runs.")]
Precision = Annotated[
    str,
    typer.Option("--precision", metavar="auto|fp32|bf16|fp16", help="Number format; auto takes bf16 where it is fast."),
]
PerDevice = Annotated[
    int | None,
    typer.Option(
        "--per-device-batch-size",
        metavar="N",
        help="Examples computed at a time; the batch stays the recipe's. Chosen by memory if not given.",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="base|large|small",
        help="Settings to begin with: the published ones of the model's size, or `small`, ours for small encoders.",
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The model's name in paths and on the leaderboard.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a different run that lies in the same place.")]
CheckpointEvery = Annotated[
    float,
    typer.Option("--checkpoint-every", metavar="MINUTES", help="Besides the ends of epochs; 0 for those alone."),
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Only algorithms that give the same bits each time, on GPUs too.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks; errors still show.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else there.")]

DATA_DIR, RUNS_DIR, RESULTS_DIR = Path("data"), Path("runs"), Path("results")
