"""`linkbert init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError, nearest
from ..files import write_output
from . import options
from .console import print_json, print_text, set_up_logging


def command(
    source: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="Your data, in any of the formats.")],
    output: Annotated[Path | None, typer.Option("--output", help="The task file; NAME.toml here by default.")] = None,
    family: Annotated[
        str | None, typer.Option("--family", metavar="FAMILY", help="What is to be learnt, if the guess is wrong.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="A name for the task.")] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="NAME", help="The encoding of a table that is not UTF-8, such as cp1252."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a task file that is there.", rich_help_panel=options.OUTPUT)
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Look at data of your own, say what they seem to be, and write a task file.

    Families: ner, relation, classification, multi-label, pair, similarity, choice and extractive-qa. Formats: CoNLL and
    IOB files, BRAT folders, BioC, PubTator, SQuAD, CSV and TSV, JSON lines and Parquet.

    Example: linkbert init notes.csv && linkbert finetune notes.toml --model biolinkbert-base
    """
    set_up_logging(quiet=quiet)
    from ..tasks.custom.kinds import KINDS
    from ..tasks.custom.prepare import prepare_task_file
    from ..tasks.custom.suggest import suggest
    from ..tasks.custom.task_file import read_task_file
    from ..tasks.registry import TASKS

    if family is not None and family not in KINDS:
        raise RequestError(f"--family {family!r}: {nearest(family, KINDS)}")
    found = suggest(source, family, name, tuple(TASKS), encoding)
    path = output or Path(f"{found.name}.toml")
    if path.exists() and not overwrite:
        raise RequestError(f"{path}: it is there already; use --overwrite to replace it, or --name for another task")
    if path.suffix != ".toml":
        raise RequestError(f"--output {path}: the name of a task file ends in .toml")
    write_output(path, found.to_toml(path.parent).encode(), "--output")
    if not quiet and not json:
        for line in found.remarks:
            print_text(line)
        print_text(f"family: {found.family} ({KINDS[found.family].about})\nwritten {path}")
    prepared = prepare_task_file(read_task_file(path, tuple(TASKS)))
    if json:
        print_json({"task_file": str(path), "definition": prepared.definition.to_json(), "remarks": found.remarks})
        return
    if not quiet:
        for line in prepared.remarks:
            print_text(line)
        print_text(f"\nCheck the file, then: linkbert data check {path}\nlinkbert finetune {path} --model MODEL")
