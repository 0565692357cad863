"""The optimizer and the learning rate schedule of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import get_scheduler

from ..errors import RequestError
from ..tasks.task import Recipe
from .steps import StepPlan

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Devices on which torch computes AdamW for all parameters in one fused pass.
_FUSED = ("cpu", "cuda", "mps", "xpu")


def make_optimizer(model: PreTrainedModel, recipe: Recipe, device: torch.device) -> torch.optim.AdamW:
    """Return AdamW with the recipe's settings, without weight decay on biases and normalisation weights."""
    # Biases and normalisation weights are the parameters with one dimension.
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=float(recipe.learning_rate),
        betas=(float(recipe.beta1), float(recipe.beta2)),
        eps=float(recipe.eps),
        fused=device.type in _FUSED,
    )


def make_scheduler(
    recipe: Recipe, optimizer: torch.optim.Optimizer, steps: StepPlan
) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the recipe's learning rate schedule; the published one rises to the peak and falls linearly to 0.

    Raises:
        RequestError: the schedule does not accept the recipe's settings.
    """
    try:
        return get_scheduler(recipe.schedule, optimizer, num_warmup_steps=steps.warmup, num_training_steps=steps.total)
    except ValueError as error:
        raise RequestError(f"the schedule {recipe.schedule} cannot be used with this recipe: {error}") from error
