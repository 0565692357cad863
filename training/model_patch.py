"""Temporary changes to a model that make its training faster without changing what is learnt."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..models.kernels import Kernels
from ..models.packed import running_packed
from ..models.vocabulary import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class ModelPatch:
    """The changes that are applied to a model while it is trained.

    Attributes:
        packed: whether the model runs on packed rows, without padding.
        kernels: elementwise passes that replace dropout and attention on CPUs; None on other devices.
        vocabulary: a smaller word embedding with the rows that the training data use; None to train all rows.
    """

    packed: bool
    kernels: Kernels | None
    vocabulary: Vocabulary | None
    _changes: ExitStack = field(default_factory=ExitStack, repr=False)

    def conditions(self) -> dict[str, Any]:
        """Return what a checkpoint of a patched model depends on, by name."""
        return {
            "packing": self.packed,
            "compiled passes": self.kernels is not None and self.kernels.fused,
            "words trained": None if self.vocabulary is None else len(self.vocabulary.rows),
        }

    @contextmanager
    def applied(self, model: PreTrainedModel) -> Iterator[None]:
        """Apply the changes to `model` while the block runs; afterwards its modules are those of `transformers`."""
        self._apply(model)
        try:
            yield
        finally:
            self._changes.close()

    @contextmanager
    def suspended(self, model: PreTrainedModel) -> Iterator[None]:
        """Take the changes back while the block runs, inside of `applied`: for scoring between two epochs."""
        self._changes.close()
        try:
            yield
        finally:
            self._apply(model)

    def _apply(self, model: PreTrainedModel) -> None:
        if self.vocabulary is not None:
            self._changes.enter_context(self.vocabulary.in_use(model))
        if self.packed:
            self._changes.enter_context(running_packed(model, self.kernels))

    def clear_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """Forget the gradients of an update."""
        optimizer.zero_grad(set_to_none=True)
        if self.vocabulary is not None:
            self.vocabulary.clear_gradient()


@contextmanager
def frozen_garbage() -> Iterator[None]:
    """Exclude all objects that exist already from garbage collection while the block runs.

    A full collection scans every module of torch, which takes as long as a training step.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
