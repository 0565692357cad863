"""Attention on packed rows outside CPUs: PyTorch's kernels for sequences of many lengths, or group by group."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from .grouped_rows import by_group, gather, places_of, return_to_row
from .packed_layout import Layout

_FLASH_CAPABILITY = (8, 0)
_LARGEST_HEAD, _HEAD_MULTIPLE = 256, 8


@dataclass(frozen=True)
class Attending:
    """How the tokens of a row attend to each other.

    Attributes:
        layout: where the sequences lie in the row.
        dropout: probability with which an attention probability is dropped.
        scaling: factor of the scores.
        window: a token attends to those less than this many positions away; None for all of its sequence.
        firsts_only: whether there are queries of the first token of each sequence alone.
    """

    layout: Layout
    dropout: float
    scaling: float
    window: int | None
    firsts_only: bool

    @property
    def windowed(self) -> bool:
        """Whether the window is narrower than a sequence."""
        return self.window is not None and self.window < self.layout.max_length


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: Attending) -> torch.Tensor:
    """Compute attention within each sequence of a packed row on a GPU.

    The kernels are those behind `torch.nn.attention.varlen.varlen_attn`, which has no dropout, and behind
    `scaled_dot_product_attention` for jagged nested tensors, which copies its inputs and has no windows. Called without
    these two they do both. What they cannot do is computed group by group.

    Args:
        query: shape (tokens, heads, size), or (sequences, heads, size) for the first tokens alone.
        key: shape (tokens, heads, size).
        value: same shape as `key`.
        how: the sequences, and what is attended to.

    Returns:
        The output of each query, same shape as `query`.
    """
    # Rotary positions may have left float32 numbers beside values in half precision.
    query, key = query.to(value.dtype), key.to(value.dtype)
    if _flash_is_possible(value) and not (how.windowed and how.firsts_only):
        return _flash(query, key, value, how)
    if _efficient_is_possible(value) and not how.windowed:
        return _efficient(query, key, value, how)
    return grouped_attention(query, key, value, how)


def _flash_is_possible(value: torch.Tensor) -> bool:
    half = value.dtype in (torch.float16, torch.bfloat16)
    return half and _fused_is_possible(value) and _capability(value.device) >= _FLASH_CAPABILITY


def _efficient_is_possible(value: torch.Tensor) -> bool:
    # Its backward pass sums in any order.
    return _fused_is_possible(value) and not torch.are_deterministic_algorithms_enabled()


def _fused_is_possible(value: torch.Tensor) -> bool:
    size = value.shape[-1]
    return value.is_cuda and torch.version.hip is None and size % _HEAD_MULTIPLE == 0 and size <= _LARGEST_HEAD


@cache
def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


def _bounds(how: Attending) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Return the ends of the queries and of the keys of each sequence, and the largest number of each."""
    offsets, longest = how.layout.offsets, how.layout.max_length
    if not how.firsts_only:
        return offsets, offsets, longest, longest
    return torch.arange(len(offsets), dtype=offsets.dtype, device=offsets.device), offsets, 1, longest


def _flash(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: Attending) -> torch.Tensor:
    reach = how.window - 1 if how.windowed and how.window is not None else -1
    operator: Any = torch.ops.aten._flash_attention_forward
    return operator(
        query,
        key,
        value,
        *_bounds(how),
        how.dropout,
        False,  # not causal
        False,  # without a mask for debugging
        scale=how.scaling,
        window_size_left=reach,
        window_size_right=reach,
    )[0]


def _efficient(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: Attending) -> torch.Tensor:
    rows = (tensor.unsqueeze(0) for tensor in (query, key, value))
    trained = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    operator: Any = torch.ops.aten._efficient_attention_forward
    # Of masks there is none, neither of scores (None) nor causal (0).
    return operator(*rows, None, *_bounds(how), how.dropout, 0, trained, scale=how.scaling)[0][0]


def grouped_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: Attending) -> torch.Tensor:
    """Compute the same as `attend` on any device, group by group."""
    heads = query.shape[1]
    grouping = how.layout.grouped(heads)
    queried = grouping.firsts if how.firsts_only else grouping.tokens
    sources = gather(query, queried), gather(key, grouping.tokens), gather(value, grouping.tokens)
    parts = (by_group(tensor, grouping, heads) for tensor in sources)
    deterministic = torch.are_deterministic_algorithms_enabled()
    results = []
    for group, *inputs in zip(grouping.groups, *parts, strict=True):
        masked = group.masked(how.window, query.device, firsts_only=how.firsts_only)
        by_head = (tensor.unflatten(0, (group.sequences, heads)) for tensor in inputs)
        with sdpa_kernel(SDPBackend.MATH) if deterministic else nullcontext():
            output: Any = functional.scaled_dot_product_attention(
                *by_head, attn_mask=None if masked is None else ~masked, dropout_p=how.dropout, scale=how.scaling
            )
        results.append(output.flatten(0, 2))
    return return_to_row(places_of(results), queried, len(query), heads)
