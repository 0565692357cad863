"""The leaderboard: one table object, a pure function of the result files and the published scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import RequestError, first_of, nearest
from ..experiments.failed_runs import FailedRun, failed_runs
from ..experiments.kept_numbers import read_kept, write_kept
from ..experiments.results import Result
from ..tasks.registry import TASKS
from ..tasks.task import BLURB_TYPES, SUITES, Task
from .comparable import comparable_results, covered_tasks
from .comparison import Comparison, Difference, compare_rows
from .evidence import Evidence, find_evidence
from .other_sources import other_sources
from .published import published_rows, select_published
from .rank_tests import rank_p
from .ranks import with_ranks
from .rows import (
    BASELINE,
    LIMITED,
    Cell,
    Row,
    baseline_row,
    group_results,
    measured_row,
    published_board_rows,
    row_key,
    unique_keys,
)
from .uncertainty import Uncertainty

_DEFAULT_FOLDER = "results"
_log = logging.getLogger(__name__)
__all__ = ["Board", "Cell", "Row", "leaderboard"]


@dataclass(frozen=True)
class Board:
    """The leaderboard.

    Attributes:
        rows: the rows, best first.
        tasks: the tasks that it covers, in order: those that were chosen or, without a choice, the built-in ones and
            the users' own ones that have a result.
        suite: the chosen suite; None for all tasks.
        folder: the folder of results.
        failed: runs that failed and have no result.
        uncertainty: intervals and tests of the measured rows.
    """

    rows: list[Row]
    tasks: tuple[str, ...]
    suite: str | None = None
    folder: Path = Path(_DEFAULT_FOLDER)
    failed: tuple[FailedRun, ...] = ()
    uncertainty: Uncertainty = field(default_factory=lambda: Uncertainty({}), compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the board as a JSON object, `{"rows": [...], "failed": [...]}`."""
        return {"rows": [row.to_json() for row in self.rows], "failed": [run.to_json() for run in self.failed]}

    def to_frame(self) -> Any:
        """Return the board as a data frame of pandas: one row per model, one column per task that has a score."""
        import pandas as pd

        rows = [
            {
                "model": row.model,
                "source": row.publication.name if row.publication else row.source,
                "ranked": row.ranked,
                "blurb": row.blurb,
                **{name: row.means.get(name) for name in self.tasks},
            }
            for row in self.rows
        ]
        scored = [name for name in self.tasks if any(row[name] is not None for row in rows)]
        return pd.DataFrame(rows, columns=["model", "source", "ranked", "blurb", *scored])

    def _repr_html_(self) -> str:
        """Return the board as a table, for notebooks."""
        return self.to_frame().to_html(index=False, float_format="{:.2f}".format, na_rep="")

    def measured(self) -> Board:
        """Return the board without the published rows."""
        return replace(self, rows=[row for row in self.rows if row.source == "measured"])

    def score(self, row: Row) -> float | None:
        """Return the score by which rows are ranked: the BLURB score, or that of the only task."""
        if len(self.tasks) == 1:
            return next((cell.mean for cell in row.tasks.values()), None)
        return row.blurb

    def task(self, name: str) -> Task:
        """Return a task of the board."""
        found = (result.of_task for row in self.rows for result in row.results if result.task == name)
        return TASKS[name] if name in TASKS else next(found)

    def compare(self, a: str, b: str) -> Comparison:
        """Compare two rows, first beside second.

        Args:
            a: the name of a measured model, or `model@publication`.
            b: another one.

        Raises:
            RequestError: there is no such row, or the two have no task in common.
        """
        first, second = self.find(a), self.find(b)
        if BASELINE in (first.key, second.key):
            raise RequestError(
                "--compare: a trivial baseline is no model with runs; rows that do not beat it carry a mark"
            )
        if first.key == second.key:
            raise RequestError(f"--compare {a} {b}: both are the same row")
        (found,) = compare_rows([(first, second)], self.uncertainty)
        if not found.datasets:
            raise RequestError(f"--compare {a} {b}: they have no dataset in common")
        return replace(found, other_sources=other_sources(first, second))

    def keep_intervals(self) -> Path:
        """Write intervals and tests of all measured rows beside the results, for readers without the predictions.

        Returns:
            The file.

        Raises:
            RequestError: it cannot be written.
        """
        rows = [row for row in self.rows if row.results]
        compare_rows([(a, b) for a in rows for b in rows if a.key != b.key], self.uncertainty)
        return write_kept(self.folder, self.uncertainty.computed)

    def find(self, name: str) -> Row:
        """Return the row of this name, whether the board shows it or not.

        Raises:
            RequestError: there is none; the message names the nearest ones.
        """
        rows = {row.key: row for row in published_board_rows(published_rows(), self.tasks)}
        rows |= {row.key: row for row in self.rows}
        for key in (name, row_key(name, LIMITED)):
            if key in rows:
                return rows[key]
        sources = [key for key, row in rows.items() if row.model == name]
        if sources:
            raise RequestError(f"--compare {name}: no measured model of that name; name a source: {', '.join(sources)}")
        raise RequestError(f"--compare {name}: no such row; {nearest(name, rows)}")

    def sorted_by(self, column: str) -> Board:
        """Return the board with its rows in the order of a column, best first and missing ones last.

        Args:
            column: `blurb`, a task type, a task, or `model`.

        Raises:
            RequestError: there is no such column.
        """
        columns = ("model", "blurb", *BLURB_TYPES, *self.tasks)
        if column not in columns:
            raise RequestError(f"--sort {column!r}: {nearest(column, columns)}")
        if column == "model":
            return replace(self, rows=sorted(self.rows, key=lambda row: row.model))

        def key(row: Row) -> tuple[bool, float]:
            value = row.blurb if column == "blurb" else row.types.get(column, row.means.get(column))
            return value is None, -(value or 0)

        return replace(self, rows=sorted(self.rows, key=key))


