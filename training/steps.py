"""The arithmetic of a run: updates per epoch, in all, and in the warm-up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import RequestError
from ..tasks.recipe import Recipe


@dataclass(frozen=True)
class StepPlan:
    """The number of updates of a run.

    Attributes:
        per_epoch: updates per epoch, ceil(examples / batch); the last one of an epoch may have fewer examples.
        total: updates of the run; the learning rate schedule ends there.
        warmup: updates of the warm-up, which are part of `total`.
    """

    per_epoch: int
    total: int
    warmup: int

    @property
    def epochs(self) -> int:
        """The number of epochs that are begun. A limit on the updates may end the last one early."""
        return math.ceil(self.total / self.per_epoch)


def plan_steps(recipe: Recipe, examples: int, max_steps: int | None) -> StepPlan:
    """Count the updates of a run.

    Args:
        recipe: the settings.
        examples: number of training examples.
        max_steps: ends the run, and its schedule, after this many updates, unless None.

    Raises:
        RequestError: the warm-up is longer than the run.
    """
    per_epoch = math.ceil(examples / recipe.batch_size)
    total = per_epoch * recipe.epochs if max_steps is None else max_steps
    warmup = recipe.warmup_steps(total)
    if warmup > total:
        raise RequestError(
            f"the warm-up of {warmup} updates is longer than the run of {total}; "
            "train longer or lower it, e.g. --set warmup=0.1"
        )
    return StepPlan(per_epoch, total, warmup)
