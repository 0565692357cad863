"""Bringing the vectors of a packed row into the order of its groups, and back."""

from __future__ import annotations

import torch

from .packed_layout import Grouping, Order


def gather(tensor: torch.Tensor, order: Order) -> torch.Tensor:
    """Bring a tensor of shape (tokens, heads, size) into the order of the groups, shape (places, size)."""
    tokens, heads, size = tensor.shape
    vectors = tensor.new_empty(tokens + 1, heads, size)
    vectors[:tokens] = tensor
    vectors[tokens] = 0
    return vectors.view(-1, size).index_select(0, order.gathered)


def by_group(places: torch.Tensor, grouping: Grouping, heads: int) -> list[torch.Tensor]:
    """Split the output of `gather` into one tensor per group, shape (sequences x heads, width, size).

    The width is 1 if `places` holds the first tokens alone.
    """
    vectors = [group.sequences * heads for group in grouping.groups]
    sizes = [count * group.width for count, group in zip(vectors, grouping.groups, strict=True)]
    if len(places) < sum(sizes):  # These are first tokens alone: one place per sequence and head.
        sizes = vectors
    parts = places[: sum(sizes)].split(sizes)
    return [part.view(count, -1, part.shape[-1]) for part, count in zip(parts, vectors, strict=True)]


def places_for(like: torch.Tensor) -> torch.Tensor:
    """Allocate results for all places of `like`, followed by one vector of zeros (see `Order.returned`)."""
    places = like.new_empty(len(like) + 1, like.shape[1])
    places[-1] = 0
    return places


def places_of(parts: list[torch.Tensor]) -> torch.Tensor:
    """Join the results of all groups, followed by one vector of zeros (see `Order.returned`)."""
    return torch.cat([*parts, parts[0].new_zeros(1, parts[0].shape[-1])])


def return_to_row(places: torch.Tensor, order: Order, tokens: int, heads: int) -> torch.Tensor:
    """Undo `gather`: bring (places, size) back to (tokens, heads, size)."""
    return places.index_select(0, order.returned).view(tokens, heads, places.shape[-1])
