"""Which examples make a batch, and their tensors: one packed row, or a padded rectangle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..models.heads import IGNORED, UNSCORED
from ..models.packed import PackedRow, pack, packed_inputs
from ..models.packed_attention import to_device

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

# With `group_by_length`, examples are sorted within pools of this many batches.
_POOL = 50
_ROWS = 1000  # read at a time when lengths and ids are counted


@dataclass(frozen=True)
class Batch:
    """Examples as tensors.

    Attributes:
        inputs: the model's keyword arguments: of a packed row (`packed_inputs`), or padded to the longest sequence,
            shape (sequences, tokens) or (examples, options, tokens).
        labels: as the head wants them, or None when there are none.
        word_positions: token heads: for each word of all examples its place among the flattened logits, -1 without.
        n_words: token heads: words of each example.
        examples: number of examples.
        tokens: number of real tokens.
        computed: number of tokens with padding.
    """

    inputs: dict[str, torch.Tensor | PackedRow]
    labels: torch.Tensor | None
    word_positions: np.ndarray | None
    n_words: np.ndarray | None
    examples: int
    tokens: int
    computed: int

    def to(self, device: torch.device) -> Batch:
        """Copy the tensors to a device."""
        if device.type == "cpu":
            return self
        inputs = {
            name: item.to(device) if isinstance(item, PackedRow) else to_device(item, device)
            for name, item in self.inputs.items()
        }
        return replace(self, inputs=inputs, labels=None if self.labels is None else to_device(self.labels, device))


@dataclass(frozen=True)
class Rows:
    """Encoded examples as flat arrays.

    Attributes:
        input_ids: all tokens, one sequence after the other.
        token_type_ids: likewise; empty if the model has none.
        lengths: tokens of each sequence.
        sequences: sequences of each example.
        labels: per token, or per example; None when there are none.
        word_index: token heads: the word predicted at each token, or `UNSCORED`.
        n_words: token heads: words of each example.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    lengths: np.ndarray
    sequences: np.ndarray
    labels: np.ndarray | None
    word_index: np.ndarray | None
    n_words: np.ndarray | None

    @classmethod
    def read(cls, table: pa.Table) -> Rows:
        """Flatten a table of encoded rows (see `Family.encode`)."""
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        outer = columns["input_ids"]
        words = columns.get("word_index")
        return cls(
            _values(outer),
            _values(columns["token_type_ids"]),
            _sizes(outer.flatten()),
            _sizes(outer),
            None if columns["labels"].null_count else _labels(columns["labels"]),
            None if words is None else _values(words),
            columns["n_words"].to_numpy(zero_copy_only=False) if words is not None else None,
        )


def _sizes(lists: Any) -> np.ndarray:
    import pyarrow.compute

    pc: Any = pyarrow.compute  # its functions are made at run time
    return pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)


def _values(lists: Any) -> np.ndarray:
    return lists.flatten().flatten().to_numpy(zero_copy_only=False)


def _labels(column: Any) -> np.ndarray:
    import pyarrow as pa

    if not pa.types.is_list(column.type):
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_list(column.type.value_type):
        return _values(column)
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


@dataclass(frozen=True)
class Collator:
    """Makes a `Batch` from encoded rows.

    Attributes:
        head: the head kind.
        pad_token_id: fills `input_ids` of padded batches.
        token_types: whether the model takes `token_type_ids`.
        packed: one row without padding instead of a rectangle.
        heads: attention heads, where attention is computed in groups (CPUs); else None.
        renumbered: token id -> id that the model takes, if not the same.
    """

    head: str
    pad_token_id: int
    token_types: bool
    packed: bool = False
    heads: int | None = None
    renumbered: np.ndarray | None = None

    def __call__(self, table: pa.Table) -> Batch:
        """Collate encoded rows."""
        rows = Rows.read(table)
        width = None if self.packed else int(rows.lengths.max())
        inputs = self._packed(rows) if width is None else self._padded(rows, width)
        computed = width * len(rows.lengths) if width else inputs["packed"].input_ids.numel()
        return Batch(
            inputs,
            self._targets(rows, width, computed),
            _word_positions(rows, width),
            rows.n_words,
            len(rows.sequences),
            len(rows.input_ids),
            computed,
        )

    def _packed(self, rows: Rows) -> dict[str, Any]:
        types = rows.token_type_ids if self.token_types else None
        row = pack(self._ids(rows), types, rows.lengths, self.heads, every_token=self.head == "token")
        return packed_inputs(row, int(rows.sequences[0]) if self.head == "choice" else None)

    def _padded(self, rows: Rows, width: int) -> dict[str, Any]:
        pad = self.pad_token_id if self.renumbered is None else int(self.renumbered[self.pad_token_id])
        inputs = {
            "input_ids": _pad(self._ids(rows), rows.lengths, width, pad),
            "attention_mask": _pad(np.ones_like(rows.input_ids), rows.lengths, width, 0),
        }
        if self.token_types:
            inputs["token_type_ids"] = _pad(rows.token_type_ids, rows.lengths, width, 0)
        if self.head == "choice":
            inputs = {name: tensor.view(len(rows.sequences), -1, width) for name, tensor in inputs.items()}
        return inputs

    def _ids(self, rows: Rows) -> np.ndarray:
        return rows.input_ids if self.renumbered is None else self.renumbered[rows.input_ids]

    def _targets(self, rows: Rows, width: int | None, tokens: int) -> torch.Tensor | None:
        if rows.labels is None:
            return None
        if self.head == "token":
            if width is not None:
                return _pad(rows.labels, rows.lengths, width, IGNORED)
            return _pad(rows.labels, rows.lengths.sum(keepdims=True), tokens, IGNORED)
        kind = np.float32 if self.head in ("regression", "multi-label") else np.int64
        return torch.from_numpy(rows.labels.astype(kind))


