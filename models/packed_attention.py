"""Attention over sequences that lie one after the other in one row, none of which sees another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from .kernels import Kernels

NAME = "linkbert_packed"  # under which transformers knows this attention
# What one more group costs, in query-key pairs, and how many pairs a group may hold before it leaves the cache.
_GROUP_COST = 12_000
_GROUP_PAIRS = 2**18
# oneDNN compiles a program for each new shape: sizes that recur are faster than exact ones.
_WIDTH_MULTIPLE = 8


@dataclass(frozen=True)
class Group:
    """Sequences of like length that are multiplied as one batch.

    Attributes:
        sequences: how many.
        width: tokens of the longest.
        beyond: positions beyond a sequence's end, bool, shape (sequences, 1, 1, width); None if there are none.
    """

    sequences: int
    width: int
    beyond: torch.Tensor | None


@dataclass(frozen=True)
class Order:
    """How vectors, numbered token by token and head by head, are laid out for multiplication.

    Attributes:
        gathered: the vector at each place of the layout, int64; beyond a sequence's end a vector of zeros, which
            follows the last one of the row.
        returned: the place of each vector, int64, shape (tokens x heads,); tokens of no sequence take a place of zeros,
            which follows the last one of the layout.
    """

    gathered: torch.Tensor
    returned: torch.Tensor


@dataclass(frozen=True)
class Grouping:
    """Sequences in groups.

    Attributes:
        groups: in the order of the layout; within one, vectors stand by sequence, head and position.
        tokens: of all tokens of the row.
        firsts: of the first token of each sequence.
    """

    groups: tuple[Group, ...]
    tokens: Order
    firsts: Order


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a packed row lie.

    Attributes:
        offsets: start of each sequence and, last, the end of the last one; int32, shape (sequences + 1,).
        max_length: tokens of the longest sequence.
        grouping: for attention on CPUs.
    """

    offsets: torch.Tensor
    max_length: int
    grouping: Grouping | None

    def to(self, device: torch.device) -> Layout:
        """Copy the offsets to a device."""
        return replace(self, offsets=to_device(self.offsets, device))


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to a device; to a GPU from pinned memory, so that nobody waits for it."""
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)


def make_layout(lengths: np.ndarray, tokens: int, heads: int | None) -> Layout:
    """Describe a row of sequences of these lengths, in this order.

    Args:
        lengths: tokens of each sequence.
        tokens: of the row; those after the last sequence belong to none.
        heads: attention heads, where attention is computed in groups (CPUs); None makes no groups.
    """
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    grouping = None if heads is None else _make_grouping(lengths, offsets, tokens, heads)
    return Layout(torch.from_numpy(offsets.astype(np.int32)), int(lengths.max(initial=0)), grouping)


def _make_grouping(lengths: np.ndarray, offsets: np.ndarray, tokens: int, heads: int) -> Grouping:
    groups, gathered, divided = [], [], group_by_length(lengths)
    for members in divided:
        width = int(lengths[members].max())
        if len(members) > 1:
            width += -width % _WIDTH_MULTIPLE
        positions = np.arange(width)
        inside = positions < lengths[members][:, None]
        rows = np.where(inside, offsets[members][:, None] + positions, tokens)
        gathered.append((rows[:, None, :] * heads + np.arange(heads)[:, None]).reshape(-1))
        beyond = None if inside.all() else torch.from_numpy(~inside)[:, None, None, :]
        groups.append(Group(len(members), width, beyond))
    firsts = (np.concatenate(divided)[:, None] * heads + np.arange(heads)).reshape(-1)
    return Grouping(
        tuple(groups), _order(np.concatenate(gathered), tokens * heads), _order(firsts, len(lengths) * heads)
    )


def _order(gathered: np.ndarray, vectors: int) -> Order:
    # Several places may hold the vector of zeros that follows the last one.
    returned = np.full(max(vectors, int(gathered.max()) + 1), len(gathered))
    returned[gathered] = np.arange(len(gathered))
    return Order(torch.from_numpy(gathered), torch.from_numpy(returned[:vectors]))


def group_by_length(lengths: np.ndarray) -> list[np.ndarray]:
    """Divide sequences into groups so that pairs of tokens computed, plus a fixed cost per group, are fewest.

    Args:
        lengths: of the sequences.

    Returns:
        Indices of each group's members, longest first. Groups of several keep to a bound of pairs.
    """
    order = np.argsort(-lengths, kind="stable")
    sorted_lengths = lengths[order]
    # best[i]: cost of the first i sequences; the last group of that division starts at start[i].
    best, start = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.int64)
    for end in range(1, len(order) + 1):
        first = np.arange(end)
        pairs = (end - first) * sorted_lengths[:end] ** 2
        pairs = np.where((pairs > _GROUP_PAIRS) & (end - first > 1), np.inf, pairs)
        costs = best[:end] + pairs + _GROUP_COST
        start[end] = int(costs.argmin())
        best[end] = costs[start[end]]
    groups, end = [], len(order)
    while end:
        groups.append(order[start[end] : end])
        end = int(start[end])
    return groups[::-1]


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    *,
    layout: Layout | None = None,
    kernels: Kernels | None = None,
    whole: dict[str, torch.Tensor] | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sequence of a packed row; an attention function of `transformers`.

    Args:
        module: the attention layer.
        query: shape (1, heads, tokens, size), or (1, heads, sequences, size) of the first tokens alone.
        key: shape (1, heads, tokens, size).
        value: likewise.
        attention_mask: None.
        dropout: of the probabilities.
        scaling: of the scores; 1 / sqrt(size) when None.
        layout: where the sequences lie.
        kernels: elementwise passes on CPUs.
        whole: not empty where queries are those of first tokens: "key" and "value" of all tokens, shape (1, tokens,
            heads x size), which are taken out of it.
        sliding_window: None; windows are not packed.

    Returns:
        An output for each query, shape (1, queries, heads, size), and None for the probabilities.

    Raises:
        NotImplementedError: a mask, a window, or no layout.
    """
    if layout is None or attention_mask is not None or sliding_window is not None or len(query) != 1:
        raise NotImplementedError("this attention is for packed rows without masks and windows")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    firsts_only = bool(whole)
    if whole:
        key, value = (whole.pop(name).unflatten(-1, (key.shape[1], -1)).transpose(1, 2) for name in ("key", "value"))
    if query.device.type == "cpu":
        rows = (tensor[0].transpose(0, 1) for tensor in (query * scale, key, value))
        output: Any = _Attention.apply(*rows, layout.grouping, firsts_only, dropout, kernels or Kernels(fused=False))
        return output.unsqueeze(0), None
    return _varlen_attention(query, key, value, layout, dropout, scale, firsts_only=firsts_only), None


