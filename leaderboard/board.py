"""The leaderboard: one table object, a pure function of the result files and the published scores."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import RequestError, nearest
from ..experiments.results import Result
from ..experiments.store import read_results
from ..tasks.registry import TASKS
from ..tasks.task import SUITES
from .aggregate import BLURB_TASKS, blurb_score, over_seeds, type_means
from .marks import marks_of_row, odd_test_data
from .published import published_rows

_DEFAULT_FOLDER = "results"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """The score of one model on one task.

    Attributes:
        mean: mean over seeds, x100.
        std: sample standard deviation over seeds; None for one seed and for published scores.
        n: number of seeds.
    """

    mean: float
    std: float | None
    n: int


@dataclass(frozen=True)
class Row:
    """One model on the leaderboard.

    Attributes:
        model: the model's name.
        source: whether the scores are published or were measured here.
        ranked: False for limited runs, which are listed and not ranked.
        marks: what a reader must know before comparing the row with others.
        n_tasks: number of tasks with a score.
        blurb: the BLURB score; None unless all 13 scores are there.
        types: the mean of each BLURB task type; None unless all of its scores are there.
        tasks: task -> score.
    """

    model: str
    source: Literal["published", "measured"]
    ranked: bool
    marks: list[str]
    n_tasks: int
    blurb: float | None
    types: dict[str, float | None]
    tasks: dict[str, Cell]

    @property
    def blurb_datasets(self) -> int:
        """How many of BLURB's 13 datasets have a score."""
        return sum(name in self.tasks for name in BLURB_TASKS)


@dataclass(frozen=True)
class Board:
    """The leaderboard.

    Attributes:
        rows: the rows, best first.
        tasks: the tasks that it covers, in order: those of the chosen suite, and any other task with a result.
    """

    rows: list[Row]
    tasks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the board as a JSON object, `{"rows": [...]}`."""
        return {"rows": [asdict(row) for row in self.rows]}

    def measured(self) -> Board:
        """Return the board without the published rows."""
        return Board([row for row in self.rows if row.source == "measured"], self.tasks)


def leaderboard(results_dir: str | Path | None = None, *, suite: str | None = None) -> Board:
    """Rank all results beside the published scores.

    Means are taken over the seeds of each task; the BLURB score and the task types follow from those means. What is
    missing is None. Limited runs (`--max-steps`, a part of the data, another split) are a row of their own, which is
    not ranked. A file that cannot be read is named in the log and left out.

    Args:
        results_dir: the folder of results; `results`, which may be missing, if None.
        suite: `blurb`, `medqa` or `mmlu` for its tasks only, ranked by its score; None or `all` for all tasks.

    Raises:
        RequestError: the suite is unknown, or there is no such folder.
    """
    if suite not in (None, "all", *SUITES):
        raise RequestError(f"unknown suite {suite!r}; {nearest(str(suite), ('all', *SUITES))}")
    folder = Path(_DEFAULT_FOLDER if results_dir is None else results_dir)
    if not folder.is_dir() and (results_dir is not None or folder.exists()):
        raise RequestError(f"{folder}: no such folder of results; name one with --results-dir")
    results, problems = read_results(folder)
    if not results and not problems:
        _log.info("%s: no results there; these are the published scores alone", folder)
    known = []
    for result in results:
        problem = _problem(result)
        if problem:
            problems.append(f"{result.task} {result.name} seed {result.seed}: {problem}")
        else:
            known.append(result)
    for problem in problems:
        _log.warning("left out: %s", problem)
    tasks = tuple(name for name, task in TASKS.items() if suite in (None, "all", task.suite))
    rows = [*_published(tasks), *_measured(known, tasks)]
    return Board(sorted(rows, key=lambda row: _rank(row, suite)), tasks)


def _problem(result: Result) -> str | None:
    """Return why a result cannot stand in the same column as the others, or None if it can."""
    task = TASKS.get(result.task)
    if task is None:
        return "unknown task"
    if result.task_version != task.version:
        return f"version {result.task_version} of the task, this is version {task.version}"
    if result.split != "test":
        return f"a score of the {result.split} split"
    if result.metric != task.metric:
        return f"scored by {result.metric}, not by {task.metric}"
    return None


def _published(tasks: Sequence[str]) -> Iterable[Row]:
    for row in published_rows().values():
        cells = {name: Cell(row.scores[name], None, 1) for name in tasks if name in row.scores}
        if cells:
            yield _row(row.model, "published", True, [row.cite], cells)


def _measured(results: Sequence[Result], tasks: Sequence[str]) -> Iterable[Row]:
    groups: dict[tuple[str, bool], list[Result]] = defaultdict(list)
    for result in results:
        if result.task in tasks:
            groups[result.name, bool(result.limits)].append(result)
    odd_data = odd_test_data(results)
    for (model, limited), members in groups.items():
        cells = {}
        for name in tasks:
            scores = [result.score for result in members if result.task == name]
            if scores:
                cells[name] = Cell(*over_seeds(scores), len(scores))
        yield _row(model, "measured", not limited, marks_of_row(members, odd_data), cells)


def _row(
    model: str,
    source: Literal["published", "measured"],
    ranked: bool,
    marks: list[str],
    cells: Mapping[str, Cell],
) -> Row:
    means = {name: cell.mean for name, cell in cells.items()}
    return Row(
        model=model,
        source=source,
        ranked=ranked,
        marks=marks,
        n_tasks=len(cells),
        blurb=blurb_score(means) if ranked else None,
        types=type_means(means) if ranked else dict.fromkeys(type_means({})),
        tasks=dict(cells),
    )


def _rank(row: Row, suite: str | None) -> tuple[Any, ...]:
    """Return the sort key of a row: ranked rows first, then by score, then rows with more tasks, then by name."""
    score = row.blurb
    if suite in ("medqa", "mmlu"):
        score = next((cell.mean for cell in row.tasks.values()), None)
    return not row.ranked, score is None, -(score or 0), -row.n_tasks, row.model
