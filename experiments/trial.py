"""Trying settings: a training that is scored on dev, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import RunError
from ..training.reporters import Reporter
from .finetune import load_for_training
from .options import RunOptions
from .plan import make_plan
from .scoring import predict_split, score_split

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SPLITS = ("train", "dev")


def try_settings(
    options: RunOptions, judge: Callable[[float, float], None], reporters: Sequence[Reporter] = ()
) -> float:
    """Train by the settings of a request and return the score on dev of the last epoch. The test split is not read.

    Args:
        options: the request, with one seed.
        judge: called after each epoch with the share of the training that is done and the score on dev. What it raises
            ends the training.
        reporters: are told how the training proceeds.

    Raises:
        RequestError: the request is wrong.
        RunError: the training failed.
    """
    from ..training.trainer import Trainer

    plan = make_plan(options, writes=False, splits=SPLITS)
    steps, seed = plan.steps(), plan.seeds[0]
    trainer = Trainer(plan.task.head, plan.tokenizer, options.precision, reporters, deterministic=options.deterministic)
    trainer.check_batch(plan.recipe, options.per_device_batch_size)
    trainer.seed(seed)
    model = load_for_training(plan)
    encoded = {name: rows for name, (rows, _) in plan.encode().items()}
    scores: list[float] = []

    def end_of_epoch(model: PreTrainedModel, epoch: int) -> dict[str, float]:
        predicted, _ = predict_split(plan.task, trainer, model, plan.splits["dev"], encoded["dev"])
        scores.append(score_split(plan.task, predicted).score)
        judge(epoch / steps.epochs, scores[-1])
        return {"dev_score": scores[-1]}

    with trainer.working():
        trainer.fit(
            model,
            encoded["train"].select(plan.training_indices),
            plan.recipe,
            seed=seed,
            max_steps=options.max_steps,
            per_device=options.per_device_batch_size,
            end_of_epoch=end_of_epoch,
        )
    if not scores:
        raise RunError("the training ended before an epoch was done")
    return scores[-1]
