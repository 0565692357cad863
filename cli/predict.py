"""`linkbert predict`."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from ..escaping import to_json_text
from ..experiments.options import RunOptions
from . import options
from .console import set_up_logging


def command(
    task: options.Task,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Raw text or JSON lines; - is standard input.")],
    model: Annotated[str, typer.Option("--model", metavar="RUN_DIR", help="A run folder of the task.")],
    quiet: options.Quiet = False,
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json", help="Accepted for symmetry: the output is always JSON lines.", rich_help_panel=options.OUTPUT
        ),
    ] = True,
    precision: options.Precision = RunOptions.precision,
) -> None:
    """Apply a fine-tuned model to raw text (one example per line) or JSON lines, and print JSON lines.

    Example: echo "BRCA1 causes breast cancer." | linkbert predict ncbi-disease - --model RUN_DIR
    """
    set_up_logging(quiet=quiet)
    from ..experiments.prediction import predict, read_inputs
    from ..experiments.run_record import task_of_run

    name = "standard input" if file == "-" else file
    if file != "-":
        # A file is checked to its end before anything is printed; standard input is answered as it comes.
        with _lines(file) as lines:
            for _ in read_inputs(task_of_run(task, Path(model))[0], lines, name):
                pass
    with _lines(file) as lines:
        for item in predict(task, model=model, lines=lines, name=name, precision=precision):
            sys.stdout.write(to_json_text(item) + "\n")


@contextmanager
def _lines(file: str) -> Iterator[Iterator[str]]:
    from ..corpora.lines import decode_lines, open_binary

    if file != "-":
        with open_binary(Path(file)) as handle:
            yield (line for _, line in decode_lines(handle, file))
        return
    if sys.stdin is None:  # started with a closed standard input, as service managers may do
        raise RequestError("standard input is closed; open it, or name a file instead of -")
    stream = getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode())
    yield (line for _, line in decode_lines(stream, "standard input"))
