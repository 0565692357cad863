"""The leaderboard as lines of text, as Markdown, as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from ..escaping import csv_text, latex_text, markdown_line, markdown_text
from ..tasks.registry import TASKS
from ..tasks.task import BLURB_TYPES
from .board import Board
from .layout import (
    Column,
    columns,
    deviation_text,
    interval_text,
    legend,
    marks_text,
    name_text,
    notes,
    rank_text,
    runs_text,
    score_text,
    shown_rows,
    source_text,
)
from .numbers import Interval
from .rows import Row

_GAP = 2  # blanks between two columns
_FIXED = 3  # columns that every part of a wide table begins with: rank, model and source


def to_lines(board: Board, *, detail: bool, width: int) -> list[tuple[list[str], list[list[str]]]]:
    """Lay the board out for a terminal.

    A board that is wider than the terminal is continued in further tables, each with the names of the rows.

    Args:
        board: the leaderboard, with the rows that are shown (`layout.shown_rows`).
        detail: whether to show every dataset, and the deviations over seeds.
        width: characters of a line.

    Returns:
        (headers, lines of cells) of each table. The second line of a row has its intervals, with `detail` a third one
        its deviations.
    """
    numbers = notes(board)
    fixed = [["rank", *(cell for row in board.rows for cell in _lines(rank_text(row), row, detail))]]
    fixed.append(["model", *(cell for row in board.rows for cell in _lines(name_text(row), row, detail))])
    source = []
    for row in board.rows:
        source += [source_text(row), *(["95% interval"] if row.intervals.tasks else [])]
        source += ["deviation"] if _has_deviation(row, detail) else []
    fixed.append(["source", *source])
    scores = [_column_lines(column, board, detail) for column in columns(board, detail=detail)]
    last = [
        ["n", *(cell for row in board.rows for cell in _lines(runs_text(row), row, detail))],
        ["marks", *(cell for row in board.rows for cell in _lines(marks_text(row, numbers), row, detail))],
    ]
    return [_table([*fixed, *part]) for part in _parts(fixed, [*scores, *last], width)]


def _lines(text: str, row: Row, detail: bool) -> list[str]:
    """Return a text, and blanks for the further lines of the row."""
    return [text, *([""] if row.intervals.tasks else []), *([""] if _has_deviation(row, detail) else [])]


def _has_deviation(row: Row, detail: bool) -> bool:
    return detail and any(cell.std is not None for cell in row.tasks.values())


def _column_lines(column: Column, board: Board, detail: bool) -> list[str]:
    lines = [column.title]
    for row in board.rows:
        lines.append(score_text(column, row))
        lines += [interval_text(column, row)] if row.intervals.tasks else []
        lines += [deviation_text(column, row)] if _has_deviation(row, detail) else []
    return lines


def _parts(fixed: list[list[str]], others: list[list[str]], width: int) -> list[list[list[str]]]:
    """Divide columns so that each part fits beside the fixed ones; columns without content are left out."""
    others = [column for column in others if any(column[1:])]
    room = width - sum(_width(column) for column in fixed)
    parts: list[list[list[str]]] = [[]]
    used = 0
    for column in others:
        if parts[-1] and used + _width(column) - _GAP > room:
            parts.append([])
            used = 0
        parts[-1].append(column)
        used += _width(column)
    return parts


def _width(column: list[str]) -> int:
    return max(map(len, column)) + _GAP


def _table(parts: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    lines = [list(line) for line in zip(*parts, strict=True)]
    # The second line of a row whose intervals stand in another part would be empty.
    return lines[0], [line for line in lines[1:] if line[0] or any(line[_FIXED:])]


def note_lines(board: Board, intervals: str = "The second line of a measured row has") -> list[str]:
    """Return the legend, and the marks with the numbers by which the rows refer to them.

    Args:
        board: the leaderboard.
        intervals: where intervals are shown; begins the sentence that explains them.
    """
    return [*legend(board, intervals), *(f"{number}: {mark}" for mark, number in notes(board).items())]


def to_markdown(board: Board, *, detail: bool) -> str:
    """Return the leaderboard as a Markdown table with its notes."""
    shown, board = columns(board, detail=detail), shown_rows(board, detail=detail)
    numbers = notes(board)
    headers = ["rank", "model", "source", *(column.title for column in shown), "n", "marks"]
    lines = [headers, ["---", "---", "---", *("---:" for _ in headers[3:-1]), "---"]]
    for row in board.rows:
        scores = [_full_text(column, row, detail=detail) for column in shown]
        lines.append(
            [rank_text(row), name_text(row), source_text(row), *scores, runs_text(row), marks_text(row, numbers)]
        )
    text = "".join(markdown_line(line) + "\n" for line in lines)
    return text + "".join(f"\n{markdown_text(note)}\n" for note in note_lines(board, "Brackets hold"))


def _full_text(column: Column, row: Row, *, detail: bool) -> str:
    ci = interval_text(column, row)
    parts = [score_text(column, row), deviation_text(column, row) if detail else "", f"({ci})" if ci else ""]
    return " ".join(part for part in parts if part)


def to_csv(board: Board) -> str:
    """Return the leaderboard as CSV, with unrounded mean, deviation, number of runs and interval per dataset."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    parts = ("", "_std", "_n", "_ci_low", "_ci_high")
    tasks = dict.fromkeys((*TASKS, *board.tasks))
    per_task = [f"{name}{suffix}" for name in tasks for suffix in parts]
    first = ["model", "source", "publication", "ranked", "rank_first", "rank_last"]
    blurb = ["blurb", "blurb_ci_low", "blurb_ci_high", "blurb_datasets"]
    writer.writerow([*first, *blurb, *BLURB_TYPES, *per_task, "marks", "key"])
    for row in board.rows:
        publication = row.publication.name if row.publication else None
        values: list[Any] = [row.model, row.source, publication, str(row.ranked).lower(), *(row.rank or (None, None))]
        values += [row.blurb, *_ends(row.intervals.blurb), row.blurb_datasets]
        values += [row.types[kind] for kind in BLURB_TYPES]
        for name in tasks:
            cell = row.tasks.get(name)
            values += [None] * len(parts) if cell is None else [cell.mean, cell.std, cell.n, *_ends(cell.ci)]
        writer.writerow([_csv_cell(value) for value in [*values, "; ".join(row.marks), row.key]])
    return buffer.getvalue()


