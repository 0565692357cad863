"""Ranks with ties: rows that cannot be told apart share a rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .rows import Row


def with_ranks(
    rows: Sequence[Row], score: Callable[[Row], float | None], behind: Callable[[Row, Row], bool]
) -> list[Row]:
    """Give ranks to the rows that have a score, and return all rows in the same order.

    The best row begins a group. A row joins the group of the row that began it, unless it is significantly behind that
    row; then it begins the next group. All rows of a group have the ranks from the first to the last of them.

    Args:
        rows: rows, best first.
        score: row -> the score by which rows are ranked; None without one.
        behind: (row, row that began the group) -> whether the first is significantly behind the second.
    """
    groups: list[list[Row]] = []
    for row in rows:
        if not row.ranked or score(row) is None:
            continue
        if groups and not behind(row, groups[-1][0]):
            groups[-1].append(row)
        else:
            groups.append([row])
    ranks: dict[str, tuple[int, int]] = {}
    first = 1
    for group in groups:
        ranks |= dict.fromkeys((row.key for row in group), (first, first + len(group) - 1))
        first += len(group)
    return [replace(row, rank=ranks.get(row.key)) for row in rows]
