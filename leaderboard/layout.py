"""How the board is laid out as text: which columns it has, and what stands in a cell. All formats share this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..tasks.registry import TASKS
from ..tasks.task import BLURB_TYPES, EXTRA
from .aggregate import BLURB_TASKS, TYPE_TASKS
from .board import Board
from .numbers import Interval
from .rows import Cell, Row
from .seed_noise import replicated_variance

TYPE_TITLES: dict[str, str] = dict(zip(BLURB_TYPES, ("NER", "PICO", "RE", "STS", "DC", "QA"), strict=True))
# Tasks that are not called by their name in a title.
_TASK_TITLES = {"pubmedqa": "PubMedQA", "bioasq": "BioASQ", "medqa": "MedQA", "mmlu-professional-medicine": "MMLU"}


RANK_NOTE = (
    "A row may have any of its ranks: it is significantly behind as many rows as come before them, and as many as come "
    "after them are behind it (5%, corrected by Holm's method for the number of rows). Where there is one run, or a "
    "publication prints no deviations, those of the replication with ten seeds stand in."
)


@dataclass(frozen=True)
class Column:
    """A column of scores.

    Attributes:
        kind: what it shows: the BLURB score, a task type, or a task.
        name: `blurb`, the task type, or the task.
        title: its header.
    """

    kind: Literal["blurb", "type", "task"]
    name: str
    title: str

    def cell(self, row: Row) -> Cell | None:
        """Return the score of a row in this column, or None."""
        if self.kind == "task":
            return row.tasks.get(self.name)
        mean = row.blurb if self.kind == "blurb" else row.types[self.name]
        ci = row.intervals.blurb if self.kind == "blurb" else row.intervals.types.get(self.name)
        return None if mean is None else Cell(mean, None, None, ci if row.ranked else None)


def columns(board: Board, *, detail: bool) -> list[Column]:
    """Return the columns of a board in order; columns without any score are left out.

    Args:
        board: the leaderboard.
        detail: whether to show every dataset instead of task types. Otherwise, where there are measured rows, only the
            columns in which they have scores are shown: a task type stands for its datasets where it is complete,
            except that question answering is always shown by dataset as well.
    """
    candidates = [Column("blurb", "blurb", "BLURB")]
    tasks = [Column("task", name, title_of(name)) for name in board.tasks]
    measured = [row for row in board.rows if row.results]
    shown = measured or board.rows
    if detail:
        candidates += tasks
        shown = board.rows
    else:
        types = [Column("type", name, title) for name, title in TYPE_TITLES.items()]
        types = [column for column in types if any(column.cell(row) for row in shown)]
        told = {name for column in types for name in TYPE_TASKS[column.name] if _tells_all(column, name, shown)}
        candidates += [*types, *(column for column in tasks if column.name not in told)]
    return [column for column in candidates if column.kind == "blurb" or any(column.cell(row) for row in shown)]


def _tells_all(column: Column, task: str, rows: Sequence[Row]) -> bool:
    """Return whether a task type needs no column for one of its datasets: each row with the dataset has the type."""
    return column.name != BLURB_TYPES[-1] and all(column.cell(row) for row in rows if task in row.tasks)


def title_of(task: str) -> str:
    """Return the header of a task's column; a `+` marks a dataset beyond the published benchmark."""
    beyond = task in TASKS and TASKS[task].suite == EXTRA
    return f"+{task}" if beyond else _TASK_TITLES.get(task, task)


def number(value: float | None) -> str:
    """Return a score as text, with two digits."""
    return "" if value is None else f"{value:.2f}"


def interval(ci: Interval | None) -> str:
    """Return a confidence interval as text, with one digit."""
    return "" if ci is None else f"{ci[0]:.1f} to {ci[1]:.1f}"


def score_text(column: Column, row: Row) -> str:
    """Return the score of a row in a column; an incomplete BLURB score shows how many datasets it has."""
    cell = column.cell(row)
    if cell is not None:
        return number(cell.mean)
    if column.kind == "blurb" and row.blurb_datasets:
        return f"({row.blurb_datasets} of {len(BLURB_TASKS)})"
    return ""


def deviation_text(column: Column, row: Row) -> str:
    """Return the standard deviation over seeds as text, e.g. `±0.60`."""
    cell = column.cell(row)
    return "" if cell is None or cell.std is None else f"±{cell.std:.2f}"


def interval_text(column: Column, row: Row) -> str:
    """Return the confidence interval of a row in a column as text."""
    cell = column.cell(row)
    return "" if cell is None else interval(cell.ci)


def rank_text(row: Row) -> str:
    """Return the rank, or the range of ranks, as text; `-` without one."""
    if row.rank is None:
        return "-"
    first, last = row.rank
    return str(first) if first == last else f"{first}–{last}"


def name_text(row: Row) -> str:
    """Return the name of a row: the model, with the kind of row where it has several (`minilm (limited)`)."""
    return row.model if row.publication else row.key


def shown_rows(board: Board, *, detail: bool) -> Board:
    """Return the board without the published rows that have no score in any of the columns that are shown."""
    shown = columns(board, detail=detail)
    rows = [row for row in board.rows if not row.publication or any(column.cell(row) for column in shown)]
    return replace(board, rows=rows)


def source_text(row: Row) -> str:
    """Return where a row comes from: the publication's short name, or `measured`."""
    return row.publication.name if row.publication else "measured"


def runs_text(row: Row) -> str:
    """Return the number of runs behind the scores, e.g. `3` or `1–5`; empty where it is not known."""
    if row.runs is None:
        return ""
    few, many = row.runs
    return str(few) if few == many else f"{few}–{many}"


def notes(board: Board) -> dict[str, int]:
    """Return the marks of all rows, each with the number by which the rows refer to it."""
    marks = dict.fromkeys(" ".join(mark.splitlines()) for row in board.rows for mark in row.marks)
    return {mark: number for number, mark in enumerate(marks, 1)}


def marks_text(row: Row, numbers: dict[str, int]) -> str:
    """Return the numbers of a row's marks, e.g. `1,4-6`."""
    found = sorted({numbers[" ".join(mark.splitlines())] for mark in row.marks})
    ranges: list[list[int]] = []
    for value in found:
        if ranges and value == ranges[-1][1] + 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ",".join(str(a) if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in ranges)


def legend(board: Board, intervals: str) -> list[str]:
    """Return the lines that explain a board's ranks and intervals, as far as it has any.

    Args:
        board: the leaderboard.
        intervals: where intervals are shown; begins the sentence that explains them.
    """
    lines = []
    if any(row.rank for row in board.rows):
        lines.append(RANK_NOTE)
    if any(row.intervals.tasks for row in board.rows):
        lines.append(f"{intervals} 95% confidence intervals for new seeds and new test documents.{_single_runs(board)}")
    return lines + failed_lines(board)


def _single_runs(board: Board) -> str:
    """Return what the intervals of single runs hold instead, if there are any."""
    single = {name: row for row in board.rows for name, cell in row.tasks.items() if cell.ci and cell.n == 1}
    unknown = [name for name, row in single.items() if replicated_variance(name, row.model) is None]
    if len(unknown) < len(single):
        apart = f"; nothing is known of it on {', '.join(map(title_of, unknown))}" if unknown else ""
        return f" Of one run, the noise of the seeds is that of the replication with ten seeds{apart}."
    return " Of one run, they hold new test documents alone." if single else ""


def failed_lines(board: Board) -> list[str]:
    """Return a line for each run that failed."""
    return [f"failed: {run.task} {run.model} {run.seed}: {run.error}" for run in board.failed]
