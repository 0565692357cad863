"""The optimizer and the learning rate schedule of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import get_scheduler

from ..errors import RequestError
from ..models.layers import depths
from ..tasks.recipe import Recipe
from .steps import StepPlan

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Devices on which torch computes AdamW for all parameters in one fused pass.
_FUSED = ("cpu", "cuda", "mps", "xpu")


def make_optimizer(model: PreTrainedModel, recipe: Recipe, device: torch.device) -> torch.optim.AdamW:
    """Return AdamW with the recipe's settings, without weight decay on biases and normalisation weights.

    With `layer_decay` below 1, the learning rate of a layer is that of the layer above it, times this factor; the
    embeddings come below the lowest layer (layer-wise learning rate decay, Howard and Ruder 2018, Zhang et al. 2021).
    Frozen parameters are left out.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    rate = float(recipe.learning_rate)
    # Biases and normalisation weights are the parameters with one dimension.
    decayed, plain = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    if recipe.layer_decay != 1:
        depth = depths(model)
        highest = max(depth.values())
        groups = [
            {**group, "params": chosen, "lr": rate * recipe.layer_decay ** (highest - level)}
            for group in groups
            for level in sorted(set(depth.values()))
            if (chosen := [p for p in group["params"] if depth[p] == level])
        ]
    return torch.optim.AdamW(
        groups,
        lr=rate,
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
