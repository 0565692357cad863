"""`linkbert leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RequestError, nearest
from ..files import atomic_write_text
from . import options
from .console import print_json, print_table, print_text, set_up_logging

if TYPE_CHECKING:
    from ..leaderboard.board import Board

FORMATS = ("table", "markdown", "csv", "json")


def command(
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, markdown, csv or json.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", help="Write to this file instead.")] = None,
    detail: Annotated[bool, typer.Option("--detail", help="Show every dataset instead of task types.")] = False,
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="SUITE", help="Only the tasks of blurb, medqa or mmlu.")
    ] = None,
    results_dir: Annotated[
        Path | None,
        typer.Option(
            "--results-dir", help="The folder of results; results by default.", rich_help_panel=options.OUTPUT
        ),
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Rank all results beside the published scores.

    Example: linkbert leaderboard --detail --format markdown --output leaderboard.md
    """
    set_up_logging(quiet=quiet)
    if output_format not in FORMATS:
        raise RequestError(f"--format {output_format!r}: {nearest(output_format, FORMATS)}")
    if json and output_format not in ("table", "json"):
        raise RequestError(f"--json and --format {output_format} exclude each other")
    from ..leaderboard.board import leaderboard

    board = leaderboard(results_dir, suite=suite)
    chosen = "json" if json else output_format
    if output is not None:
        _write(output, _as_text(board, "markdown" if chosen == "table" else chosen, detail=detail))
    elif chosen == "table":
        print_leaderboard(board, detail=detail)
    elif chosen == "json":
        print_json(board.to_json())
    else:
        print_text(_as_text(board, chosen, detail=detail))


def _as_text(board: Board, chosen: str, *, detail: bool) -> str:
    from ..experiments.results import to_text
    from ..leaderboard.formats import to_csv, to_markdown

    if chosen == "json":
        return to_text(board.to_json())
    return to_csv(board) if chosen == "csv" else to_markdown(board, detail=detail)


def _write(output: Path, text: str) -> None:
    try:
        if output.is_dir():
            raise RequestError(f"--output {output}: expected a file, found a folder")
        if output.exists() and not output.is_file():  # A device or a pipe, such as /dev/stdout, must not be replaced.
            output.write_text(text, encoding="utf-8")
        else:
            atomic_write_text(output.resolve(), text)
    except OSError as error:
        raise RequestError(f"--output {output}: cannot be written ({error.strerror})") from error


def print_leaderboard(board: Board, *, detail: bool = False) -> None:
    """Print the leaderboard as a table with its notes, without columns that are empty in every row."""
    from ..leaderboard.formats import cells, notes

    headers, table = cells(board, detail=detail)
    filled = [index for index in range(len(headers)) if index < 3 or any(line[index] for line in table)]
    print_table([headers[index] for index in filled], [[line[index] for index in filled] for line in table])
    print_text("")
    for note in notes(board):
        print_text(note)
