"""`linkbert export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import print_json, print_text, set_up_logging


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run folder.")],
    output_format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="onnx.")] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The folder to write; onnx in the run folder.", rich_help_panel=options.OUTPUT),
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Export a fine-tuned model to ONNX, compare its outputs with those of torch, and time both.

    Example: linkbert export runs/gad/minilm/seed-42 --format onnx
    """
    set_up_logging(quiet=quiet)
    from ..experiments.export import export

    found = export(run, output=output, format=output_format)
    if json:
        print_json(found.to_json())
    elif not quiet:
        print_text(
            f"written {found.folder}\nthe largest difference from torch is {found.difference:.1e}\n"
            f"{found.onnx_texts_per_second:.0f} texts/s, torch {found.torch_texts_per_second:.0f} "
            f"({found.speedup:.2f} times as fast; 8 texts of 64 word pieces on this CPU)"
        )
