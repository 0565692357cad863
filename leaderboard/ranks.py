"""Ranks with ties: how many rows a row is significantly behind, and how many are significantly behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .rows import Row
from .significance import ALPHA, holm

Pair = tuple[Row, Row]
# Of more rows than this, not each is compared with each other one.
MOST_ROWS, MOST_MEASURED = 60, 12


def with_ranks(
    rows: Sequence[Row], score: Callable[[Row], float | None], p_values: Callable[[Sequence[Pair]], Sequence[float]]
) -> list[Row]:
    """Give ranks to the rows that have a score, and return all rows in the same order.

    A row has the ranks from 1 + the number of rows that are significantly ahead of it to the number of all rows less
    those that are significantly behind it: it may be on any of them. Each row's p-values are corrected by Holm's method
    for the number of other rows, so that the ranks of a row are wrong with 5% at most.

    Of many rows, each is compared with the first row of a group instead, which it joins unless it is significantly
    behind that row; the rows of a group share its ranks.

    Args:
        rows: rows, best first.
        score: row -> the score by which rows are ranked; None without one.
        p_values: pairs of rows -> the p-value of each.
    """
    ranked = [row for row in rows if row.ranked and score(row) is not None]
    many = len(ranked) > MOST_ROWS or sum(bool(row.results) for row in ranked) > MOST_MEASURED
    ranks = _by_groups(ranked, p_values) if many else _by_pairs(ranked, score, p_values)
    return [replace(row, rank=ranks.get(row.key)) for row in rows]


def _by_pairs(
    rows: Sequence[Row], score: Callable[[Row], float | None], p_values: Callable[[Sequence[Pair]], Sequence[float]]
) -> dict[str, tuple[int, int]]:
    pairs = [(row, other) for number, row in enumerate(rows) for other in rows[number + 1 :]]
    of_row: dict[str, dict[str, float]] = {row.key: {} for row in rows}
    for (row, other), p in zip(pairs, p_values(pairs), strict=True):
        of_row[row.key][other.key] = of_row[other.key][row.key] = p
    places = {row.key: score(row) or 0.0 for row in rows}
    return {key: _ranks_of(key, holm(others), places) for key, others in of_row.items()}


def _ranks_of(key: str, corrected: Mapping[str, float], scores: Mapping[str, float]) -> tuple[int, int]:
    apart = [other for other, p in corrected.items() if p < ALPHA]
    ahead = sum(scores[other] > scores[key] for other in apart)
    behind = sum(scores[other] < scores[key] for other in apart)
    return 1 + ahead, len(scores) - behind


def _by_groups(
    rows: Sequence[Row], p_values: Callable[[Sequence[Pair]], Sequence[float]]
) -> dict[str, tuple[int, int]]:
    groups: list[list[Row]] = []
    against_leader: dict[str, float] = {}
    for number, row in enumerate(rows):
        if groups and against_leader[row.key] >= ALPHA:
            groups[-1].append(row)
            continue
        groups.append([row])
        # All rows behind it are compared with this leader at once, which shares the work of resampling.
        behind = rows[number + 1 :]
        found = p_values([(other, row) for other in behind])
        against_leader |= {other.key: p for other, p in zip(behind, found, strict=True)}
    ranks: dict[str, tuple[int, int]] = {}
    first = 1
    for group in groups:
        ranks |= dict.fromkeys((row.key for row in group), (first, first + len(group) - 1))
        first += len(group)
    return ranks
