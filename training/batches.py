"""Which examples make a batch, and their tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..models.heads import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset

# With `group_by_length`, examples are sorted within pools of this many batches.
_POOL = 50
_ROWS = 1000  # read at a time when lengths are counted


@dataclass(frozen=True)
class Batch:
    """Examples as tensors, padded to their own longest sequence.

    Attributes:
        inputs: the model's keyword arguments, shape (sequences, tokens), or (examples, options, tokens).
        labels: as the head wants them, or None when there are none.
        word_index: token heads: per example and window, the word predicted at each piece.
        n_words: token heads: words per example.
        examples: number of examples.
        tokens: number of real tokens.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor | None
    word_index: list[list[list[int]]]
    n_words: list[int]
    examples: int
    tokens: int

    def to(self, device: torch.device) -> Batch:
        """Copy the tensors to a device."""
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        labels = None if self.labels is None else self.labels.to(device, non_blocking=True)
        return Batch(inputs, labels, self.word_index, self.n_words, self.examples, self.tokens)


@dataclass(frozen=True)
class Collator:
    """Makes a `Batch` from encoded rows.

    Attributes:
        head: the head kind.
        pad_token_id: fills `input_ids`.
        token_types: whether the model takes `token_type_ids`.
    """

    head: str
    pad_token_id: int
    token_types: bool

    def __call__(self, rows: dict[str, list[Any]]) -> Batch:
        """Collate columns of encoded rows (see `Family.encode`)."""
        sequences = list(chain.from_iterable(rows["input_ids"]))
        width = max(map(len, sequences))
        inputs = {
            "input_ids": _pad(sequences, width, self.pad_token_id),
            "attention_mask": _pad([[1] * len(sequence) for sequence in sequences], width, 0),
        }
        if self.token_types:
            inputs["token_type_ids"] = _pad(list(chain.from_iterable(rows["token_type_ids"])), width, 0)
        examples = len(rows["input_ids"])
        if self.head == "choice":
            inputs = {name: tensor.view(examples, -1, width) for name, tensor in inputs.items()}
        return Batch(
            inputs,
            self._labels(rows["labels"], width),
            rows.get("word_index", []),
            rows.get("n_words", []),
            examples,
            sum(map(len, sequences)),
        )

    def _labels(self, labels: list[Any], width: int) -> torch.Tensor | None:
        if any(label is None for label in labels):
            return None
        if self.head == "token":
            return _pad(list(chain.from_iterable(labels)), width, IGNORED)
        return torch.tensor(labels, dtype=torch.float32 if self.head in ("regression", "multi-label") else torch.long)


def _pad(sequences: Sequence[Sequence[int]], width: int, value: int) -> torch.Tensor:
    padded = np.full((len(sequences), width), value, dtype=np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(padded)


def lengths_of(dataset: Dataset) -> np.ndarray:
    """Tokens of each example, all its sequences together, in the order of the dataset."""
    import pyarrow.compute

    pc: Any = pyarrow.compute  # its functions are made at run time
    lengths = []
    tables: Any = dataset.with_format("arrow").iter(_ROWS)
    for table in tables:
        for chunk in table["input_ids"].chunks:
            tokens = pc.list_value_length(pc.list_flatten(chunk)).to_numpy(zero_copy_only=False)
            owners = pc.list_parent_indices(chunk).to_numpy(zero_copy_only=False)
            lengths.append(np.bincount(owners, weights=tokens, minlength=len(chunk)).astype(np.int64))
    return np.concatenate(lengths)


def epoch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """The order of examples in an epoch: a function of (seed, epoch) alone."""
    return np.random.default_rng([seed, epoch]).permutation(examples)


def epoch_batches(
    examples: int, batch_size: int, seed: int, epoch: int, lengths: np.ndarray | None = None
) -> list[np.ndarray]:
    """Cut an epoch into its updates: ceil(examples / batch_size) of them, the last one smaller.

    Args:
        examples: number of examples.
        batch_size: examples per update.
        seed: the run's seed.
        epoch: from 0.
        lengths: when given, batches are drawn from examples of like length, in a random order of batches.
    """
    order = epoch_order(examples, seed, epoch)
    if lengths is not None:
        pool = _POOL * batch_size
        order = np.concatenate(
            [part[np.argsort(-lengths[part], kind="stable")] for part in np.split(order, range(pool, examples, pool))]
        )
    batches = np.split(order, range(batch_size, examples, batch_size))
    if lengths is not None:
        # The smaller batch stays last, so that every epoch has the same updates.
        shuffled = np.random.default_rng([seed, epoch, 1]).permutation(len(batches) - 1)
        batches = [batches[index] for index in shuffled] + batches[-1:]
    return batches


def micro_batches(batch: np.ndarray, process: int, processes: int, per_device: int) -> list[np.ndarray]:
    """Cut one update's examples into this process's micro-batches; every process gets the same number of them.

    A process with fewer examples than the others gets empty micro-batches at the end.
    """
    share = batch[process::processes]
    number = math.ceil(math.ceil(len(batch) / processes) / per_device)
    return [share[index * per_device : (index + 1) * per_device] for index in range(number)]


def per_device_batch_size(batch_size: int, processes: int, tokens_per_example: int, budget: int) -> int:
    """The largest divisor of a process's share of the batch whose tokens fit the budget (at least 1)."""
    share = batch_size // processes
    fitting = [size for size in range(1, share + 1) if share % size == 0 and size * tokens_per_example <= budget]
    return max(fitting, default=1)
