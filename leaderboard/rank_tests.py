"""Which rows are significantly ahead of others, as far as ranks are concerned.

Ranks need an answer for every pair of rows, also for those of which a comparison says that it cannot test them. What is
not known about the seeds then stands in: the deviations of the replication with ten seeds.
"""

from __future__ import annotations

from scipy import stats

from ..tasks.registry import TASKS
from .comparison import RUNS_DIFFER, Difference, blurb_mean, mean_of
from .numbers import Interval
from .rows import Cell, Row
from .seed_noise import REPLICATED_SEEDS, replicated_variance
from .significance import ALPHA, Mean, weighted, welch

_BY_BOOTSTRAP = 30  # degrees of freedom of a variance that is taken from an interval
_WIDTH = 2 * float(stats.t.ppf(1 - ALPHA / 2, _BY_BOOTSTRAP))  # of a 95% interval, in standard errors


def rank_p(found: Difference | None, row: Row, other: Row, task: str | None) -> float:
    """Return the p-value by which two rows are told apart in ranks.

    Args:
        found: their difference, if it was computed.
        row: a row.
        other: another one.
        task: the only task of the board; None for the BLURB score.
    """
    if found is None or found.difference is None or found.verdict == RUNS_DIFFER:
        return 1.0
    if found.p is not None:
        return found.p
    tested = welch(weighted([(1, likely_score(row, task)), (-1, likely_score(other, task))]))
    return 1.0 if tested is None else tested.p


def likely_score(row: Row, task: str | None) -> Mean:
    """Return a score of a row with a variance, from what is known best: its interval, its deviation, or a stand-in.

    Args:
        row: the row.
        task: a task; None for the BLURB score.
    """
    if task is not None:
        return _of_task(row, task)
    own = blurb_mean({name: _of_task(row, name) for name in row.tasks})
    return _of_interval(own.value, row.intervals.blurb) or own


def _of_task(row: Row, task: str) -> Mean:
    cell = row.tasks[task]
    if found := _of_interval(cell.mean, cell.ci):
        return found
    own = mean_of(cell)
    if own.parts:
        return own
    variance = replicated_variance(task, row.model)
    if variance is not None:
        return Mean(cell.mean, ((variance / (cell.n or 1), REPLICATED_SEEDS - 1),))
    return _of_test_set(row, task, cell)


def _of_interval(value: float, interval: Interval | None) -> Mean | None:
    if interval is None or interval[0] == interval[1]:
        return None
    return Mean(value, ((((interval[1] - interval[0]) / _WIDTH) ** 2, _BY_BOOTSTRAP),))


def _of_test_set(row: Row, task: str, cell: Cell) -> Mean:
    """Return an accuracy with the binomial variance of its finite test set, as for MedQA and MMLU."""
    metric = TASKS[task].metric if task in TASKS else row.results[0].metric
    if metric != "accuracy":
        return Mean(cell.mean)
    size = TASKS[task].official["test"] if task in TASKS else row.results[0].n_examples
    return Mean(cell.mean, ((cell.mean * (100 - cell.mean) / size, size - 1),))
