"""The rows of the leaderboard, from published scores and from results."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..experiments.results import Result
from ..metrics.baselines import Baseline
from ..tasks.corpus_facts import canonical_facts
from ..tasks.data import checksums
from .aggregate import BLURB_TASKS, blurb_score, over_seeds, type_means
from .marks import marks_of_row
from .numbers import NO_INTERVALS, Interval, Intervals
from .published import Publication, PublishedRow, published_rows

BASELINE = "(trivial baseline)"  # The brackets keep it apart from the names of models.


@dataclass(frozen=True)
class Cell:
    """The score of one model on one task.

    Attributes:
        mean: mean over seeds, x100.
        std: sample standard deviation over seeds; None for one seed, and where a publication prints none.
        n: number of runs; None where a publication states none.
        ci: 95% confidence interval; None for published scores, and without predictions.
    """

    mean: float
    std: float | None
    n: int | None
    ci: Interval | None = None


@dataclass(frozen=True)
class Row:
    """One model on the leaderboard.

    Attributes:
        key: the row's name in `--compare`: the model's name, or `model@publication`.
        model: the model's name.
        source: whether the scores are published or were measured here.
        publication: the paper that prints them; None for measured ones.
        ranked: False for rows that are listed and not ranked, such as limited runs.
        marks: what a reader must know before comparing the row with others.
        tasks: task -> score.
        intervals: the confidence intervals of a measured row.
        results: the results of a measured row.
        other_data: whether it was tested or trained on other data than the other rows.
        rank: first and last rank of the rows from which this one cannot be told apart; None without a rank.
    """

    key: str
    model: str
    source: Literal["published", "measured"]
    publication: Publication | None
    ranked: bool
    marks: list[str]
    tasks: dict[str, Cell]
    intervals: Intervals = NO_INTERVALS
    results: tuple[Result, ...] = ()
    other_data: bool = False
    rank: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def means(self) -> dict[str, float]:
        """The score of each task."""
        return {name: cell.mean for name, cell in self.tasks.items()}

    @property
    def blurb(self) -> float | None:
        """The BLURB score; None unless all 13 scores are there, and for rows that are not ranked."""
        return blurb_score(self.means) if self.ranked else None

    @property
    def types(self) -> dict[str, float | None]:
        """The mean of each BLURB task type; None unless all of its scores are there."""
        return type_means(self.means if self.ranked else {})

    @property
    def blurb_datasets(self) -> int:
        """How many of BLURB's 13 datasets have a score."""
        return sum(name in self.tasks for name in BLURB_TASKS)

    @property
    def runs(self) -> tuple[int, int] | None:
        """The smallest and the largest number of runs behind a score; None where none is known."""
        counts = [cell.n for cell in self.tasks.values() if cell.n is not None]
        return (min(counts), max(counts)) if counts else None

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {
            "key": self.key,
            "model": self.model,
            "source": self.source,
            "publication": self.publication.name if self.publication else None,
            "ranked": self.ranked,
            "rank": list(self.rank) if self.rank else None,
            "marks": self.marks,
            "n_tasks": len(self.tasks),
            "blurb": self.blurb,
            "ci": _as_list(self.intervals.blurb),
            "types": self.types,
            "types_ci": {kind: _as_list(interval) for kind, interval in self.intervals.types.items()},
            "tasks": {
                name: {"mean": cell.mean, "std": cell.std, "n": cell.n, "ci": _as_list(cell.ci)}
                for name, cell in self.tasks.items()
            },
        }


def _as_list(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)


def published_board_rows(rows: Iterable[PublishedRow], tasks: Sequence[str]) -> Iterator[Row]:
    """Yield the published rows that have a score on one of the tasks."""
    for row in rows:
        cells = {
            name: Cell(row.scores[name], row.stds.get(name), row.runs(name)) for name in tasks if name in row.scores
        }
        if cells:
            yield Row(row.name, row.model, "published", row.publication, True, row.marks(), cells)


