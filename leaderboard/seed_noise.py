"""How much the scores of one model differ between seeds, where the runs at hand do not tell it."""

from __future__ import annotations

import statistics
from functools import cache

from .published import published_rows

REPLICATED_SEEDS = 10  # runs behind each deviation of the replication


@cache
def replicated_variance(task: str, model: str) -> float | None:
    """Return the variance of the score of one run on a task, from the replication with ten seeds (INDUS).

    It is that of the same model, or else the median over the models of that publication.

    Args:
        task: the task's name.
        model: the model's name.

    Returns:
        The variance, x100 squared; None if the publication has no deviation for the task.
    """
    known = {row.model: row.stds[task] ** 2 for row in published_rows() if task in row.stds}
    if not known:
        return None
    return known.get(model, statistics.median(known.values()))
