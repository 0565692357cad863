"""The means of the leaderboard: over seeds, over the datasets of a task type, and over task types."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ..tasks.registry import TASKS
from ..tasks.task import BLURB_TYPES

BLURB_TASKS = tuple(task.name for task in TASKS.values() if task.suite == "blurb")
# The datasets of each BLURB task type.
TYPE_TASKS = {kind: tuple(name for name in BLURB_TASKS if TASKS[name].task_type == kind) for kind in BLURB_TYPES}


def over_seeds(scores: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the sample standard deviation of a task's scores; the deviation of one score is None."""
    return statistics.fmean(scores), statistics.stdev(scores) if len(scores) > 1 else None


def type_means(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Return the mean over the datasets of each BLURB task type, or None where a dataset has no score.

    Args:
        scores: task -> score.
    """
    means: dict[str, float | None] = {}
    for kind, members in TYPE_TASKS.items():
        complete = all(name in scores for name in members)
        means[kind] = statistics.fmean(scores[name] for name in members) if complete else None
    return means


def blurb_score(scores: Mapping[str, float]) -> float | None:
    """Return the BLURB score: the unweighted mean of the six task types' means. None unless all 13 scores are there.

    Source: Gu et al. 2021. From the scores in the LinkBERT paper it gives the printed 81.10, 83.39 and 84.30.
    """
    means = [mean for mean in type_means(scores).values() if mean is not None]
    return statistics.fmean(means) if len(means) == len(BLURB_TYPES) else None