def _pad(values: np.ndarray, lengths: np.ndarray, width: int, fill: int) -> torch.Tensor:
    padded = np.full((len(lengths), width), fill, dtype=np.int64)
    padded[np.arange(width) < lengths[:, None]] = values
    return torch.from_numpy(padded)


def _word_positions(rows: Rows, width: int | None) -> np.ndarray | None:
    """Find each word among the flattened logits; `width` is that of padded rows."""
    if rows.word_index is None or rows.n_words is None:
        return None
    places = np.arange(len(rows.word_index))
    if width is not None:
        starts = np.cumsum(rows.lengths) - rows.lengths
        places = places + np.repeat(np.arange(len(rows.lengths)) * width - starts, rows.lengths)
    # Words of all examples stand one after the other.
    first_word = np.repeat(np.repeat(np.cumsum(rows.n_words) - rows.n_words, rows.sequences), rows.lengths)
    scored = rows.word_index != UNSCORED
    positions = np.full(int(rows.n_words.sum()), -1)
    positions[(first_word + rows.word_index)[scored]] = places[scored]
    return positions


def _tables(dataset: Dataset) -> Iterator[pa.Table]:
    tables: Any = dataset.with_format("arrow").iter(_ROWS)
    return tables


def lengths_of(dataset: Dataset) -> np.ndarray:
    """Tokens of each example, all its sequences together, in the order of the dataset."""
    return np.concatenate([lengths_of_table(table) for table in _tables(dataset)])


def lengths_of_table(table: pa.Table) -> np.ndarray:
    """Tokens of each example of a table of encoded rows."""
    column = table["input_ids"].combine_chunks()
    tokens, sequences = _sizes(column.flatten()), _sizes(column)
    owners = np.repeat(np.arange(len(sequences)), sequences)
    return np.bincount(owners, weights=tokens, minlength=len(sequences)).astype(np.int64)


def token_ids_of(dataset: Dataset) -> np.ndarray:
    """The token ids that occur in a dataset, each once, in order."""
    found = np.empty(0, dtype=np.int64)
    for table in _tables(dataset):
        found = np.union1d(found, _values(table["input_ids"].combine_chunks()))
    return found


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


@dataclass(frozen=True)
class MicroBatchSize:
    """How much of an update is computed at a time: so many tokens, or exactly so many examples.

    Attributes:
        tokens: at most about this many.
        examples: if asked for.
    """

    tokens: int
    examples: int | None = None

    def halved(self) -> MicroBatchSize | None:
        """Half of it; None if it cannot be less."""
        if self.examples is not None:
            return replace(self, examples=self.examples // 2) if self.examples > 1 else None
        return replace(self, tokens=self.tokens // 2) if self.tokens > 1 else None

    def __str__(self) -> str:
        return f"{self.examples} examples" if self.examples is not None else f"{self.tokens} tokens"


def micro_batches(
    batch: np.ndarray, lengths: np.ndarray, process: int, processes: int, size: MicroBatchSize
) -> list[np.ndarray]:
    """Cut one update's examples into this process's micro-batches; every process gets the same number of them.

    A process with fewer examples than the others gets empty micro-batches at the end.

    Args:
        batch: the examples of the update.
        lengths: tokens of every example of the corpus.
        process: number of this process.
        processes: how many there are.
        size: of a micro-batch.
    """
    parts = [_cut(batch[index::processes], lengths, size) for index in range(processes)]
    number = max(map(len, parts))
    return parts[process] + [batch[:0]] * (number - len(parts[process]))


def _cut(share: np.ndarray, lengths: np.ndarray, size: MicroBatchSize) -> list[np.ndarray]:
    if size.examples is not None:
        return np.split(share, range(size.examples, len(share), size.examples))
    parts = _fill(share, lengths, size.tokens)
    # As few parts as that, but of about the same number of tokens.
    even = math.ceil(int(lengths[share].sum()) / len(parts)) + int(lengths[share].max(initial=0))
    return _fill(share, lengths, min(size.tokens, even))


def _fill(share: np.ndarray, lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Cut examples, in their order, into parts of at most so many tokens, or of one example that is longer."""
    bounds, filled = [], 0
    for place, length in enumerate(lengths[share]):
        if place and filled + length > tokens:
            bounds.append(place)
            filled = 0
        filled += length
    return np.split(share, bounds)


def token_batches(lengths: np.ndarray, tokens: int, *, padded: bool) -> list[np.ndarray]:
    """Cut examples into batches for scoring, longest first, each of about as many tokens as asked for.

    Args:
        lengths: tokens of each example.
        tokens: per batch; an example that is longer makes a batch of its own.
        padded: count each example as long as the longest of its batch.
    """
    batches: list[list[int]] = []
    filled = 0
    for index in np.argsort(-lengths, kind="stable"):
        size = int(lengths[batches[-1][0]] if padded and batches else lengths[index])
        if not batches or filled + size > tokens:
            batches.append([])
            size, filled = int(lengths[index]), 0
        batches[-1].append(int(index))
        filled += size
    return [np.array(batch) for batch in batches]
