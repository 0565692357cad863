"""The leaderboard as cells, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from ..escaping import csv_text, markdown_text
from ..tasks.registry import TASKS
from ..tasks.task import BLURB_TYPES
from .aggregate import BLURB_TASKS
from .leaderboard import Row, blurb_datasets

_TYPE_TITLES = dict(zip(BLURB_TYPES, ("NER", "PICO", "RE", "STS", "DC", "QA"), strict=True))
_SHOWN_TASKS = {
    "pubmedqa": "PubMedQA",
    "bioasq": "BioASQ",
    "medqa": "MedQA",
    "mmlu-professional-medicine": "MMLU",
}


def cells(rows: list[Row], *, detail: bool) -> tuple[list[str], list[list[str]]]:
    """Lay the leaderboard out as text: headers, and one list of cells per row.

    Args:
        rows: of `leaderboard()`.
        detail: all fifteen datasets instead of the task types.
    """
    if detail:
        headers = ["model", "source", "BLURB", *(_SHOWN_TASKS.get(name, name) for name in TASKS), "n", "marks"]
    else:
        headers = ["model", "source", "BLURB", *_TYPE_TITLES.values(), *_SHOWN_TASKS.values(), "n", "marks"]
    references, table = [], []
    for row in rows:
        shown = [_task(row, name) for name in (TASKS if detail else _SHOWN_TASKS)]
        types = [] if detail else [_number(row["types"][kind]) for kind in _TYPE_TITLES]
        marks = []
        for mark in row["marks"]:
            if mark not in references:
                references.append(mark)
            marks.append(str(references.index(mark) + 1))
        source = row["source"] if row["ranked"] else f"{row['source']}, not ranked"
        table.append([row["model"], source, _blurb(row), *types, *shown, _seeds(row), ",".join(marks)])
    return headers, table


def notes(rows: list[Row]) -> list[str]:
    """The marks by number, as the cells refer to them."""
    marks = dict.fromkeys(mark for row in rows for mark in row["marks"])
    return [f"{number}: {' '.join(mark.splitlines())}" for number, mark in enumerate(marks, 1)]


def to_markdown(rows: list[Row], *, detail: bool) -> str:
    """The leaderboard as a Markdown table with its notes."""
    headers, table = cells(rows, detail=detail)
    lines = [headers, ["---", "---", *("---:" for _ in headers[2:-1]), "---"], *table]
    text = "".join("| " + " | ".join(markdown_text(cell) for cell in line) + " |\n" for line in lines)
    explained = "".join(f"\n{markdown_text(note)}\n" for note in notes(rows))
    return text + explained


def to_csv(rows: list[Row]) -> str:
    """The leaderboard as CSV: unrounded means with deviation and number of seeds per dataset, blanks where missing."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    per_task = [f"{name}{suffix}" for name in TASKS for suffix in ("", "_std", "_n")]
    writer.writerow(["model", "source", "ranked", "blurb", "blurb_datasets", *BLURB_TYPES, *per_task, "marks"])
    for row in rows:
        values: list[Any] = [row["model"], row["source"], str(row["ranked"]).lower(), row["blurb"], blurb_datasets(row)]
        values += [row["types"][kind] for kind in BLURB_TYPES]
        for name in TASKS:
            cell = row["tasks"].get(name, {})
            values += [cell.get("mean"), cell.get("std"), cell.get("n")]
        writer.writerow([_csv_cell(value) for value in [*values, "; ".join(row["marks"])]])
    return buffer.getvalue()


def _task(row: Row, name: str) -> str:
    cell = row["tasks"].get(name)
    if cell is None:
        return ""
    return f"{cell['mean']:.2f}" if cell["std"] is None else f"{cell['mean']:.2f} ±{cell['std']:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _blurb(row: Row) -> str:
    if row["blurb"] is not None:
        return f"{row['blurb']:.2f}"
    found = blurb_datasets(row)
    return f"({found} of {len(BLURB_TASKS)})" if found else ""


def _seeds(row: Row) -> str:
    if row["source"] == "published":
        return ""
    counts = [cell["n"] for cell in row["tasks"].values()]
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"


def _csv_cell(value: Any) -> Any:
    return "" if value is None else csv_text(value) if isinstance(value, str) else value
