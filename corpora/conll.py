"""Read token-per-line files with any number of columns: CoNLL and IOB files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RequestError
from .lines import read_lines

_MAX_TOKENS = 100_000  # tokens of one sentence
_TAG = re.compile(r"[Oo0]|[BIESLUMbieslum](-.+)?")  # of a word in any of the schemes
_PREFIXES = {"B": "B", "I": "I", "S": "B", "U": "B", "E": "I", "L": "I", "M": "I"}  # of BIO, BIOES, BILOU and BMES


@dataclass
class Sentence:
    """A sentence of a token-per-line file.

    Attributes:
        rows: the columns of each token.
        lines: the number of each token's line.
        document: number of the document, counted from 1 at each `-DOCSTART-`; 0 if the file has none.
        name: the name of the document, if its `-DOCSTART-` line has one.
    """

    document: int
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    name: str | None = None


def read_conll(path: Path, least: int = 2) -> Iterator[Sentence]:
    """Yield the sentences of a file, which blank lines separate.

    Columns are separated by tabs if the first token's line has one, else by spaces. Lines that begin with `#` are
    comments if they have another number of columns, or stand before a sentence and do not end with a tag.

    Args:
        path: the file.
        least: the smallest number of columns; 1 where words alone are read.

    Raises:
        RequestError: a line has another number of columns than the first one, or a sentence does not end.
    """
    tabs, expected = _layout(path)
    document, name = 0, None
    current = Sentence(document)
    for number, raw in read_lines(path):
        line = raw.removesuffix("\r")
        if line.startswith("-DOCSTART-"):
            if current.rows:
                yield current
            document, name = document + 1, _document_name(line)
            current = Sentence(document, name=name)
            continue
        if not line.strip():
            if current.rows:
                yield current
            current = Sentence(document, name=name)
            continue
        fields = _fields(line, tabs)
        if line.startswith("#"):
            # Where only words are read, the last column need not hold a tag.
            untagged = least > 1 and not current.rows and not _TAG.fullmatch(fields[-1])
            if untagged or len(fields) != expected:
                continue
        if len(fields) != expected or len(fields) < least:
            raise RequestError(
                f"{path}:{number}: expected {max(expected, least)} columns, separated by "
                f"{'tabs' if tabs else 'spaces'}, found {len(fields)}; correct the line"
            )
        current.rows.append([item.strip() for item in fields])
        current.lines.append(number)
        if len(current.rows) > _MAX_TOKENS:
            raise RequestError(
                f"{path}:{number}: a sentence of more than {_MAX_TOKENS} tokens; separate sentences by blank lines"
            )
    if current.rows:
        yield current


def _document_name(line: str) -> str | None:
    """Return what a `-DOCSTART-` line says beside the placeholders of the other columns."""
    words = [word for word in line.split()[1:] if not re.fullmatch(r"-.*-|[-_OoX]+", word)]
    return words[0].strip("()") if words else None


def word_column(sentence: Sentence) -> int:
    """Return which column holds the words where nobody says it.

    It is the second one if the first one counts them, as in CoNLL-U, else the first.
    """
    counted = [str(number) for number in range(1, len(sentence.rows) + 1)]
    return int(len(sentence.rows[0]) > 1 and [row[0] for row in sentence.rows] == counted)


def _layout(path: Path) -> tuple[bool, int]:
    """Return whether tabs separate the columns, and the number of columns of the first token."""
    lines = (raw.removesuffix("\r") for _, raw in read_lines(path))
    first = next((line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))), "")
    tabs = "\t" in first
    return tabs, len(_fields(first, tabs))


def _fields(line: str, tabs: bool) -> list[str]:
    # `str.split` without a separator would also cut at a no-break space, which belongs to its word.
    return line.split("\t") if tabs else re.split(r"[ \t]+", line.strip(" \t"))


def bio_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags of a sentence in the BIO scheme, from BIO (IOB2), IOB1, BIOES, BILOU or BMES.

    In IOB1, and wherever an `I` tag does not continue an entity of its type, it begins one. A tag without a type is of
    the type `Entity`.

    Raises:
        ValueError: a tag has an unknown prefix; the message names it, its position is `error.args[1]`.
    """
    found: list[str] = []
    previous = ""  # type of the entity that the next tag may continue
    for position, tag in enumerate(tags):
        if tag in ("O", "o", "0"):
            found.append("O")
            previous = ""
            continue
        prefix, dash, kind = tag.partition("-")
        if prefix.upper() not in _PREFIXES or (dash and not kind):
            raise ValueError(
                f"the tag {tag!r} is neither O nor a prefix (B, I, or E, S, L, U, M) and a type, as in B-Disease; "
                "check which column holds the tags",
                position,
            )
        kind = kind or "Entity"
        begins = _PREFIXES[prefix.upper()] == "B" or previous != kind
        found.append(f"{'B' if begins else 'I'}-{kind}")
        previous = "" if prefix.upper() in ("S", "U", "E", "L") else kind
    return found
