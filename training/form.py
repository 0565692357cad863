"""In what form a model is trained, and by which optimiser."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ..models.kernels import Kernels
from ..models.packed import running_packed
from ..models.vocabulary import Vocabulary
from ..tasks.task import Recipe

_FUSED = ("cpu", "cuda", "mps", "xpu")


@dataclass(frozen=True)
class Form:
    """How a model is trained.

    Attributes:
        packed: on rows without padding.
        kernels: dropouts and attention on CPUs; None elsewhere.
        vocabulary: the word embeddings in use; None for all of them.
    """

    packed: bool
    kernels: Kernels | None
    vocabulary: Vocabulary | None

    def as_conditions(self) -> dict[str, Any]:
        """What a checkpoint in this form depends on."""
        return {
            "packing": self.packed,
            "compiled passes": self.kernels is not None and self.kernels.fused,
            "words trained": None if self.vocabulary is None else len(self.vocabulary.rows),
        }

    @contextmanager
    def in_use(self, model: Any) -> Iterator[None]:
        """Give the model this form; on leaving, it is again as `transformers` knows it."""
        with ExitStack() as forms:
            if self.vocabulary is not None:
                forms.enter_context(self.vocabulary.in_use(model))
            if self.packed:
                forms.enter_context(running_packed(model, self.kernels))
            yield

    def clear_gradients(self, optimizer: Any) -> None:
        """Forget the gradients of an update."""
        optimizer.zero_grad(set_to_none=True)
        if self.vocabulary is not None:
            self.vocabulary.clear_gradient()


def make_optimizer(model: Any, recipe: Recipe, device: torch.device) -> torch.optim.AdamW:
    """AdamW as the recipe has it, without weight decay on biases and norms."""
    # Biases and the weights of norms are the parameters with one dimension.
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        fused=device.type in _FUSED,
    )


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Spare the garbage collector all that was made before: scanning the modules of torch takes a step's time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