def _varlen_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    dropout: float,
    scaling: float,
    *,
    firsts_only: bool = False,
) -> torch.Tensor:
    """Attend with PyTorch's own kernels for sequences of many lengths, through jagged nested tensors."""
    offsets = layout.offsets.long()
    of_queries = (torch.arange(len(offsets), device=offsets.device), 1) if firsts_only else (offsets, layout.max_length)
    jagged = (
        torch.nested.nested_tensor_from_jagged(
            tensor[0].transpose(0, 1).contiguous(), bounds, max_seqlen=longest
        ).transpose(1, 2)
        for tensor, (bounds, longest) in (
            (query, of_queries),
            (key, (offsets, layout.max_length)),
            (value, (offsets, layout.max_length)),
        )
    )
    output: Any = functional.scaled_dot_product_attention(*jagged, dropout_p=dropout, scale=scaling)
    return output.transpose(1, 2).values().unsqueeze(0)


class _Attention(torch.autograd.Function):
    """Softmax attention with dropout, group by group, for scaled queries of shape (queries, heads, size)."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        grouping: Grouping,
        firsts_only: bool,
        rate: float,
        kernels: Kernels,
    ) -> torch.Tensor:
        ctx.grouping, ctx.firsts_only, ctx.rate, ctx.kernels = grouping, firsts_only, rate, kernels
        queried = grouping.firsts if firsts_only else grouping.tokens
        saved: list[torch.Tensor] = []
        with torch.autocast(query.device.type, enabled=False):
            sources = _gather(query, queried), _gather(key, grouping.tokens), _gather(value, grouping.tokens)
            results = _places(sources[0])
            parts = (_by_group(tensor, grouping, query.shape[1]) for tensor in (*sources, results))
            for group, queries, keys, values, result in zip(grouping.groups, *parts, strict=True):
                scores = torch.bmm(queries, keys.transpose(1, 2))
                if group.beyond is not None:
                    scores.view(group.sequences, -1, *scores.shape[1:]).masked_fill_(group.beyond, -torch.inf)
                signed = dropped = torch.softmax(scores, -1)
                if rate:
                    signed, dropped = kernels.drop_probabilities(signed, kernels.noise(signed.numel(), rate))
                torch.bmm(dropped, values, out=result)
                saved.append(signed)
            output = _return(results, queried, query)
            if rate:
                output.mul_(1 / (1 - rate))
        ctx.save_for_backward(output, *sources, *saved)
        return output

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        grouping, rate, kernels = ctx.grouping, ctx.rate, ctx.kernels
        tokens, queried = grouping.tokens, grouping.firsts if ctx.firsts_only else grouping.tokens
        output, query, key, value, *saved = ctx.saved_tensors
        delta = (grads[0] * output).sum(-1, keepdim=True, dtype=torch.float32)
        gradient = grads[0] * (1 / (1 - rate)) if rate else grads[0]
        sources = query, key, value, _gather(gradient, queried), _gather(delta, queried)
        sinks = _places(query), _places(key), _places(value)
        parts = (_by_group(tensor, grouping, output.shape[1]) for tensor in (*sources, *sinks))
        for signed, queries, keys, values, outer, sums, *results in zip(saved, *parts, strict=True):
            through = torch.bmm(outer, values.transpose(1, 2))
            if rate:
                scores, kept = kernels.scores_gradient(through, signed, sums)
            else:
                scores, kept = through.sub_(sums.to(through.dtype)).mul_(signed), signed
            torch.bmm(scores, keys, out=results[0])
            torch.bmm(scores.transpose(1, 2), queries, out=results[1])
            torch.bmm(kept.transpose(1, 2), outer, out=results[2])
        orders = queried, tokens, tokens
        returned = (_return(sink, order, output) for sink, order in zip(sinks, orders, strict=True))
        return *returned, None, None, None, None


def _gather(tensor: torch.Tensor, order: Order) -> torch.Tensor:
    """Lay out a tensor of shape (tokens, heads, size) as (places, size)."""
    tokens, heads, size = tensor.shape
    vectors = tensor.new_empty(tokens + 1, heads, size)
    vectors[:tokens] = tensor
    vectors[tokens] = 0
    return vectors.view(-1, size).index_select(0, order.gathered)


def _places(like: torch.Tensor) -> torch.Tensor:
    """Make room for results at the places of `like`, and for one vector of zeros after them."""
    places = like.new_empty(len(like) + 1, like.shape[1])
    places[-1] = 0
    return places


def _return(places: torch.Tensor, order: Order, like: torch.Tensor) -> torch.Tensor:
    """Undo `_gather`; `like` has the heads."""
    return places.index_select(0, order.returned).view(-1, *like.shape[1:])


def _by_group(places: torch.Tensor, grouping: Grouping, heads: int) -> list[torch.Tensor]:
    """Cut what `_gather` laid out into one tensor per group, of shape (sequences x heads, width or 1, size)."""
    vectors = [group.sequences * heads for group in grouping.groups]
    sizes = [count * group.width for count, group in zip(vectors, grouping.groups, strict=True)]
    if len(places) < sum(sizes):  # of first tokens alone
        sizes = vectors
    parts = places[: sum(sizes)].split(sizes)
    return [part.view(count, -1, part.shape[-1]) for part, count in zip(parts, vectors, strict=True)]
