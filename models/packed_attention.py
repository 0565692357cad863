"""Attention over sequences that lie one after the other in one row, none of which attends to another."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch.nn import functional

from .kernels import Kernels
from .packed_layout import Grouping, Layout, Order

_VARLEN = "torch.nn.attention.varlen"
NAME = "linkbert_packed"  # the name under which transformers knows this attention function


@dataclass
class KeysAndValues:
    """Keys and values of all tokens, passed around a last layer that is given the first tokens alone.

    `first_tokens.narrowed_last_layer` fills it before the layer runs; `packed_attention` takes the tensors out again,
    so that they are freed with the layer's other activations.

    Attributes:
        key: shape (1, tokens, heads x size), or None where the layer computes all tokens itself.
        value: same shape as `key`, or None.
    """

    key: torch.Tensor | None = None
    value: torch.Tensor | None = None

    def take(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return both tensors and forget them; None if there are none."""
        key, value = self.key, self.value
        self.key = self.value = None
        return None if key is None or value is None else (key, value)


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
    full_sequence: KeysAndValues | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention within each sequence of a packed row. This is an attention function of `transformers`.

    Args:
        module: the attention layer (not used).
        query: shape (1, heads, tokens, size), or (1, heads, sequences, size) for the first tokens alone.
        key: shape (1, heads, tokens, size).
        value: same shape as `key`.
        attention_mask: must be None; the layout says which tokens belong together.
        dropout: probability with which an attention probability is dropped.
        scaling: factor of the scores; 1 / sqrt(size) if None.
        layout: where the sequences lie in the row.
        kernels: the elementwise passes for CPUs.
        full_sequence: holds keys and values of all tokens if `query` belongs to the first tokens alone.
        sliding_window: a token attends to those less than this many positions away; None for all of its sequence.

    Returns:
        The output of each query, shape (1, queries, heads, size), and None in place of the probabilities.

    Raises:
        NotImplementedError: there is a mask or no layout, or a window that this device cannot compute.
    """
    if layout is None or attention_mask is not None or len(query) != 1:
        raise NotImplementedError("this attention is for packed rows without masks")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    passed = full_sequence.take() if full_sequence is not None else None
    firsts_only = passed is not None
    if passed is not None:
        key, value = (tensor.unflatten(-1, (key.shape[1], -1)).transpose(1, 2) for tensor in passed)
    if query.device.type == "cpu":
        rows = (tensor[0].transpose(0, 1) for tensor in (query * scale, key, value))
        output: Any = _Attention.apply(
            *rows, layout.grouping, firsts_only, sliding_window, dropout, kernels or Kernels(fused=False)
        )
        return output.unsqueeze(0), None
    if flash_is_possible(query, dropout):
        return _flash_attention(query, key, value, layout, scale, sliding_window, firsts_only=firsts_only), None
    if sliding_window is not None and sliding_window <= layout.max_length:
        raise NotImplementedError("windows need half precision and no dropout of attention on this device")
    return _jagged_attention(query, key, value, layout, dropout, scale, firsts_only=firsts_only), None


def flash_is_possible(query: torch.Tensor, dropout: float) -> bool:
    """Return whether `torch.nn.attention.varlen` serves: torch 2.10 and later, half precision, and no dropout."""
    return dropout == 0 and query.dtype in (torch.float16, torch.bfloat16) and find_spec(_VARLEN) is not None


def _flash_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    scaling: float,
    window: int | None,
    *,
    firsts_only: bool,
) -> torch.Tensor:
    """Compute attention with PyTorch's Flash Attention for sequences of many lengths, without copies."""
    varlen: Any = import_module(_VARLEN)
    bounds = layout.offsets
    of_queries = torch.arange(len(bounds), dtype=torch.int32, device=bounds.device) if firsts_only else bounds
    rows = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    # A query of a first token alone is taken for the last one of its sequence only if a window asks for its position.
    if window is not None and firsts_only:
        raise NotImplementedError("windows of first tokens alone are not computed")
    size = (-1, -1) if window is None else (window - 1, window - 1)
    longest = 1 if firsts_only else layout.max_length
    output = varlen.varlen_attn(*rows, of_queries, bounds, longest, layout.max_length, scale=scaling, window_size=size)
    return output.unsqueeze(0)


