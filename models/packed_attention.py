"""Attention over sequences that lie one after the other in one row, none of which attends to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .fused_attention import Attending, attend
from .grouped_rows import by_group, gather, places_for, return_to_row
from .kernels import Kernels
from .packed_layout import Layout

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
        NotImplementedError: there is a mask or no layout.
    """
    if layout is None or attention_mask is not None or len(query) != 1:
        raise NotImplementedError("this attention is for packed rows without masks")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    passed = full_sequence.take() if full_sequence is not None else None
    if passed is not None:
        key, value = (tensor.unflatten(-1, (key.shape[1], -1)).transpose(1, 2) for tensor in passed)
    # Rotary positions may have made float32 of queries and keys, where autocast gives attention one number format.
    queries, keys, values = (tensor[0].transpose(0, 1).to(value.dtype) for tensor in (query, key, value))
    how = Attending(layout, dropout, scale, sliding_window, firsts_only=passed is not None)
    if query.device.type == "cpu":
        output: Any = _Attention.apply(queries * scale, keys, values, how, kernels or Kernels(fused=False))
    else:
        output = attend(queries, keys, values, how)
    return output.unsqueeze(0), None


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
        how: Attending,
        kernels: Kernels,
    ) -> torch.Tensor:
        ctx.how, ctx.kernels = how, kernels
        grouping, rate = how.layout.grouped(query.shape[1]), how.dropout
        queried = grouping.firsts if how.firsts_only else grouping.tokens
        saved: list[torch.Tensor] = []
        # Inputs have the number format of autocast already; inside, every operation keeps it.
        with torch.autocast(query.device.type, enabled=False):
            sources = gather(query, queried), gather(key, grouping.tokens), gather(value, grouping.tokens)
            results = places_for(sources[0])
            parts = (by_group(tensor, grouping, query.shape[1]) for tensor in (*sources, results))
            for group, queries, keys, values, result in zip(grouping.groups, *parts, strict=True):
                scores = torch.bmm(queries, keys.transpose(1, 2))
                masked = group.masked(how.window, query.device, firsts_only=how.firsts_only)
                if masked is not None:
                    scores.view(group.sequences, -1, *scores.shape[1:]).masked_fill_(masked, -torch.inf)
                signed = dropped = torch.softmax(scores, -1)
                if rate:
                    signed, dropped = kernels.drop_probabilities(signed, kernels.noise(signed.numel(), rate))
                torch.bmm(dropped, values, out=result)
                saved.append(signed)
            output = return_to_row(results, queried, *query.shape[:2])
            if rate:
                output.mul_(1 / (1 - rate))
        ctx.save_for_backward(output, *sources, *saved)
        return output

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        how, kernels = ctx.how, ctx.kernels
        output, query, key, value, *saved = ctx.saved_tensors
        grouping, rate = how.layout.grouped(output.shape[1]), how.dropout
        tokens, queried = grouping.tokens, grouping.firsts if how.firsts_only else grouping.tokens
        delta = (grads[0] * output).sum(-1, keepdim=True, dtype=torch.float32)
        gradient = grads[0] * (1 / (1 - rate)) if rate else grads[0]
        sources = query, key, value, gather(gradient, queried), gather(delta, queried)
        sinks = places_for(query), places_for(key), places_for(value)
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
        query_gradient = return_to_row(sinks[0], queried, *output.shape[:2])
        others = (return_to_row(sink, tokens, how.layout.tokens, output.shape[1]) for sink in sinks[1:])
        return query_gradient, *others, None, None
