"""Where the sequences of a packed row lie, and how they are grouped where attention is computed group by group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch


@dataclass(frozen=True)
class GroupCosts:
    """What a division into groups is worth on a kind of device.

    Attributes:
        group: each further group costs about as much time as this many query-key pairs.
        pairs: a group of several sequences has at most this many pairs.
    """

    group: int
    pairs: int


# Measured on two cores. A group with more pairs no longer fits into the processor's cache.
CPU_COSTS = GroupCosts(12_000, 2**18)
# On a GPU, a group costs the launching of some thirty kernels; the pairs are limited by memory alone.
GPU_COSTS = GroupCosts(1_000_000, 2**24)
# oneDNN compiles a program for each new shape: widths that recur are faster than exact widths.
_WIDTH_MULTIPLE = 8


@dataclass(frozen=True)
class Group:
    """Sequences of similar length that are multiplied as one batch.

    Attributes:
        sequences: number of sequences in the group.
        width: number of tokens of the longest sequence, rounded up.
        beyond: True at positions after a sequence's end; bool, shape (sequences, 1, 1, width). None if no position is.
    """

    sequences: int
    width: int
    beyond: torch.Tensor | None

    def masked(self, window: int | None, device: torch.device, *, firsts_only: bool) -> torch.Tensor | None:
        """Return which keys a query does not attend to; bool, broadcast over (sequences, heads, queries, width).

        Args:
            window: a token attends to those less than this many positions away; None for all of its sequence.
            firsts_only: whether the first token of each sequence is the only query.
            device: where the mask is needed.
        """
        if window is None or window >= self.width:
            return self.beyond
        positions = torch.arange(self.width, device=device)
        far = (positions[: 1 if firsts_only else self.width, None] - positions).abs() >= window
        if self.beyond is None:
            return far
        masked = far | self.beyond
        # Queries after a sequence's end mean nothing, but a query without any key would give NaN.
        return masked if firsts_only else masked & ~self.beyond.transpose(-1, -2)


@dataclass(frozen=True)
class Order:
    """Index tensors that bring vectors into the order of the groups and back.

    Vectors are numbered token by token and, within a token, head by head.

    Attributes:
        gathered: for each place of the grouped layout the number of the vector that stands there, int64. Places after a
            sequence's end point to a vector of zeros that is appended to the row.
        returned: for each vector its place in the grouped layout, int64, shape (tokens x heads,). Tokens that belong to
            no sequence point to a place of zeros that is appended to the layout.
    """

    gathered: torch.Tensor
    returned: torch.Tensor

    def to(self, device: torch.device) -> Order:
        """Return this order with its tensors on `device`."""
        return Order(to_device(self.gathered, device), to_device(self.returned, device))


@dataclass(frozen=True)
class Grouping:
    """All sequences of a row, divided into groups.

    Attributes:
        groups: the groups in the order of the layout; within a group, vectors are ordered by sequence, head and
            position.
        tokens: the order of the vectors of all tokens.
        firsts: the order of the vectors of the first token of each sequence.
    """

    groups: tuple[Group, ...]
    tokens: Order
    firsts: Order

    def to(self, device: torch.device) -> Grouping:
        """Return this grouping with its tensors on `device`."""
        groups = (
            group if group.beyond is None else replace(group, beyond=to_device(group.beyond, device))
            for group in self.groups
        )
        return Grouping(tuple(groups), self.tokens.to(device), self.firsts.to(device))


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a packed row lie.

    Attributes:
        offsets: the start of each sequence and, as last element, the end of the last sequence; int32,
            shape (sequences + 1,).
        max_length: number of tokens of the longest sequence.
        lengths: number of tokens of each sequence, shape (sequences,).
        tokens: number of tokens of the row; tokens after the last sequence belong to no sequence.
    """

    offsets: torch.Tensor
    max_length: int
    lengths: np.ndarray
    tokens: int
    _groupings: dict[int, Grouping] = field(default_factory=dict, compare=False, repr=False)

    def to(self, device: torch.device) -> Layout:
        """Return this layout with its offsets on `device`."""
        if device.type == self.offsets.device.type == "cpu":
            return self
        return replace(self, offsets=to_device(self.offsets, device), _groupings={})

    def grouped(self, heads: int) -> Grouping:
        """Return the groups in which attention with this many heads is computed. They are made once, and kept."""
        if heads not in self._groupings:
            device = self.offsets.device
            costs = CPU_COSTS if device.type == "cpu" else GPU_COSTS
            self._groupings[heads] = _make_grouping(self.lengths, self.tokens, heads, costs).to(device)
        return self._groupings[heads]


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to a device; to a GPU from pinned memory, so that the copy runs in the background."""
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)


def make_layout(lengths: np.ndarray, tokens: int, heads: int | None) -> Layout:
    """Return the layout of a row that holds sequences of these lengths in this order.

    Args:
        lengths: number of tokens of each sequence, shape (sequences,).
        tokens: number of tokens of the row; tokens after the last sequence belong to no sequence.
        heads: number of attention heads if the groups are needed for sure (on CPUs), so that they are made at once.
    """
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    layout = Layout(torch.from_numpy(offsets), int(lengths.max(initial=0)), lengths, tokens)
    if heads is not None:
        layout.grouped(heads)
    return layout


def _make_grouping(lengths: np.ndarray, tokens: int, heads: int, costs: GroupCosts) -> Grouping:
    starts = np.cumsum(lengths) - lengths
    groups, gathered, divided = [], [], group_by_length(lengths, costs)
    for members in divided:
        width = int(lengths[members].max())
        if len(members) > 1:
            width += -width % _WIDTH_MULTIPLE
        positions = np.arange(width)
        inside = positions < lengths[members][:, None]
        rows = np.where(inside, starts[members][:, None] + positions, tokens)
        gathered.append((rows[:, None, :] * heads + np.arange(heads)[:, None]).reshape(-1))
        beyond = None if inside.all() else torch.from_numpy(~inside)[:, None, None, :]
        groups.append(Group(len(members), width, beyond))
    firsts = (np.concatenate(divided)[:, None] * heads + np.arange(heads)).reshape(-1)
    return Grouping(
        tuple(groups), _order(np.concatenate(gathered), tokens * heads), _order(firsts, len(lengths) * heads)
    )


def _order(gathered: np.ndarray, vectors: int) -> Order:
    # Several places may point to the appended vector of zeros; its own entry in `returned` is never read.
    returned = np.full(max(vectors, int(gathered.max()) + 1), len(gathered))
    returned[gathered] = np.arange(len(gathered))
    return Order(torch.from_numpy(gathered), torch.from_numpy(returned[:vectors]))


def group_by_length(lengths: np.ndarray, costs: GroupCosts = CPU_COSTS) -> list[np.ndarray]:
    """Divide sequences into groups so that the computed query-key pairs plus a fixed cost per group are minimal.

    Each sequence of a group is computed at the length of the group's longest. Sorted by length, the best division is
    found by dynamic programming over the end of the last group.

    Args:
        lengths: number of tokens of each sequence, shape (sequences,).
        costs: what a further group costs, and how large a group may be.

    Returns:
        The indices of each group's members, longest first.
    """
    order = np.argsort(-lengths, kind="stable")
    sorted_lengths = lengths[order]
    # best[i] is the lowest cost of the first i sequences; the last group of that division starts at start[i].
    best, start = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.int64)
    for end in range(1, len(order) + 1):
        first = np.arange(end)
        pairs = (end - first) * sorted_lengths[:end] ** 2
        pairs = np.where((pairs > costs.pairs) & (end - first > 1), np.inf, pairs)
        totals = best[:end] + pairs + costs.group
        start[end] = int(totals.argmin())
        best[end] = totals[start[end]]
    groups, end = [], len(order)
    while end:
        groups.append(order[start[end] : end])
        end = int(start[end])
    return groups[::-1]
