"""One document with its links."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes:
        id: its identifier, which links name.
        title: its title; empty if it has none.
        text: its text, without the title.
        links: identifiers of the documents to which it links, in the order of the text; some may be unknown, equal, or
            its own.
        deleted: whether the source only says that what was read of this identifier so far is no longer valid.
    """

    id: str
    title: str
    text: str
    links: tuple[str, ...]
    deleted: bool = False
