"""`linkbert demo`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from ..training.stopping import obeying_signals
from . import options
from .console import print_json, print_remark, print_text, progress, set_up_logging
from .leaderboard import print_leaderboard

# Settings with which the templates are learnt, in under three minutes on two cores.
_RANDOM = "random-minilm"
_SETTINGS: dict[str, dict[str, Any]] = {
    "ncbi-disease": {"epochs": 3, "batch_size": 16, "learning_rate": 2e-4, "max_length": 64},
    "gad": {"epochs": 3, "batch_size": 16, "learning_rate": 2e-4, "max_length": 64},
    "pubmedqa": {"epochs": 2, "batch_size": 16, "learning_rate": 2e-4, "max_length": 96, "warmup": 0.1},
    "medqa": {"epochs": 2, "batch_size": 16, "learning_rate": 2e-4, "max_length": 64, "warmup": 0.1},
}


def command(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to work; by default a temporary folder, which is kept.")
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Try everything without data or network, on a synthetic corpus: two models and their leaderboard."""
    set_up_logging(quiet=True)
    from ..corpora.prepare import prepare
    from ..corpora.synthetic import SYNTHETIC_TASKS, write_synthetic
    from ..experiments.finetune import finetune
    from ..files import require_writable
    from ..leaderboard.board import leaderboard
    from ..models.random_weights import write_random_model
    from ..models.sources import find_model
    from ..tasks.registry import get_task

    pretrained = find_model("minilm")
    folder = folder or Path(tempfile.mkdtemp(prefix="linkbert-demo-"))
    require_writable(folder, "the demo's folder")
    source, data, runs, results = (folder / part for part in ("source", "data", "runs", "results"))
    # With --json, standard output holds the leaderboard alone.
    tell = print_remark if json else print_text
    tell(
        f"Everything below is SYNTHETIC text made by this program; its scores say nothing of medicine.\n\n$ cd {folder}"
    )
    write_synthetic(source)
    tell(f"$ linkbert data prepare {' '.join(SYNTHETIC_TASKS)} --source source")
    prepare([get_task(name).corpus for name in SYNTHETIC_TASKS], source, data)
    write_random_model(pretrained.path, folder / _RANDOM)
    tell(f"(./{_RANDOM} has the shape of minilm and random weights)")
    for task in SYNTHETIC_TASKS:
        for model, shown, name in (
            ("minilm", "minilm", "minilm-synthetic"),
            (str(folder / _RANDOM), f"./{_RANDOM}", f"{_RANDOM}-synthetic"),
        ):
            tell(f"\n$ linkbert finetune {task} --model {shown} --name {name} {_flags(task)}")
            with obeying_signals(), progress(quiet=quiet) as reporters:
                result: Any = finetune(
                    task,
                    model=model,
                    name=name,
                    data_dir=data,
                    runs_dir=runs,
                    results_dir=results,
                    reporters=reporters,
                    **_SETTINGS[task],
                )
            tell(f"{task} (synthetic), {name}: test {result.metric} {result.score:.2f}")
    tell("\n$ linkbert leaderboard --detail")
    board = leaderboard(results)
    if json:
        print_json(board.to_json())
        return
    print_leaderboard(board.measured(), detail=True)
    tell("\nThese scores are of SYNTHETIC text; the published rows are left out here, as they cannot be compared.")


def _flags(task: str) -> str:
    named = ("epochs", "batch_size", "learning_rate", "max_length")
    return " ".join(
        f"--{key.replace('_', '-')} {value:g}" if key in named else f"--set {key}={value:g}"
        for key, value in _SETTINGS[task].items()
    )
