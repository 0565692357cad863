"""Sequences concatenated in one row, as a model that runs packed is given them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from .packed_layout import Layout, make_layout, to_device

# oneDNN compiles a program for each new number of tokens, which takes 0.4 to 0.9 ms. Rows rounded up to a multiple of
# 32 tokens repeat the same sizes: that made training on NCBI-disease about 8% faster.
_ROW_MULTIPLE = 32


@dataclass(frozen=True)
class PackedRow:
    """Several sequences, concatenated in one row.

    Attributes:
        input_ids: shape (1, tokens).
        position_ids: the position of each token in its own sequence, counted from 0; shape (1, tokens).
        token_type_ids: shape (1, tokens), or None if the model has none.
        layout: where the sequences lie in the row.
        every_token: True if the head reads every token, False if it reads the first token of each sequence.
        read: the places of the tokens that the head reads, if these are neither all nor the first ones; int64.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    token_type_ids: torch.Tensor | None
    layout: Layout
    every_token: bool
    read: torch.Tensor | None = None

    def to(self, device: torch.device) -> PackedRow:
        """Return this row with its tensors on `device`."""
        types, read = self.token_type_ids, self.read
        return replace(
            self,
            input_ids=to_device(self.input_ids, device),
            position_ids=to_device(self.position_ids, device),
            token_type_ids=None if types is None else to_device(types, device),
            layout=self.layout.to(device),
            read=None if read is None else to_device(read, device),
        )


def pack(
    input_ids: np.ndarray,
    token_type_ids: np.ndarray | None,
    lengths: np.ndarray,
    heads: int | None,
    *,
    every_token: bool,
    read: np.ndarray | None = None,
) -> PackedRow:
    """Make a packed row from concatenated sequences.

    Args:
        input_ids: the tokens of all sequences, shape (tokens,).
        token_type_ids: the token types of all sequences, shape (tokens,), or None.
        lengths: number of tokens of each sequence, shape (sequences,).
        heads: number of attention heads if the row is computed on a CPU, else None. On a CPU the row is rounded up with
            tokens that belong to no sequence.
        every_token: whether the head reads every token (see `PackedRow`).
        read: the places of the tokens that the head reads, if these are neither all nor the first ones.
    """
    starts = np.cumsum(lengths) - lengths
    positions = np.arange(len(input_ids)) - np.repeat(starts, lengths)
    tokens = len(input_ids) + (filler(len(input_ids)) if heads else 0)
    return PackedRow(
        _row(input_ids, tokens, input_ids[0]),
        _row(positions, tokens, 0),
        None if token_type_ids is None else _row(token_type_ids, tokens, 0),
        make_layout(lengths, tokens, heads),
        every_token,
        None if read is None else torch.from_numpy(read.astype(np.int64)),
    )


def filler(tokens: int) -> int:
    """Return how many tokens a row of this many tokens lacks to the next multiple of `_ROW_MULTIPLE`."""
    return -tokens % _ROW_MULTIPLE


def packed_inputs(row: PackedRow, options: int | None) -> dict[str, Any]:
    """Return the keyword arguments with which a model is called inside `running_packed`.

    The model's code around its encoder derives the shape of its outputs from `input_ids`. It is given the tokens that
    its head reads, so that it shapes its outputs as for a padded batch; the encoder itself is given `packed`.

    Args:
        row: the sequences.
        options: number of sequences per example if the head scores options, else None; 1 where it differs.
    """
    seen = row.input_ids
    if not row.every_token:
        starts = row.layout.offsets[:-1].long()
        seen = seen[0, starts].view(-1, options, 1) if options else seen[0, starts].view(-1, 1)
    return {"input_ids": seen, "packed": row}


def _row(values: np.ndarray, size: int, fill: int) -> torch.Tensor:
    row = np.full((1, size), fill, dtype=np.int64)
    row[0, : len(values)] = values
    return torch.from_numpy(row)
