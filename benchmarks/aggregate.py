"""Means, each computed in one place."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ..tasks.registry import TASKS
from ..tasks.task import BLURB_TYPES

BLURB_TASKS = tuple(task.name for task in TASKS.values() if task.suite == "blurb")


def over_seeds(scores: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation of a task's scores; the deviation of one score is None."""
    return statistics.fmean(scores), statistics.stdev(scores) if len(scores) > 1 else None


def type_means(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Mean over the datasets of each BLURB task type; None unless all of them are there."""
    means: dict[str, float | None] = {}
    for kind in BLURB_TYPES:
        members = [name for name in BLURB_TASKS if TASKS[name].task_type == kind]
        whole = all(name in scores for name in members)
        means[kind] = statistics.fmean(scores[name] for name in members) if whole else None
    return means


def blurb_score(scores: Mapping[str, float]) -> float | None:
    """The BLURB score: the unweighted mean of the six task types' means. None unless all 13 datasets are there.

    Source: Gu et al. 2021; from the published scores it gives 81.10, 83.39 and 84.30.
    """
    means = [mean for mean in type_means(scores).values() if mean is not None]
    return statistics.fmean(means) if len(means) == len(BLURB_TYPES) else None
