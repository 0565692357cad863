"""The leaderboard as cells of text, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from ..escaping import csv_text, markdown_text
from ..tasks.registry import TASKS
from ..tasks.task import BLURB_TYPES, EXTRA
from .aggregate import BLURB_TASKS
from .board import Board, Row

_TYPE_TITLES = dict(zip(BLURB_TYPES, ("NER", "PICO", "RE", "STS", "DC", "QA"), strict=True))
# The tasks that the short form shows beside the task types, with their titles in all forms.
_SHOWN_TASKS = {
    "pubmedqa": "PubMedQA",
    "bioasq": "BioASQ",
    "medqa": "MedQA",
    "mmlu-professional-medicine": "MMLU",
}


def cells(board: Board, *, detail: bool) -> tuple[list[str], list[list[str]]]:
    """Lay the leaderboard out as text.

    Args:
        board: the leaderboard.
        detail: whether to show every dataset instead of the task types.

    Returns:
        The headers, and one list of cells per row. A dataset beyond the published benchmark has a column in both forms,
        if it has a score, and a `+` before its name.
    """
    extra = [name for name in board.tasks if TASKS[name].suite == EXTRA and _has_score(board, name)]
    published = [name for name in board.tasks if TASKS[name].suite != EXTRA] if detail else list(_SHOWN_TASKS)
    tasks = [*published, *extra]
    types = {} if detail else _TYPE_TITLES
    headers = ["model", "source", "BLURB", *types.values(), *map(_title, tasks), "n", "marks"]
    references, table = [], []
    for row in board.rows:
        marks = []
        for mark in row.marks:
            if mark not in references:
                references.append(mark)
            marks.append(str(references.index(mark) + 1))
        source = row.source if row.ranked else f"{row.source}, not ranked"
        numbers = [*(_number(row.types[kind]) for kind in types), *(_score(row, name) for name in tasks)]
        table.append([row.model, source, _blurb(row), *numbers, _seeds(row), ",".join(marks)])
    return headers, table


def _title(name: str) -> str:
    return f"+{name}" if TASKS[name].suite == EXTRA else _SHOWN_TASKS.get(name, name)


def _has_score(board: Board, name: str) -> bool:
    return any(name in row.tasks for row in board.rows)


def notes(board: Board) -> list[str]:
    """Return the marks with the numbers by which the cells refer to them."""
    marks = dict.fromkeys(mark for row in board.rows for mark in row.marks)
    return [f"{number}: {' '.join(mark.splitlines())}" for number, mark in enumerate(marks, 1)]


def to_markdown(board: Board, *, detail: bool) -> str:
    """Return the leaderboard as a Markdown table with its notes."""
    headers, table = cells(board, detail=detail)
    lines = [headers, ["---", "---", *("---:" for _ in headers[2:-1]), "---"], *table]
    text = "".join("| " + " | ".join(markdown_text(cell) for cell in line) + " |\n" for line in lines)
    explained = "".join(f"\n{markdown_text(note)}\n" for note in notes(board))
    return text + explained


def to_csv(board: Board) -> str:
    """Return the leaderboard as CSV, with unrounded mean, deviation and number of seeds per dataset."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    per_task = [f"{name}{suffix}" for name in TASKS for suffix in ("", "_std", "_n")]
    writer.writerow(["model", "source", "ranked", "blurb", "blurb_datasets", *BLURB_TYPES, *per_task, "marks"])
    for row in board.rows:
        values: list[Any] = [row.model, row.source, str(row.ranked).lower(), row.blurb, row.blurb_datasets]
        values += [row.types[kind] for kind in BLURB_TYPES]
        for name in TASKS:
            cell = row.tasks.get(name)
            values += [None, None, None] if cell is None else [cell.mean, cell.std, cell.n]
        writer.writerow([_csv_cell(value) for value in [*values, "; ".join(row.marks)]])
    return buffer.getvalue()


def _score(row: Row, name: str) -> str:
    cell = row.tasks.get(name)
    if cell is None:
        return ""
    return f"{cell.mean:.2f}" if cell.std is None else f"{cell.mean:.2f} ±{cell.std:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _blurb(row: Row) -> str:
    if row.blurb is not None:
        return f"{row.blurb:.2f}"
    return f"({row.blurb_datasets} of {len(BLURB_TASKS)})" if row.blurb_datasets else ""


def _seeds(row: Row) -> str:
    if row.source == "published":
        return ""
    counts = [cell.n for cell in row.tasks.values()]
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"


def _csv_cell(value: Any) -> Any:
    return "" if value is None else csv_text(value) if isinstance(value, str) else value
