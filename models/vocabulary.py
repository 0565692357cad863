"""Training only those rows of the word embeddings that the training data touch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


class Vocabulary:
    """A small embedding in place of a model's own one, for the token ids of one corpus.

    AdamW without weight decay leaves a row alone whose gradient has always been zero, so that training the rows in
    use is training all of them; gradients, moments and updates of the others (of 30,522, NCBI-disease uses a third)
    need not be computed.

    Args:
        model: a model of `transformers`.
        token_ids: the ids that training will meet, without repetitions.
        keep_gradient: add the few rows that a batch touches to a gradient that stays in memory, instead of making a
            whole one each time: on CPUs, fresh memory costs more than the sum.
    """

    def __init__(self, model: Any, token_ids: np.ndarray, *, keep_gradient: bool) -> None:
        self.full: nn.Embedding = model.get_input_embeddings()
        rows = np.union1d(token_ids, [] if self.full.padding_idx is None else [self.full.padding_idx])
        self.rows = torch.from_numpy(rows.astype(np.int64))
        # Token id -> row of the small embedding; ids that do not occur stay without one.
        self.renumbered = np.full(self.full.num_embeddings, -1, dtype=np.int64)
        self.renumbered[self.rows.numpy()] = np.arange(len(rows))
        padding = self.full.padding_idx
        self.small = nn.Embedding.from_pretrained(
            self.full.weight.detach()[self.rows.to(self.full.weight.device)].clone(),
            freeze=False,
            padding_idx=None if padding is None else int(self.renumbered[padding]),
            sparse=keep_gradient,
        )
        self.gradient = torch.zeros_like(self.small.weight) if keep_gradient else None
        self.clear_gradient()

    def clear_gradient(self) -> None:
        """Set the gradient to zero, after an update."""
        self.small.weight.grad = None if self.gradient is None else self.gradient.zero_()

    @contextmanager
    def in_use(self, model: Any) -> Iterator[None]:
        """Put the small embedding into the model; on leaving, the full one has its rows and its place again.

        Inside of itself it does nothing.
        """
        if model.get_input_embeddings() is self.small:
            yield
            return
        model.set_input_embeddings(self.small)
        try:
            yield
        finally:
            with torch.no_grad():
                self.full.weight[self.rows.to(self.full.weight.device)] = self.small.weight.to(self.full.weight)
            model.set_input_embeddings(self.full)
