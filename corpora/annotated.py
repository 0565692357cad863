"""Documents with annotated mentions and relations, as BRAT, BioC and PubTator files hold them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..errors import RequestError

_SHOWN = 40  # characters of a text that a message quotes


@dataclass(frozen=True)
class Mention:
    """An annotated span of a document.

    Attributes:
        key: its id in the document, such as `T1`.
        kind: its type.
        start: its first character in the document's text, in code points.
        end: the character after its last one.
        where: the file and line of the annotation.
        concepts: the ids of the concepts that it names, in PubTator files; relations there refer to them.
        pieces: number of spans that it consists of; `start` and `end` are those of all of them together.
    """

    key: str
    kind: str
    start: int
    end: int
    where: str
    concepts: tuple[str, ...] = ()
    pieces: int = 1


@dataclass(frozen=True)
class Relation:
    """A relation between two mentions, or between two concepts.

    Attributes:
        kind: its type.
        first: key of the first mention, or a concept.
        second: key of the second mention, or a concept.
        where: the file and line of the annotation.
    """

    kind: str
    first: str
    second: str
    where: str


@dataclass(frozen=True)
class Origin:
    """What a BioC file says about all of its documents.

    Attributes:
        source: where they are from.
        date: when they were made.
        key: the file that explains its infons.
        infons: further facts.
    """

    source: str = "linkbert"
    date: str = ""
    key: str = ""
    infons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """An annotated document.

    Attributes:
        key: the document's id.
        text: its text.
        where: its file.
        mentions: its mentions in order of their position.
        relations: its relations.
        passages: start and end of its passages, where the format has them.
        offsets: where each passage begins in the source, if that is not its start here.
        infons: what the source says about each passage, if it does.
        about: what the source says about the document, if it does.
        origin: what its file says about all of its documents.
    """

    key: str
    text: str
    where: str
    mentions: tuple[Mention, ...]
    relations: tuple[Relation, ...] = ()
    passages: tuple[tuple[int, int], ...] = ()
    offsets: tuple[int, ...] = ()
    infons: tuple[Mapping[str, str], ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)


def checked_mention(mention: Mention, text: str, quoted: str | None) -> Mention:
    """Return a mention after comparing it with its document.

    Args:
        mention: the mention.
        text: the document's text.
        quoted: what the annotation says that the span holds; None if it does not say it.

    Raises:
        RequestError: the span lies outside the text, is empty or blank, or holds something else.
    """
    name = f"{mention.kind} {mention.key}".strip()
    if not 0 <= mention.start < mention.end:
        raise RequestError(f"{mention.where}: the span {mention.start} to {mention.end} of {name} is empty; correct it")
    if mention.end > len(text):
        raise RequestError(
            f"{mention.where}: the span {mention.start} to {mention.end} of {name} lies outside its text, which has "
            f"{len(text)} characters; check that text and annotation belong together"
        )
    found = text[mention.start : mention.end]
    if quoted is not None and " ".join(quoted.split()) != " ".join(found.split()):
        raise RequestError(
            f"{mention.where}: {name} should be {quoted[:_SHOWN]!r}, but its text has {found[:_SHOWN]!r} at "
            f"{mention.start} to {mention.end}; check that text and annotation belong together (spans count characters "
            "from 0, line ends included)"
        )
    if not found.strip():
        raise RequestError(
            f"{mention.where}: the span {mention.start} to {mention.end} of {name} holds only white space; correct it"
        )
    return mention


def without(document: Document, ignore: Collection[str]) -> Document:
    """Return a document without mentions and relations of some types, and without the relations of such mentions."""
    if not ignore:
        return document
    kept = tuple(mention for mention in document.mentions if mention.kind not in ignore)
    names = {name for mention in kept for name in (mention.key, *mention.concepts)}
    gone = {name for mention in document.mentions for name in (mention.key, *mention.concepts)} - names
    relations = tuple(
        item for item in document.relations if item.kind not in ignore and not {item.first, item.second} & gone
    )
    return replace(document, mentions=kept, relations=relations)


def require_one_piece(mention: Mention) -> None:
    """Make sure that a mention is one span.

    Raises:
        RequestError: it is discontinuous.
    """
    if mention.pieces > 1:
        raise RequestError(
            f"{mention.where}: {mention.kind} {mention.key} is discontinuous ({mention.pieces} spans), which neither "
            "tags on words nor marks can express; make it one span, or leave its type out with ignore = "
            f'["{mention.kind}"] in the task file'
        )


def paragraphs(document: Document, *, wrapped: bool = False) -> Iterator[tuple[int, int]]:
    """Yield start and end of the passages of a document, or of its lines; blank ones are left out.

    Neighbours are joined where a mention reaches from one into the other.

    Args:
        document: the document.
        wrapped: whether lines end in the middle of sentences; what is between blank lines is a passage then.
    """
    crossing = sorted((mention.start, mention.end) for mention in document.mentions)
    between = r"[^\n]+(\n[^\S\n]*[^\s][^\n]*)*" if wrapped else r"[^\n]+"
    parts = document.passages or tuple((m.start(), m.end()) for m in re.finditer(between, document.text))
    current: tuple[int, int] | None = None
    position = 0
    for start, end in parts:
        if current is None:
            current = (start, end)
        else:
            while position < len(crossing) and crossing[position][1] <= current[1]:
                position += 1
            if any(first < current[1] and after > start for first, after in crossing[position:]):
                current = (current[0], end)
            else:
                yield from _stripped(document.text, current)
                current = (start, end)
    if current is not None:
        yield from _stripped(document.text, current)


def _stripped(text: str, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    part = text[slice(*span)]
    if part.strip():
        start = span[0] + len(part) - len(part.lstrip())
        yield start, start + len(part.strip())