def leaderboard(
    results_dir: str | Path | None = None,
    *,
    tasks: Sequence[str] = (),
    suite: str | None = None,
    published: str | None = None,
    baselines: bool = False,
    runs_dir: str | Path | None = None,
) -> Board:
    """Rank all results beside the published scores.

    Means are taken over the seeds of each task; the BLURB score and the task types follow from those means. What is
    missing is None. Limited runs (`--max-steps`, a part of the data, another split) and results of other data are rows
    of their own, which are not ranked. Confidence intervals need the predictions beside the results. A file that cannot
    be read is named in the log and left out.

    Args:
        results_dir: the folder of results; `results`, which may be missing, if None.
        tasks: only these tasks, by name or task file.
        suite: `blurb`, `medqa` or `mmlu` for its tasks only, ranked by its score; None or `all` for all tasks.
        published: `all`, `linkbert`, `gu`, `indus` or `none`; None for the five rows of
            the LinkBERT paper's comparison.
        baselines: add a row with trivial baselines.
        runs_dir: the folder of runs, where failed runs are looked for; None to leave them out.

    Raises:
        RequestError: a choice is unknown, or there is no such folder.
    """
    if suite not in (None, "all", *SUITES):
        raise RequestError(f"unknown suite {suite!r}; {nearest(str(suite), ('all', *SUITES))}")
    chosen = select_published(published)
    folder = Path(_DEFAULT_FOLDER if results_dir is None else results_dir)
    if not folder.is_dir() and (results_dir is not None or folder.exists()):
        raise RequestError(f"{folder}: no such folder of results; name one with --results-dir")
    known = comparable_results(folder)
    covered = covered_tasks(tasks, suite, known)
    groups = group_results(known, covered)
    keys = unique_keys(groups)
    evidence = {keys[name]: _evidence(members, folder, keys[name]) for name, members in groups.items()}
    uncertainty = Uncertainty(evidence, _published_numbers(folder))
    measured = [measured_row(keys[name], *name, members, covered) for name, members in groups.items()]
    measured = [_only_trusted(row, uncertainty) for row in _with_intervals(measured, uncertainty)]
    rows = [*published_board_rows(chosen, covered), *measured]
    if baselines and (row := baseline_row(covered, known)):
        rows.append(row)
    failed = tuple(failed_runs(Path(runs_dir), folder)) if runs_dir is not None else ()
    board = Board([], covered, None if suite == "all" else suite, folder, failed, uncertainty)
    rows.sort(key=lambda row: _order(row, board.score(row)))
    return replace(board, rows=_ranked(rows, board))


def _published_numbers(folder: Path) -> Mapping[str, Any]:
    try:
        return read_kept(folder)
    except RequestError as error:
        _log.warning("left out: %s", error)
        return {}


def _evidence(results: Sequence[Result], folder: Path, key: str) -> dict[str, Evidence]:
    """Return task -> predictions of the results of one row."""
    tasks = dict.fromkeys(result.task for result in results)
    return {task: find_evidence([r for r in results if r.task == task], folder, key) for task in tasks}


def _with_intervals(rows: Sequence[Row], uncertainty: Uncertainty) -> list[Row]:
    found = uncertainty.intervals()
    for problem in uncertainty.problems.values():
        if not problem.is_absence:
            _log.warning("no confidence interval: %s", problem)
    absent = dict.fromkeys(
        name
        for (name, task), problem in uncertainty.problems.items()
        if problem.is_absence and not found[name].tasks.get(task)
    )
    if absent:
        _log.info("no confidence intervals without the predictions beside the results: %s", first_of(absent))
    return [_with_cells(row, found[row.key]) for row in rows]


def _only_trusted(row: Row, uncertainty: Uncertainty) -> Row:
    """Return a row without a rank if one of its results is contradicted by its checksum or its predictions."""
    wrong = any(key == row.key and not problem.is_absence for (key, _), problem in uncertainty.problems.items())
    if wrong:
        row = replace(row, marks=["not ranked: a result does not fit its predictions", *row.marks])
    trusted = not wrong and all(result.intact is not False for result in row.results)
    return row if trusted else replace(row, ranked=False)


def _with_cells(row: Row, intervals: Any) -> Row:
    cells = {name: replace(cell, ci=intervals.tasks.get(name)) for name, cell in row.tasks.items()}
    return replace(row, tasks=cells, intervals=intervals)


def _order(row: Row, score: float | None) -> tuple[Any, ...]:
    """Return the sort key of a row: ranked rows first, then by score, then rows with more tasks, then by name."""
    return not row.ranked, score is None, -(score or 0), -len(row.tasks), row.model, row.key


def _ranked(rows: list[Row], board: Board) -> list[Row]:
    task = board.tasks[0] if len(board.tasks) == 1 else None

    def p_values(pairs: Sequence[tuple[Row, Row]]) -> list[float]:
        compared = compare_rows(pairs, board.uncertainty)
        return [rank_p(_decisive(found, board), *pair, task) for found, pair in zip(compared, pairs, strict=True)]

    return with_ranks(rows, board.score, p_values)


def _decisive(found: Comparison, board: Board) -> Difference | None:
    """Return the difference that decides about ranks."""
    return next(iter(found.datasets.values()), None) if len(board.tasks) == 1 else found.blurb