def _ends(ci: Interval | None) -> Sequence[float | None]:
    return (None, None) if ci is None else ci


def _csv_cell(value: Any) -> Any:
    return "" if value is None else csv_text(value) if isinstance(value, str) else value


def to_latex(board: Board, *, detail: bool) -> str:
    """Return the leaderboard as a LaTeX table for the package booktabs: the best score bold, the second underlined."""
    shown, board = columns(board, detail=detail), shown_rows(board, detail=detail)
    places = {column.name: _best_two(column, board) for column in shown}
    headers = ["Rank", "Model", "Source", *(latex_text(column.title) for column in shown), "Runs"]
    lines = [
        "% needs \\usepackage{booktabs}; brackets hold 95% confidence intervals over seeds and test documents",
        *(f"% {latex_text(name_text(row))}: {latex_text('; '.join(row.marks))}" for row in board.rows),
        f"\\begin{{tabular}}{{lll{'r' * len(shown)}r}}",
        "\\toprule",
        " & ".join(headers) + " \\\\",
        "\\midrule",
    ]
    for row in board.rows:
        cells = [_latex_cell(column, row, places[column.name]) for column in shown]
        first = [rank_text(row), latex_text(name_text(row)), latex_text(source_text(row))]
        lines.append(" & ".join([*first, *cells, runs_text(row)]).replace("–", "--") + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _best_two(column: Column, board: Board) -> list[str]:
    """Return the best and the second best score of a column as text, so that equal numbers get the same emphasis."""
    scores = {cell.mean for row in board.rows if row.ranked and (cell := column.cell(row))}
    return list(dict.fromkeys(f"{score:.2f}" for score in sorted(scores, reverse=True)))[:2]


def _latex_cell(column: Column, row: Row, best: list[str]) -> str:
    text = latex_text(score_text(column, row))
    if row.ranked and text in best:
        text = f"\\textbf{{{text}}}" if text == best[0] else f"\\underline{{{text}}}"
    ci = interval_text(column, row).replace(" to ", ", ")
    return f"{text} {{\\scriptsize [{ci}]}}" if ci else text
