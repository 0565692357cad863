"""`linkbert embed`."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from . import options
from .console import print_json, print_text, set_up_logging
from .lines import input_lines, require_input


def command(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="One text a line; - is standard input.")],
    model: options.Model,
    output: Annotated[Path, typer.Option("--output", help="A .npy or .parquet file.")],
    pooling: Annotated[
        str,
        typer.Option(
            "--pooling",
            metavar="POOLING",
            help="cls (the first token), mean (over all tokens), or none (all tokens, into a .parquet file).",
        ),
    ] = "cls",
    revision: options.Revision = None,
    max_length: options.MaxLength = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that --output names.")] = False,
    precision: options.Precision = "fp32",
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Compute the features of texts: the last hidden states of an encoder, as the code of its model card gives them.

    Example: linkbert embed abstracts.txt --model biolinkbert-base --pooling mean --output abstracts.npy
    """
    set_up_logging(quiet=quiet)
    from ..experiments.embedding import Embedder, check_output, write_embeddings
    from ..tasks.custom.data_formats import SUFFIXES

    require_input(file)
    if Path(file.lower().removesuffix(".gz")).suffix in (*SUFFIXES, ".json", ".ann"):
        raise RequestError(f"{file}: its lines are no texts; write the texts into a .txt file, one a line")
    check_output(output, pooling)
    if output.exists() and not overwrite:
        raise RequestError(f"--output {output}: is there already; name another one, or use --overwrite")
    embedder = Embedder(model, pooling, max_length, precision, revision)  # type: ignore[arg-type]  # it checks the name
    with input_lines(file) as lines:
        texts = (line.rstrip("\r\n") for line in lines)
        first = next(texts, None)
        if first is None:
            raise RequestError(f"{file}: nothing to embed, the input is empty")
        count = write_embeddings(embedder, chain([first], texts), output)
    if json:
        print_json({"texts": count, "size": embedder.size, "cut": embedder.cut, "output": str(output)})
    elif not quiet:
        cut = (
            f"; {embedder.cut} were longer than {embedder.limit} word pieces and lost their end" if embedder.cut else ""
        )
        print_text(f"{count} texts, {embedder.size} numbers each, written to {output}{cut}")
