"""`linkbert leaderboard`."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RequestError, nearest
from ..experiments.options import RunOptions
from ..files import write_output
from . import options
from .console import print_json, print_remark, print_table, print_text, set_up_logging

if TYPE_CHECKING:
    from ..leaderboard.board import Board
    from ..leaderboard.comparison import Comparison

FORMATS = ("table", "markdown", "csv", "json", "latex", "html", "svg", "png")
_FILES = ("html", "svg", "png")  # formats that nobody reads in a terminal
_WIDTH = 100  # characters of a line where standard output is no terminal
COMPARE, BOARD = "Comparison", "Rows and columns"


Format = Annotated[
    str,
    typer.Option(
        "--format", metavar="FORMAT", help="table, markdown, csv, json, latex, html (a page), svg or png (a plot)."
    ),
]
Output = Annotated[Path | None, typer.Option("--output", help="Write to this file instead.")]
Detail = Annotated[
    bool,
    typer.Option("--detail", help="Show every dataset instead of task types.", rich_help_panel=BOARD),
]
Suite = Annotated[
    str | None,
    typer.Option("--suite", metavar="SUITE", help="Only the tasks of blurb, medqa or mmlu.", rich_help_panel=BOARD),
]
Published = Annotated[
    str | None,
    typer.Option(
        "--published",
        metavar="SOURCE",
        help="Published rows: all, linkbert, gu, indus or none. The LinkBERT paper's "
        "comparison by default, for html all.",
        rich_help_panel=BOARD,
    ),
]
Baselines = Annotated[
    bool, typer.Option("--baselines", help="Add a row with trivial baselines.", rich_help_panel=BOARD)
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort", metavar="COLUMN", help="Order by a dataset, a task type, blurb or model.", rich_help_panel=BOARD
    ),
]
Compare = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--compare",
        metavar="A B",
        help="Compare two rows: measured models, or model@source as in biolinkbert-base@indus.",
        rich_help_panel=COMPARE,
    ),
]
KeepIntervals = Annotated[
    bool,
    typer.Option(
        "--keep-intervals",
        help="Write intervals and tests beside the results, for readers who do not have the predictions.",
        rich_help_panel=options.OUTPUT,
    ),
]
ResultsDir = Annotated[
    Path | None,
    typer.Option("--results-dir", help="The folder of results; results by default.", rich_help_panel=options.OUTPUT),
]


def command(
    tasks: options.Tasks = None,
    output_format: Format = "table",
    output: Output = None,
    detail: Detail = False,
    suite: Suite = None,
    published: Published = None,
    baselines: Baselines = False,
    sort: Sort = None,
    compare: Compare = None,
    keep_intervals: KeepIntervals = False,
    results_dir: ResultsDir = None,
    runs_dir: options.RunsDir = RunOptions.runs_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Rank all results beside the published scores, with confidence intervals, or compare two rows.

    Example: linkbert leaderboard --compare my-model biolinkbert-base@indus
    """
    set_up_logging(quiet=quiet)
    if output_format not in FORMATS:
        raise RequestError(f"--format {output_format!r}: {nearest(output_format, FORMATS)}")
    if json and output_format not in ("table", "json"):
        raise RequestError(f"--json and --format {output_format} exclude each other")
    chosen = "json" if json else output_format
    if chosen in _FILES and output is None:
        raise RequestError(f"--format {chosen} needs --output FILE")
    from ..leaderboard.board import leaderboard

    board = leaderboard(
        results_dir,
        tasks=tasks or (),
        suite=suite,
        published="all" if chosen == "html" and published is None else published,
        baselines=baselines,
        runs_dir=runs_dir,
    )
    if keep_intervals:
        print_remark(f"intervals and tests kept in {board.keep_intervals()}")
    if compare is not None:
        _show_comparison(board.compare(*compare), chosen, output)
        return
    if sort is not None:
        board = board.sorted_by(sort)
    if output is not None:
        content = _content(board, "markdown" if chosen == "table" else chosen, detail=detail, output=output)
        write_output(output, content, "--output")
        if not quiet:
            print_remark(f"written to {output}")
    elif chosen == "table":
        print_leaderboard(board, detail=detail)
    elif chosen == "json":
        print_json(board.to_json())
    else:
        print_text(_content(board, chosen, detail=detail, output=None).decode())


def _content(board: Board, chosen: str, *, detail: bool, output: Path | None) -> bytes:
    """Return the board in a format, as bytes."""
    from ..experiments.results import to_text
    from ..leaderboard.formats import to_csv, to_latex, to_markdown

    if chosen in ("svg", "png"):
        from ..leaderboard.plots import board_plot

        return board_plot(board, chosen)
    if chosen == "html":
        from ..leaderboard.page import to_html

        return to_html(board, output).encode()
    texts = {
        "json": lambda: to_text(board.to_json()),
        "csv": lambda: to_csv(board),
        "markdown": lambda: to_markdown(board, detail=detail),
        "latex": lambda: to_latex(board, detail=detail),
    }
    return texts[chosen]().encode()


def print_leaderboard(board: Board, *, detail: bool = False) -> None:
    """Print the leaderboard as tables that fit the terminal, with its notes."""
    from ..leaderboard.formats import note_lines, to_lines
    from ..leaderboard.layout import shown_rows

    board = shown_rows(board, detail=detail)
    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    for headers, lines in to_lines(board, detail=detail, width=width):
        print_table(headers, lines)
        print_text("")
    for note in note_lines(board):
        print_text(textwrap.fill(note, width, break_long_words=False, break_on_hyphens=False))


def _show_comparison(found: Comparison, chosen: str, output: Path | None) -> None:
    from ..experiments.results import to_text
    from ..leaderboard.comparison_formats import (
        comparison_latex,
        comparison_lines,
        comparison_markdown,
        method_lines,
    )

    for reason in dict.fromkeys(found.refused.values()):
        print_remark(f"warning: not compared: {reason}")
    if all(name in found.refused for name in found.datasets):
        raise RequestError(f"{found.a} and {found.b} cannot be compared on any dataset; the reasons stand above")
    if chosen in ("svg", "png") and output is not None:
        from ..leaderboard.plots import comparison_plot

        write_output(output, comparison_plot(found, chosen), "--output")
        return
    texts = {
        "json": lambda: to_text(found.to_json()),
        "markdown": lambda: comparison_markdown(found),
        "table": lambda: comparison_markdown(found),
        "latex": lambda: comparison_latex(found),
    }
    if chosen not in texts:
        raise RequestError(f"--compare has the formats table, markdown, latex, json, svg and png, not {chosen}")
    if output is not None:
        write_output(output, texts[chosen]().encode(), "--output")
    elif chosen == "json":
        print_json(found.to_json())
    elif chosen != "table":
        print_text(texts[chosen]())
    else:
        print_table(*comparison_lines(found), title=f"{found.a} minus {found.b}")
        print_text("")
        for line in method_lines(found):
            print_text(line)
