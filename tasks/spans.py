"""Entities in the labels of a sentence."""

from __future__ import annotations

from collections.abc import Sequence


def group_tags(tags: Sequence[str], *, join: bool) -> list[tuple[str, int, int]]:
    """Return (type, first word, word after the last one) of each entity.

    An `I` tag that does not continue an entity of its type begins one, as in conlleval.

    Args:
        tags: the label of each word.
        join: whether neighbouring words of one class are one entity whatever their prefix.
    """
    groups: list[tuple[str, int, int]] = []
    previous = "O"
    for index, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        continues = previous.partition("-")[2] == kind and (prefix == "I" or join)
        if tag != "O" and continues and previous != "O":
            groups[-1] = (kind, groups[-1][1], index + 1)
        elif tag != "O":
            groups.append((kind, index, index + 1))
        previous = tag
    return groups