def baseline_row(tasks: Sequence[str], results: Iterable[Result]) -> Row | None:
    """Return a row with the trivial baseline of each task, computed from the test data; None if none is known.

    Args:
        tasks: the tasks of the board.
        results: all results; each knows the baseline of its own test data.
    """
    known = {result.task: Baseline(**result.baseline) for result in results if result.baseline is not None}
    cells, marks = {}, []
    for name in tasks:
        facts = canonical_facts(name)
        found = facts.baseline if facts else known.get(name)
        if found is not None:
            cells[name] = Cell(found.score, None, None)
            marks.append(f"{found.name} ({name})")
    return Row(BASELINE, BASELINE, "measured", None, False, marks, cells) if cells else None


def group_results(results: Sequence[Result], tasks: Sequence[str]) -> dict[tuple[str, str], list[Result]]:
    """Return the results of each measured row. Results of different data never share a row.

    Returns:
        (model, kind of row) -> results. The kind is empty for the rows that are ranked; else it says `limited`, or
        `other data` with the beginning of their checksum where they are not those of the other rows.
    """
    reference = _reference_data(results)
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.task in tasks:
            groups[result.name, _kind_of_row(result, reference)].append(result)
    return groups


def measured_row(key: str, model: str, kind: str, results: Sequence[Result], tasks: Sequence[str]) -> Row:
    """Return a measured row without its intervals.

    Args:
        key: the row's name in `--compare`.
        model: the model's name.
        kind: the kind of row (see `group_results`).
        results: its results.
        tasks: the tasks of the board.
    """
    cells = {}
    for name in tasks:
        scores = [result.score for result in results if result.task == name]
        if scores:
            cells[name] = Cell(*over_seeds(scores), len(scores))
    marks = marks_of_row(results)
    other_data = OTHER_DATA in kind
    if other_data:
        marks.insert(0, f"data differ from other rows ({', '.join(cells)})")
    found = tuple(results)
    return Row(key, model, "measured", None, not kind, marks, cells, results=found, other_data=other_data)


LIMITED, OTHER_DATA = "limited", "other data"


def row_key(model: str, kind: str) -> str:
    """Return the name of a measured row in `--compare`."""
    return f"{model} ({kind})" if kind else model


def unique_keys(groups: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the key of each measured row. A model may be named like a published row, or like another kind of row."""
    taken = {row.name for row in published_rows()}
    keys: dict[tuple[str, str], str] = {}
    for group in sorted(groups, key=lambda group: group[1]):
        key = row_key(*group)
        while key in taken:
            key += " (measured)"
        taken.add(key)
        keys[group] = key
    return keys


def _kind_of_row(result: Result, reference: Mapping[tuple[str, str], str]) -> str:
    odd = [sha256 for split, sha256 in _data(result) if reference[result.task, split] != sha256]
    # A limited run may train on another split, so that only its test data tell whether it is of other data.
    if result.limits:
        odd = [sha256 for split, sha256 in _data(result) if split == "test" and reference[result.task, split] != sha256]
    parts = [*([LIMITED] if result.limits else []), *(f"{OTHER_DATA} {sha256[:6]}" for sha256 in odd)]
    return ", ".join(parts)


def _data(result: Result) -> list[tuple[str, str]]:
    """Return (split, SHA-256) of the data that determine a score."""
    return [(split, str(item.get("sha256"))) for split, item in result.data.items() if split != "dev"]


def _reference_data(results: Sequence[Result]) -> dict[tuple[str, str], str]:
    """Return the data that rows of the board have: the canonical ones if a result has them, else the most common."""
    seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for result in results:
        for split, sha256 in _data(result):
            # Limited runs may train on another split, so they do not decide what the data are.
            seen[result.task, split][sha256] += 0 if result.limits else 1
    return {(task, split): _first(found, checksums().get(task, {}).get(split)) for (task, split), found in seen.items()}


def _first(found: Counter[str], canonical: str | None) -> str:
    return min(found, key=lambda sha256: (sha256 != canonical, -found[sha256], sha256))


def problem_of(result: Result) -> str | None:
    """Return why a result cannot stand in the same column as the others, or None if it can."""
    task = result.known_task
    if task is None:
        return "unknown task"
    if result.task_version != task.version:
        return f"version {result.task_version} of the task, this is version {task.version}"
    if result.split != "test":
        return f"a score of the {result.split} split"
    if result.metric != task.metric:
        return f"scored by {result.metric}, not by {task.metric}"
    return None
