"""Training of only those rows of the word embeddings that occur in the training data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


class Vocabulary:
    """A small embedding that holds only the word embeddings in use and replaces a model's own embedding in training.

    AdamW without weight decay does not change a row whose gradient has always been zero, because the moments of the row
    are zero too. Training only the rows in use therefore gives the same model as training all rows, without computing
    gradients, moments and updates of the other rows (NCBI-disease uses about a third of 30,522 rows). Weight decay
    changes all rows, so this class must not be used with it.

    Args:
        model: a model of `transformers`.
        token_ids: the token ids that occur in the training data, without repetitions; shape (ids,).
        keep_gradient: whether the gradient of the small embedding stays in memory from update to update. Each batch
            then adds only its own rows to it. On CPUs this is faster than a new gradient for each batch, because
            allocating that much memory costs more than the addition.

    Attributes:
        full: the model's own embedding.
        rows: the token ids in use, sorted; int64, shape (rows,). They include the padding token, if the model has one.
        renumbered: for each token id its row in the small embedding, or -1 if it is not in use; int64,
            shape (size of the vocabulary,). Batches must be translated with it while the small embedding is in use.
        small: the small embedding.
        gradient: the dense gradient that stays in memory, or None without `keep_gradient`.
    """

    def __init__(self, model: Any, token_ids: np.ndarray, *, keep_gradient: bool) -> None:
        self.full: nn.Embedding = model.get_input_embeddings()
        rows = np.union1d(token_ids, [] if self.full.padding_idx is None else [self.full.padding_idx])
        self.rows = torch.from_numpy(rows.astype(np.int64))
        self.renumbered = np.full(self.full.num_embeddings, -1, dtype=np.int64)
        self.renumbered[self.rows.numpy()] = np.arange(len(rows))
        padding = self.full.padding_idx
        self.small = nn.Embedding.from_pretrained(
            self.full.weight.detach()[self.rows.to(self.full.weight.device)].clone(),
            freeze=False,
            padding_idx=None if padding is None else int(self.renumbered[padding]),
            # Autograd adds a sparse gradient in place to the dense one that is already there.
            sparse=keep_gradient,
        )
        self.gradient = torch.zeros_like(self.small.weight) if keep_gradient else None
        self.clear_gradient()

    def clear_gradient(self) -> None:
        """Set the gradient to zero. Call this after each update, and after `optimizer.zero_grad`."""
        # `optimizer.zero_grad` has removed the gradient from the weight, so it is attached again.
        self.small.weight.grad = None if self.gradient is None else self.gradient.zero_()

    @contextmanager
    def in_use(self, model: Any) -> Iterator[None]:
        """Put the small embedding into the model while the block runs.

        At the end, the trained rows are copied into the full embedding, which then returns to the model. A call inside
        the block of another call does nothing.

        Args:
            model: the model, with either of the two embeddings.
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
