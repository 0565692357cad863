"""From encoded examples to the tensors of a batch: one packed row, or a padded rectangle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..models.heads import IGNORED, UNSCORED, Head
from ..models.packed_layout import to_device
from ..models.packed_row import PackedRow, pack, packed_inputs
from .encoded_rows import EncodedRows

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Batch:
    """Examples as tensors.

    Attributes:
        inputs: the model's keyword arguments, either of a packed row (see `packed_inputs`), or padded to the longest
            sequence, with tensors of shape (sequences, tokens) or (examples, options, tokens).
        labels: the labels in the form that the head's loss needs, or None if the examples have none.
        word_positions: for each word of all examples the index of its logits among the flattened logits, or -1 if the
            word has no word piece; shape (words,). None if the head does not read words.
        n_words: number of words of each example; None if the head does not read words.
        sequences: number of sequences of each example, shape (examples,).
        lengths: number of tokens of each sequence, shape (sequences,).
        token_positions: the index of each token's logits among the flattened logits, shape (tokens,).
        token_spans: start and end of each token in its context, or -1, shape (tokens, 2); None if the head does not
            look for spans.
        examples: number of examples.
        tokens: number of real tokens.
        computed: number of tokens including padding.
    """

    inputs: dict[str, torch.Tensor | PackedRow]
    labels: torch.Tensor | None
    word_positions: np.ndarray | None
    n_words: np.ndarray | None
    sequences: np.ndarray
    lengths: np.ndarray
    token_positions: np.ndarray
    token_spans: np.ndarray | None
    examples: int
    tokens: int
    computed: int

    def to(self, device: torch.device) -> Batch:
        """Return this batch with its tensors on `device`."""
        if device.type == "cpu":
            return self
        inputs = {
            name: item.to(device) if isinstance(item, PackedRow) else to_device(item, device)
            for name, item in self.inputs.items()
        }
        return replace(self, inputs=inputs, labels=None if self.labels is None else to_device(self.labels, device))


@dataclass(frozen=True)
class Collator:
    """Makes a `Batch` from a table of encoded rows.

    Attributes:
        head: the kind of head.
        pad_token_id: the token id with which `input_ids` of padded batches are filled.
        token_types: whether the model accepts `token_type_ids`.
        packed: whether a batch is one packed row instead of a padded rectangle.
        heads: number of attention heads if attention is computed in groups (on CPUs), else None.
        renumbered: the model's id of each token id, or None if they are the same (see `models.vocabulary`).
    """

    head: Head
    pad_token_id: int
    token_types: bool
    packed: bool = False
    heads: int | None = None
    renumbered: np.ndarray | None = None

    def __call__(self, table: pa.Table) -> Batch:
        """Return the batch of these rows."""
        rows = EncodedRows.read(table)
        width = None if self.packed else int(rows.lengths.max())
        inputs = self._packed(rows) if width is None else self._padded(rows, width)
        computed = width * len(rows.lengths) if width else inputs["packed"].input_ids.numel()
        positions = _token_positions(rows, width)
        return Batch(
            inputs,
            self._targets(rows, width, computed),
            _word_positions(rows, positions),
            rows.n_words,
            rows.sequences,
            rows.lengths,
            positions,
            rows.token_spans,
            len(rows.sequences),
            len(rows.input_ids),
            computed,
        )

    def _packed(self, rows: EncodedRows) -> dict[str, Any]:
        types = rows.token_type_ids if self.token_types else None
        row = pack(self._ids(rows), types, rows.lengths, self.heads, every_token=self.head.every_token)
        return packed_inputs(row, _options(rows) if self.head.per_option else None)

    def _padded(self, rows: EncodedRows, width: int) -> dict[str, Any]:
        pad = self.pad_token_id if self.renumbered is None else int(self.renumbered[self.pad_token_id])
        inputs = {
            "input_ids": _pad(self._ids(rows), rows.lengths, width, pad),
            "attention_mask": _pad(np.ones_like(rows.input_ids), rows.lengths, width, 0),
        }
        if self.token_types:
            inputs["token_type_ids"] = _pad(rows.token_type_ids, rows.lengths, width, 0)
        if self.head.per_option:
            inputs = {name: tensor.view(-1, _options(rows), width) for name, tensor in inputs.items()}
        return inputs

    def _ids(self, rows: EncodedRows) -> np.ndarray:
        return rows.input_ids if self.renumbered is None else self.renumbered[rows.input_ids]

    def _targets(self, rows: EncodedRows, width: int | None, tokens: int) -> torch.Tensor | None:
        if rows.labels is None:
            return None
        if self.head.every_token:
            if width is not None:
                return _pad(rows.labels, rows.lengths, width, IGNORED)
            return _pad(rows.labels, rows.lengths.sum(keepdims=True), tokens, IGNORED)
        return torch.from_numpy(rows.labels.astype(np.float32 if self.head.float_labels else np.int64))


def _pad(values: np.ndarray, lengths: np.ndarray, width: int, fill: int) -> torch.Tensor:
    padded = np.full((len(lengths), width), fill, dtype=np.int64)
    padded[np.arange(width) < lengths[:, None]] = values
    return torch.from_numpy(padded)


def _options(rows: EncodedRows) -> int:
    """Return the number of options of each example, or 1 if they differ: each option then is a row of its own."""
    smallest, largest = rows.sequences.min(), rows.sequences.max()
    return int(largest) if smallest == largest else 1


def _token_positions(rows: EncodedRows, width: int | None) -> np.ndarray:
    """Return the index of each token's logits among the flattened logits.

    Args:
        rows: the encoded examples.
        width: tokens per row of a padded batch; None for a packed row.
    """
    indices = np.arange(len(rows.input_ids))
    if width is None:
        return indices
    starts = np.cumsum(rows.lengths) - rows.lengths
    return indices + np.repeat(np.arange(len(rows.lengths)) * width - starts, rows.lengths)


def _word_positions(rows: EncodedRows, indices: np.ndarray) -> np.ndarray | None:
    """Return the index of each word's logits among the flattened logits, or -1 (see `Batch.word_positions`).

    Args:
        rows: the encoded examples.
        indices: the index of each token's logits.
    """
    if rows.word_index is None or rows.n_words is None:
        return None
    # Words are numbered over all examples: the first word of each example, repeated for each of its tokens.
    first_word = np.repeat(np.repeat(np.cumsum(rows.n_words) - rows.n_words, rows.sequences), rows.lengths)
    scored = rows.word_index != UNSCORED
    positions = np.full(int(rows.n_words.sum()), -1)
    positions[(first_word + rows.word_index)[scored]] = indices[scored]
    return positions
