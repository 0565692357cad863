"""Read folders of the annotation tool BRAT: a `.txt` file and an `.ann` file for each document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import RequestError
from ..files import atomic_write_text
from .annotated import Document, Mention, Relation, checked_mention
from .lines import MAX_LINE, read_lines

_SPAN = re.compile(r"(\S+) (\d{1,12}) (\d{1,12})((?:;\d{1,12} \d{1,12})*)")
_MORE = re.compile(r";(\d+) (\d+)")
_RELATION = re.compile(r"(\S+) [^\s:]+:(\S+) [^\s:]+:(\S+)")
_MAX_TEXT = 16 * MAX_LINE  # bytes of one document


def brat_files(folder: Path) -> list[Path]:
    """Return the texts of a BRAT folder and its subfolders, in a stable order."""
    return sorted(path for path in folder.rglob("*.txt") if path.is_file())


def read_brat(folder: Path, *, annotations: bool = True) -> Iterator[Document]:
    """Yield the documents of a folder, in the order of their names.

    Events, attributes and notes are left out.

    Args:
        folder: the folder.
        annotations: whether to read the annotations; without them, `.ann` files need not be there.

    Raises:
        RequestError: a text has no annotation file, or a line of it is malformed; the message names file and line.
    """
    texts = brat_files(folder)
    if not texts:
        raise RequestError(f"{folder}: no .txt file in this folder, which a BRAT folder has for each document")
    for path in texts:
        beside = path.with_suffix(".ann")
        key = path.relative_to(folder).with_suffix("").as_posix()
        if not annotations:
            yield Document(key, _read_text(path), str(path), ())
            continue
        if not beside.is_file():
            raise RequestError(
                f"{path}: its annotation file {beside.name} is missing; add it (an empty one if nothing is "
                "annotated), or move the text out of the folder"
            )
        yield read_brat_document(path, beside, key)


def read_brat_document(path: Path, annotations: Path, key: str) -> Document:
    """Read one text and its annotations.

    Args:
        path: the text.
        annotations: the `.ann` file.
        key: the document's id.

    Raises:
        RequestError: see `read_brat`.
    """
    text = _read_text(path)
    mentions, relations = [], []
    known: set[str] = set()
    lines = read_lines(annotations) if annotations.stat().st_size else ()
    for number, line in lines:
        where = f"{annotations}:{number}"
        if line.startswith("T"):
            mention = _mention(line.rstrip("\r"), where, text)
            if mention.key in known:
                raise RequestError(f"{where}: the id {mention.key} occurs twice; give each annotation its own id")
            known.add(mention.key)
            mentions.append(mention)
        elif line.startswith("R"):
            relations.append(_relation(line.rstrip("\r"), where))
        elif line.strip() and line[0] not in "EAMN#*":
            raise RequestError(f"{where}: not a line of a BRAT file: {line[:60]!r}; correct it")
    for relation in relations:
        for argument in (relation.first, relation.second):
            # The argument of a relation may be an event, which this reader leaves out.
            if argument not in known and not argument.startswith("E"):
                raise RequestError(f"{relation.where}: the relation names {argument}, which is not in the file")
    relations = [item for item in relations if {item.first, item.second} <= known]
    mentions.sort(key=lambda mention: (mention.start, -mention.end))
    return Document(key, text, str(path), tuple(mentions), tuple(relations))


def write_brat(folder: Path, document: Document) -> None:
    """Write the text and the annotations of a document into a BRAT folder, each file in one step.

    Raises:
        RequestError: the document's identifier names a place outside of the folder.
    """
    if not (folder / document.key).resolve().is_relative_to(folder.resolve()):
        raise RequestError(f"{document.where}: the id {document.key!r} would be a file outside of {folder}; change it")
    lines = []
    for mention in document.mentions:
        # A line end inside of a mention would end the line of the annotation.
        text = " ".join(document.text[mention.start : mention.end].splitlines())
        lines.append(f"{mention.key}\t{mention.kind} {mention.start} {mention.end}\t{text}\n")
    for number, relation in enumerate(document.relations, start=1):
        lines.append(f"R{number}\t{relation.kind} Arg1:{relation.first} Arg2:{relation.second}\n")
    atomic_write_text(folder / f"{document.key}.txt", document.text)
    atomic_write_text(folder / f"{document.key}.ann", "".join(lines))


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > _MAX_TEXT:
        raise RequestError(f"{path}: larger than {_MAX_TEXT} bytes, which no document is; check the file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RequestError(
            f"{path}:{line}: not UTF-8 (byte 0x{content[error.start]:02x}); convert the file to UTF-8"
        ) from error


def _mention(line: str, where: str, text: str) -> Mention:
    key, _, rest = line.partition("\t")
    span, tab, quoted = rest.partition("\t")
    match = _SPAN.fullmatch(span)
    if match is None:
        raise RequestError(
            f"{where}: expected `{key[:20]}<TAB>TYPE START END<TAB>TEXT`, found {line[:60]!r}; correct it"
        )
    kind, start, end, more = match.groups()
    places = [(int(start), int(end)), *((int(a), int(b)) for a, b in _MORE.findall(more))]
    pieces = [checked_mention(Mention(key, kind, *place, where), text, None) for place in places]
    if len(pieces) == 1:
        return checked_mention(pieces[0], text, quoted if tab else None)
    whole = min(piece.start for piece in pieces), max(piece.end for piece in pieces)
    return Mention(key, kind, *whole, where, pieces=len(pieces))


def _relation(line: str, where: str) -> Relation:
    _, _, rest = line.partition("\t")
    match = _RELATION.fullmatch(rest.strip())
    if match is None:
        raise RequestError(f"{where}: expected `R1<TAB>TYPE Arg1:T1 Arg2:T2`, found {line[:60]!r}; correct it")
    return Relation(match[1], match[2], match[3], where)
