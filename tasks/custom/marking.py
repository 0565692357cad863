"""Marking the two mentions of a relation in their text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...corpora.annotated import Mention

MARKS = ("markers", "masks")  # see `mark`


def mark(text: str, part: tuple[int, int], first: Sequence[Mention], second: Sequence[Mention], marks: str) -> str:
    """Return a part of a text in which two arguments are marked.

    `masks` replace a mention by its type, such as `@DISEASE$` (as BLURB does). `markers` keep it and put its type
    before it, the first argument as `@ * disease * cancer @` and the second one as `# ^ gene ^ BRCA1 #` (the typed
    entity markers with punctuation of Zhou and Chen 2022, which need no new tokens). Of overlapping mentions of both
    arguments, markers may be one inside of the other, and masks stand side by side. Of those of one argument, the first
    is marked.

    Args:
        text: the whole text.
        part: start and end of the part.
        first: the mentions of the first argument.
        second: the mentions of the second argument.
        marks: `markers` or `masks`.
    """
    arguments = (_apart(first), _apart(second))
    return (_masked if marks == "masks" else _with_markers)(text, part, *arguments)


def _apart(mentions: Sequence[Mention]) -> list[Mention]:
    """Return mentions in the order of the text, without those that overlap with an earlier one."""
    found: list[Mention] = []
    for mention in sorted(mentions, key=lambda mention: mention.start):
        if not found or mention.start >= found[-1].end:
            found.append(mention)
    return found


def _masked(text: str, part: tuple[int, int], first: Sequence[Mention], second: Sequence[Mention]) -> str:
    pieces, position = [], part[0]
    for mention in sorted([*first, *second], key=lambda mention: mention.start):
        kind = re.sub(r"[^A-Z]+", "-", mention.kind.upper()).strip("-") or "ENTITY"
        pieces += [text[position : mention.start] if mention.start >= position else " ", f"@{kind}$"]
        position = max(position, mention.end)
    return "".join([*pieces, text[position : part[1]]])


def _with_markers(text: str, part: tuple[int, int], first: Sequence[Mention], second: Sequence[Mention]) -> str:
    # Where several markers meet, those that end come before those that begin, and the longer mention is outside.
    inserted: list[tuple[int, bool, int, int, str]] = []
    for number, (mentions, outer, inner) in enumerate(((first, "@", "*"), (second, "#", "^"))):
        for mention in mentions:
            size, kind = mention.end - mention.start, mention.kind.lower().replace("_", " ")
            inserted.append((mention.start, True, -size, number, f"{outer} {inner} {kind} {inner} "))
            inserted.append((mention.end, False, size, -number, f" {outer}"))
    pieces, position = [], part[0]
    for place, *_, marker in sorted(inserted):
        pieces += [text[position:place], marker]
        position = place
    return "".join([*pieces, text[position : part[1]]])
