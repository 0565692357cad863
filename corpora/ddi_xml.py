"""Read DDI from the DDIextraction 2013 archive and BLURB's file lists."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

from ..errors import RequestError
from .lines import at_most, read_lines
from .sources import Format, Found, Row, below
from .tables import check_label

_ARCHIVE = "DDIextraction_2013.tar.gz"
# Sizes in bytes after unpacking; they refuse archives that are made to fill the memory. The real archive has 9 MB, and
# its largest document 0.3 MB.
_MAX_ARCHIVE, _MAX_DOCUMENT = 200_000_000, 1_000_000
# Characters. Each pair of drugs gives a row with the whole sentence, so the output grows with length times pairs.
_MAX_SENTENCE = 10_000


def ddi_xml_format(labels: tuple[str, ...], negative: str) -> Format:
    """Return the format of the challenge's XML archive, which BLURB's `{train,dev,test}_files.tsv` split.

    Args:
        labels: the labels of the task.
        negative: the label of a pair of drugs without an interaction.
    """
    return Format("DDIextraction 2013 XML", _find, partial(_read, labels=labels, negative=negative))


def _find(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    archives = [path for path in files if path.name == _ARCHIVE and below(path, folders)]
    for split in ("train", "dev", "test"):
        lists = [path for path in files if path.name == f"{split}_files.tsv" and below(path, folders)]
        if archives and lists:
            yield split, (archives[0], lists[0])


def _read(files: tuple[Path, ...], split: str, labels: tuple[str, ...], negative: str) -> Iterator[Row]:
    archive, listing = files
    members = [(number, line.strip()) for number, line in read_lines(listing) if line.strip()]
    try:
        # The lists and the archive have different orders, and going back in a gzip stream means to decompress it again.
        # So one pass over the archive collects all documents of the split.
        wanted = {f"DDIextraction_2013/{name}" for _, name in members}
        with gzip.open(archive) as unpacked:
            count = at_most(
                _MAX_ARCHIVE,
                RequestError(
                    f"{archive}: the archive unpacks to more than {_MAX_ARCHIVE} bytes and is refused; "
                    "get the original file again"
                ),
            )
            # In stream mode ("r|"), `tarfile` calls nothing but `read`. All bytes are counted, not only those of the
            # documents, because the header of a member can be huge as well.
            bounded: Any = SimpleNamespace(read=lambda size: count(unpacked.read(size)))
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                documents = {
                    member.name: _document(tar, member) for member in tar if member.isfile() and member.name in wanted
                }
    # tarfile raises ValueError for a header field that should be a number and is not.
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise RequestError(f"{archive}: this is not a whole tar.gz archive ({error}); get the file again") from error
    for number, name in members:
        content = documents.get(f"DDIextraction_2013/{name}")
        if content is None:
            raise RequestError(
                f"{listing}:{number}: {name} is not in {archive}; check that the list belongs to this archive"
            )
        yield from _pairs(f"{archive}!{name}", content, labels, negative)


def _document(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _MAX_DOCUMENT:
        raise RequestError(
            f"{member.name}: the document in the archive has {member.size} bytes; more than {_MAX_DOCUMENT} are refused"
        )
    handle = tar.extractfile(member)
    return b"" if handle is None else handle.read()


def _pairs(where: str, content: bytes, labels: tuple[str, ...], negative: str) -> Iterator[Row]:
    """Yield one row per pair of drugs in a document; `where` names the document in error messages."""
    try:
        # The parser loads no external entities, and expat limits how far internal entities expand.
        root = ElementTree.fromstring(content)  # noqa: S314
    # LookupError and ValueError: the document declares an encoding that Python does not know or expat cannot read.
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise RequestError(f"{where}: not well-formed XML ({error}); get the archive again") from error
    for sentence in root.iter("sentence"):
        if len(sentence.get("text", "")) > _MAX_SENTENCE:
            raise RequestError(f"{where}: a sentence has more than {_MAX_SENTENCE} characters and is refused")
        spans = {entity.get("id"): _span(where, entity.get("charOffset", "")) for entity in sentence.iter("entity")}
        for pair in sentence.iter("pair"):
            if not pair.get("id"):
                raise RequestError(f"{where}: a pair has no id; get the archive again")
            try:
                # `mask_pair` expects text order, which e1 and e2 need not have.
                first, second = sorted((spans[pair.get("e1")], spans[pair.get("e2")]))
            except KeyError as error:
                raise RequestError(f"{where}: pair {pair.get('id')} names the unknown entity {error}") from error
            label = f"DDI-{pair.get('type')}" if pair.get("ddi") == "true" else negative
            masked = mask_pair(sentence.get("text", ""), first, second, "@DRUG$", "@DRUG-DRUG$")
            # Some texts hold CR LF, which would cut a line of a table in two. BLURB's files have two spaces there.
            text = masked.replace("\r", " ").replace("\n", " ")
            yield {"id": pair.get("id"), "sentence": text, "label": check_label(where, 1, label, labels)}


def _span(where: str, offsets: str) -> tuple[int, int]:
    """Return the start and the exclusive end of a mention, in characters."""
    # "12-20", or "12-20;30-34" for a mention in parts, which BLURB masks from the first start to the last end. The
    # ends in the file are inclusive.
    try:
        parts = [part.split("-") for part in offsets.split(";")]
        return int(parts[0][0]), int(parts[-1][1]) + 1
    except (ValueError, IndexError) as error:
        raise RequestError(
            f"{where}: expected a charOffset like 12-20, found {offsets!r}; get the archive again"
        ) from error


def mask_pair(text: str, first: tuple[int, int], second: tuple[int, int], mask: str, joint: str) -> str:
    """Return the text with the two mentions of a pair replaced by masks.

    Args:
        text: the sentence.
        first: start and exclusive end, in characters, of the mention that starts first.
        second: start and exclusive end of the other mention.
        mask: what replaces each mention.
        joint: the single mask that replaces both mentions when they overlap.
    """
    if second[0] < first[1]:
        return text[: first[0]] + joint + text[max(first[1], second[1]) :]
    return text[: first[0]] + mask + text[first[1] : second[0]] + mask + text[second[1] :]
