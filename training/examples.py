"""What a training draws its batches from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from .collation import Batch, Collator

if TYPE_CHECKING:
    from datasets import Dataset


class Examples(Protocol):
    """The examples of a training, which may be other ones in each epoch."""

    def __len__(self) -> int:
        """Return the number of examples, the same in each epoch."""
        ...

    def begin(self, epoch: int) -> np.ndarray:
        """Begin an epoch, counted from 0, and return the number of tokens of each of its examples."""
        ...

    def batch(self, indices: np.ndarray) -> Batch:
        """Return examples of the present epoch as one batch, with labels. A thread of its own calls this."""
        ...


class EncodedExamples:
    """The rows of an encoded dataset, the same in each epoch.

    Args:
        dataset: the encoded rows.
        lengths: number of tokens of each row.
        collate: makes batches of rows.
    """

    def __init__(self, dataset: Dataset, lengths: np.ndarray, collate: Collator) -> None:
        self.rows = dataset.with_format("arrow")
        self.lengths, self.collate = lengths, collate

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    def begin(self, epoch: int) -> np.ndarray:
        """Return the number of tokens of each row."""
        return self.lengths

    def batch(self, indices: np.ndarray) -> Batch:
        """Return rows as one batch."""
        return self.collate(self.rows[indices])
