"""What other publications print for a difference of two models."""

from __future__ import annotations

from collections.abc import Mapping

from ..tasks.registry import TASKS
from .published import published_rows
from .rows import Row, published_board_rows


def other_sources(a: Row, b: Row) -> Mapping[str, Mapping[str, float]]:
    """Return what other publications print for the difference of the same two models."""
    rows = {row.name: row for row in published_rows()}
    found: dict[str, dict[str, float]] = {}
    for publication in dict.fromkeys(row.publication.name for row in published_rows()):
        if publication in (a.publication and a.publication.name, b.publication and b.publication.name):
            continue
        first, second = (rows.get(f"{row.model}@{publication}") for row in (a, b))
        if first is not None and second is not None:
            boards = [next(published_board_rows([row], tuple(TASKS))) for row in (first, second)]
            one, other = boards
            found[publication] = {
                name: one.means[name] - other.means[name] for name in one.means if name in other.means
            }
            if one.blurb is not None and other.blurb is not None:
                found[publication]["blurb"] = one.blurb - other.blurb
    return found
