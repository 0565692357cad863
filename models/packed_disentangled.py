"""The disentangled attention of DeBERTa-v2 and v3 on packed rows: content and relative positions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from .grouped_rows import by_group, gather, places_of, return_to_row
from .packed_layout import Layout


@dataclass
class DisentangledRows:
    """The row that is being computed, for the attention layers of DeBERTa, to which its model passes nothing.

    Attributes:
        layout: where the sequences lie in the row.
    """

    layout: Layout | None = None


@contextmanager
def packed_disentangled_attention(base: torch.nn.Module) -> Iterator[DisentangledRows | None]:
    """Let the attention layers of a DeBERTa-v2 encoder work on packed rows while the block runs.

    DeBERTa's attention does not go through the attention interface of `transformers`: its scores have terms for
    relative positions. Its layers therefore get another `forward`, which computes the same within each sequence, and
    the encoder does not build the masks and positions of the whole row.

    Args:
        base: an encoder of `transformers`.

    Yields:
        Where the layout of each row has to be put; None if this is another architecture.

    Raises:
        NotImplementedError: this DeBERTa has a convolution or repeated last layers, which cross the ends of sequences.
    """
    from transformers.models.deberta_v2.modeling_deberta_v2 import DebertaV2Model, DisentangledSelfAttention

    if not isinstance(base, DebertaV2Model):
        yield None
        return
    encoder: Any = base.encoder
    if encoder.conv is not None or base.z_steps > 1:
        raise NotImplementedError("this DeBERTa is not packed")
    rows = DisentangledRows()
    layers = [module for module in base.modules() if isinstance(module, DisentangledSelfAttention)]
    changed: list[tuple[Any, str, Any]] = [(layer, "forward", _attention_of(layer, rows)) for layer in layers]
    # The layers below do not read these two, which would have the square of the row's length.
    changed += [
        (encoder, "get_attention_mask", lambda attention_mask: attention_mask),
        (encoder, "get_rel_pos", lambda hidden_states, query_states=None, relative_pos=None: None),
    ]
    with ExitStack() as undo:
        for owner, name, function in changed:
            setattr(owner, name, function)
            undo.callback(delattr, owner, name)  # The method of the class appears again.
        yield rows


def _attention_of(layer: Any, rows: DisentangledRows) -> Any:
    """Return the `forward` of an attention layer on packed rows."""

    def forward(
        hidden_states: torch.Tensor,
        attention_mask: Any,
        output_attentions: bool = False,
        query_states: Any = None,
        relative_pos: Any = None,
        rel_embeddings: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, None]:
        if rows.layout is None or len(hidden_states) != 1 or output_attentions:
            raise NotImplementedError("this attention is for packed rows")
        return _attend(layer, hidden_states, rel_embeddings, rows.layout), None

    return forward


def _attend(layer: Any, states: torch.Tensor, positions: torch.Tensor | None, layout: Layout) -> torch.Tensor:
    """Compute the attention of one layer, group by group.

    Args:
        layer: the attention layer, for its projections and settings.
        states: hidden states of the row, shape (1, tokens, hidden).
        positions: the embeddings of relative positions, shape (2 x span, hidden).
        layout: where the sequences lie.

    Returns:
        Shape (1, tokens, hidden).
    """
    heads = layer.num_attention_heads
    grouping = layout.grouped(heads)
    terms = 1 + sum(kind in layer.pos_att_type for kind in ("c2p", "p2c")) if layer.relative_attention else 1
    scale = (layer.attention_head_size * terms) ** -0.5
    projections = (layer.query_proj, layer.key_proj, layer.value_proj)
    by_token = (project(states)[0].unflatten(-1, (heads, -1)) for project in projections)
    sources = [gather(tensor, grouping.tokens) for tensor in by_token]
    relative = _Relative(layer, positions, layout.max_length + 7, heads) if layer.relative_attention else None
    results = []
    for group, query, key, value in zip(
        grouping.groups, *(by_group(tensor, grouping, heads) for tensor in sources), strict=True
    ):
        scores = torch.bmm(query, key.transpose(1, 2))
        if relative is not None:
            scores = scores + relative.scores(query, key)
        scores = scores * scale
        if group.beyond is not None:
            beyond = group.beyond.expand(-1, heads, -1, -1).reshape(-1, 1, group.width)
            scores = scores.masked_fill(beyond, torch.finfo(scores.dtype).min)
        probabilities = layer.dropout(functional.softmax(scores, dim=-1))
        results.append(torch.bmm(probabilities, value).flatten(0, 1))
    places = places_of(results)
    return return_to_row(places, grouping.tokens, states.shape[1], heads).flatten(1).unsqueeze(0)


class _Relative:
    """The terms of the scores that depend on relative positions.

    Args:
        layer: the attention layer.
        embeddings: the embeddings of relative positions, shape (2 x span, hidden).
        longest: number of tokens of the longest group.
        heads: number of attention heads.
    """

    def __init__(self, layer: Any, embeddings: torch.Tensor | None, longest: int, heads: int) -> None:
        from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

        assert embeddings is not None
        span = layer.pos_ebd_size
        size = embeddings.new_empty(longest, 1)
        position = build_relative_position(size, size, layer.position_buckets, layer.max_relative_positions)[0]
        self.to_position = (position + span).clamp(0, 2 * span - 1)  # query - key
        self.from_position = (span - position).clamp(0, 2 * span - 1)
        rows = layer.pos_dropout(embeddings)[: 2 * span]

        def projected(shared: Any, own: str) -> torch.Tensor:
            project = shared if layer.share_att_key else getattr(layer, own)
            return project(rows).unflatten(-1, (heads, -1)).transpose(0, 1)  # (heads, 2 x span, size)

        self.keys = projected(layer.key_proj, "pos_key_proj") if "c2p" in layer.pos_att_type else None
        self.queries = projected(layer.query_proj, "pos_query_proj") if "p2c" in layer.pos_att_type else None

    def scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor | float:
        """Return the terms for a group, shape (sequences x heads, width, width), not yet scaled."""
        width = query.shape[1]
        total: torch.Tensor | float = 0.0
        if self.keys is not None:
            index = self.to_position[:width, :width].expand(len(query), -1, -1)
            total = total + self._by_position(query, self.keys).gather(-1, index)
        if self.queries is not None:
            index = self.from_position[:width, :width].expand(len(key), -1, -1)
            total = total + self._by_position(key, self.queries).gather(-1, index).transpose(1, 2)
        return total

    @staticmethod
    def _by_position(vectors: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Return the products of vectors (sequences x heads, width, size) with all positions of their head."""
        by_head = vectors.unflatten(0, (-1, len(positions)))
        return torch.matmul(by_head, positions.transpose(1, 2)).flatten(0, 1)