def _jagged_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    dropout: float,
    scaling: float,
    *,
    firsts_only: bool = False,
) -> torch.Tensor:
    """Compute attention through jagged nested tensors, which are a prototype in PyTorch, but allow dropout."""
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
    """Softmax attention with dropout, computed group by group on a CPU.

    Queries are scaled already and have shape (queries, heads, size). The backward pass is written by hand so that one
    tensor per group (probabilities with the dropout mask as their sign) is kept instead of three.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        grouping: Grouping,
        firsts_only: bool,
        window: int | None,
        rate: float,
        kernels: Kernels,
    ) -> torch.Tensor:
        ctx.grouping, ctx.firsts_only, ctx.rate, ctx.kernels = grouping, firsts_only, rate, kernels
        queried = grouping.firsts if firsts_only else grouping.tokens
        saved: list[torch.Tensor] = []
        # Inputs have the number format of autocast already; inside, every operation keeps it.
        with torch.autocast(query.device.type, enabled=False):
            sources = gather(query, queried), gather(key, grouping.tokens), gather(value, grouping.tokens)
            results = _places(sources[0])
            parts = (by_group(tensor, grouping, query.shape[1]) for tensor in (*sources, results))
            for group, queries, keys, values, result in zip(grouping.groups, *parts, strict=True):
                scores = torch.bmm(queries, keys.transpose(1, 2))
                masked = group.masked(window, firsts_only=firsts_only)
                if masked is not None:
                    scores.view(group.sequences, -1, *scores.shape[1:]).masked_fill_(masked, -torch.inf)
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
        sources = query, key, value, gather(gradient, queried), gather(delta, queried)
        sinks = _places(query), _places(key), _places(value)
        parts = (by_group(tensor, grouping, output.shape[1]) for tensor in (*sources, *sinks))
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
        return *returned, None, None, None, None, None


def gather(tensor: torch.Tensor, order: Order) -> torch.Tensor:
    """Bring a tensor of shape (tokens, heads, size) into the order of the groups, shape (places, size)."""
    tokens, heads, size = tensor.shape
    vectors = tensor.new_empty(tokens + 1, heads, size)
    vectors[:tokens] = tensor
    vectors[tokens] = 0
    return vectors.view(-1, size).index_select(0, order.gathered)


def _places(like: torch.Tensor) -> torch.Tensor:
    """Allocate results for all places of `like`, followed by one vector of zeros (see `Order.returned`)."""
    places = like.new_empty(len(like) + 1, like.shape[1])
    places[-1] = 0
    return places


def places_of(parts: list[torch.Tensor]) -> torch.Tensor:
    """Join the results of all groups, followed by one vector of zeros (see `Order.returned`)."""
    return torch.cat([*parts, parts[0].new_zeros(1, parts[0].shape[-1])])


def return_to_row(places: torch.Tensor, order: Order, tokens: int, heads: int) -> torch.Tensor:
    """Bring (places, size) back to (tokens, heads x size)."""
    return places.index_select(0, order.returned).view(tokens, heads * places.shape[-1])


def _return(places: torch.Tensor, order: Order, like: torch.Tensor) -> torch.Tensor:
    """Undo `_gather`: bring (places, size) back to (tokens, heads, size), the shape of `like`."""
    return places.index_select(0, order.returned).view(-1, *like.shape[1:])


def by_group(places: torch.Tensor, grouping: Grouping, heads: int) -> list[torch.Tensor]:
    """Split the output of `_gather` into one tensor per group, shape (sequences x heads, width, size).

    The width is 1 if `places` holds the first tokens alone.
    """
    vectors = [group.sequences * heads for group in grouping.groups]
    sizes = [count * group.width for count, group in zip(vectors, grouping.groups, strict=True)]
    if len(places) < sum(sizes):  # These are first tokens alone: one place per sequence and head.
        sizes = vectors
    parts = places[: sum(sizes)].split(sizes)
    return [part.view(count, -1, part.shape[-1]) for part, count in zip(parts, vectors, strict=True)]
