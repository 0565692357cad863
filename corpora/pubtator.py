"""Read PubTator files: title, abstract, mentions and relations of PubMed articles, line by line."""

# The package `bioc` has a parser for this format. It is not used here: it strips the lines of a text, which shifts the
# positions of mentions, reads a mention without a concept as a relation, and prints what it cannot parse.

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RequestError
from .annotated import Document, Mention, Relation, checked_mention
from .lines import read_lines

_TEXT = re.compile(r"([^\t|]+)\|([ta])\|(.*)", re.DOTALL)
_NO_CONCEPT = ("", "-", "-1")
_MAX_DIGITS = 12  # of a position; Python refuses to read numbers of thousands of digits


@dataclass
class _Article:
    """The lines of one article so far."""

    key: str
    where: str
    title: str = ""
    abstract: str | None = None
    lines: list[tuple[str, list[str]]] = field(default_factory=list)

    def document(self) -> Document:
        text = self.title if self.abstract is None else f"{self.title} {self.abstract}"
        mentions, relations = [], []
        for where, fields in self.lines:
            if len(fields) >= 5 and _is_position(fields[1]) and _is_position(fields[2]):
                mentions.append(_mention(fields, where, len(mentions) + 1, text))
            elif len(fields) in (4, 5):
                relations.append(Relation(fields[1], fields[2], fields[3], where))
            else:
                raise RequestError(
                    f"{where}: expected a mention (PMID, start, end, text, type, concept) or a relation (PMID, type, "
                    f"concept, concept), separated by tabs; found {len(fields)} fields; correct the line"
                )
        mentions.sort(key=lambda mention: (mention.start, -mention.end))
        cut = len(self.title)
        passages = ((0, cut),) if self.abstract is None else ((0, cut), (cut + 1, len(text)))
        return Document(self.key, text, self.where, tuple(mentions), tuple(relations), passages)


def _is_position(field: str) -> bool:
    return field.isdecimal() and len(field) <= _MAX_DIGITS


def _mention(fields: list[str], where: str, number: int, text: str) -> Mention:
    if not fields[4].strip():
        raise RequestError(f"{where}: the mention {fields[3][:40]!r} has no type; add it")
    concepts = tuple(re.split(r"[|,;]", fields[5])) if len(fields) > 5 and fields[5] not in _NO_CONCEPT else ()
    mention = Mention(f"{fields[1]}-{fields[2]}-{number}", fields[4], int(fields[1]), int(fields[2]), where, concepts)
    return checked_mention(mention, text, fields[3])


def read_pubtator(path: Path) -> Iterator[Document]:
    """Yield the articles of a file, plain or gzipped.

    Raises:
        RequestError: a line is malformed, or a mention does not fit its text; the message names file and line.
    """
    article: _Article | None = None
    for number, raw in read_lines(path):
        line, where = raw.removesuffix("\r"), f"{path}:{number}"
        match = _TEXT.fullmatch(line)
        if match is not None and match[2] == "t":
            if article is not None:
                yield article.document()
            article = _Article(match[1], where, title=match[3])
        elif article is None:
            if line.strip():
                raise RequestError(f"{where}: expected a line PMID|t|TITLE, found {line[:60]!r}; correct the file")
        elif match is not None:
            if match[1] != article.key:
                raise RequestError(
                    f"{where}: an abstract of {match[1][:40]!r} below the title of {article.key!r}; correct the file"
                )
            if article.abstract is not None:
                raise RequestError(f"{where}: a second abstract of {article.key!r}; remove one of the two")
            article.abstract = match[3]
        elif line.strip():
            fields = line.split("\t")
            if fields[0] != article.key:
                raise RequestError(
                    f"{where}: an annotation of {fields[0][:40]!r} below the text of {article.key!r}; correct the line"
                )
            article.lines.append((where, fields))
    if article is not None:
        yield article.document()
