"""`linkbert leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RequestError, nearest
from ..files import atomic_write_text
from . import options
from .console import print_json, print_table, print_text, set_up_logging

FORMATS = ("table", "markdown", "csv", "json")


def command(
    output_format: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), help="How to print it.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", help="Write it to this file instead.")] = None,
    detail: Annotated[bool, typer.Option("--detail", help="All fifteen datasets instead of task types.")] = False,
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="blurb|medqa|mmlu|all", help="Only the tasks of a suite.")
    ] = None,
    results_dir: options.ResultsDir = options.RESULTS_DIR,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Rank all results beside the published ones."""
    set_up_logging(quiet=quiet)
    if output_format not in FORMATS:
        raise RequestError(f"--format {output_format!r}: {nearest(output_format, FORMATS)}")
    if json and output_format not in ("table", "json"):
        raise RequestError(f"--json and --format {output_format} exclude each other")
    from ..benchmarks.formats import to_csv, to_markdown
    from ..benchmarks.leaderboard import leaderboard
    from ..benchmarks.results import to_json

    board = leaderboard(results_dir, suite=suite)
    if json:
        output_format = "json"
    if output_format == "table" and output is not None:
        output_format = "markdown"
    if output is None and output_format == "table":
        print_leaderboard(board["rows"], detail=detail)
        return
    if output is None and output_format == "json":
        print_json(board)
        return
    text = {
        "markdown": lambda: to_markdown(board["rows"], detail=detail),
        "csv": lambda: to_csv(board["rows"]),
        "json": lambda: to_json(board),
    }[output_format]()
    if output is None:
        print_text(text)
        return
    if output.is_dir():
        raise RequestError(f"--output {output}: expected a file, found a folder")
    try:
        atomic_write_text(output, text)
    except OSError as error:
        raise RequestError(f"--output {output}: cannot be written ({error.strerror})") from error


def print_leaderboard(rows: list[dict[str, Any]], *, detail: bool = False) -> None:
    """Print the leaderboard as a table with its notes; columns that no row fills are left out."""
    from ..benchmarks.formats import cells, notes

    headers, table = cells(rows, detail=detail)
    filled = [index for index in range(len(headers)) if index < 3 or any(line[index] for line in table)]
    print_table([headers[index] for index in filled], [[line[index] for index in filled] for line in table])
    print_text("")
    for note in notes(rows):
        print_text(note)
