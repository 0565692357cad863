"""How long a suite will take, from a short training of each of its models on this machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..experiments.plan import make_plan
from .plan import PlannedRun

_log = logging.getLogger(__name__)
_WARM_UP, _MEASURED = 1, 4  # updates


@dataclass(frozen=True)
class Estimate:
    """How long a suite will take.

    Attributes:
        seconds: time with all devices of one machine such as this one.
        devices: their number: its GPUs, or 1 for its CPU.
        tokens_per_second: of training on one of them, by model.
    """

    seconds: float
    devices: int
    tokens_per_second: dict[str, float]


def estimate(plan: Sequence[PlannedRun]) -> Estimate | None:
    """Estimate the time of the runs that are missing; None if none is.

    Each model is trained for a few updates on the first task that it is missing. What other tasks need is taken to grow
    with their tokens, which is a coarse rule: long inputs cost more by the token than short ones.
    """
    import torch

    missing = [run for run in plan if not run.done and run.problem is None and run.work]
    if not missing:
        return None
    speeds: dict[str, float] = {}
    for run in missing:
        if run.name not in speeds:
            _log.info("measuring how fast %s trains here", run.name)
            speeds[run.name] = _speed(run)
    devices = max(1, torch.cuda.device_count())
    seconds = sum(run.work / speeds[run.name] for run in missing) / devices
    return Estimate(seconds, devices, speeds)


def _speed(run: PlannedRun) -> float:
    """Return the tokens per second of a training on one device."""
    from ..experiments.finetune import load_for_training
    from ..training.trainer import Trainer

    plan = make_plan(run.options, writes=False)
    trainer = Trainer(plan.task.head, plan.tokenizer, run.options.precision, compile_passes=False)
    trainer.seed(run.seed)
    rows = plan.encode()[run.options.train_split][0].select(plan.training_indices)
    few = rows.select(range(min(len(rows), _MEASURED * plan.recipe.batch_size)))
    recipe = replace(plan.recipe, epochs=1, warmup=0)
    model = load_for_training(plan)
    for updates in (_WARM_UP, _MEASURED):
        _, cost = trainer.fit(model, few, recipe, seed=run.seed, max_steps=updates)
    return cost.tokens_per_second
