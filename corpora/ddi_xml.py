"""DDI from the DDIextraction 2013 archive and BLURB's file lists."""

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
_MAX_ARCHIVE, _MAX_DOCUMENT = 200_000_000, 1_000_000  # bytes, unpacked; the real ones have a tenth
_MAX_SENTENCE = 10_000  # characters; it is written out once for each pair of drugs in it


def ddi_xml_format(labels: tuple[str, ...], negative: str) -> Format:
    """The challenge's XML archive, split by BLURB's lists `{train,dev,test}_files.tsv`."""
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
        # Gzip cannot seek back, and the lists are in another order than the archive: each file is read once.
        wanted = {f"DDIextraction_2013/{name}" for _, name in members}
        with gzip.open(archive) as unpacked:
            count = at_most(
                _MAX_ARCHIVE, RequestError(f"{archive}: unpacks to more than {_MAX_ARCHIVE} bytes; refused")
            )
            bounded: Any = SimpleNamespace(read=lambda size: count(unpacked.read(size)))
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                documents = {
                    member.name: _document(tar, member) for member in tar if member.isfile() and member.name in wanted
                }
    # ValueError: numbers in a header that are none.
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise RequestError(f"{archive}: not a whole tar.gz archive ({error}); get it again") from error
    for number, name in members:
        content = documents.get(f"DDIextraction_2013/{name}")
        if content is None:
            raise RequestError(f"{listing}:{number}: {name} is not in {archive}")
        yield from _pairs(f"{archive}!{name}", content, labels, negative)


def _document(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _MAX_DOCUMENT:
        raise RequestError(f"{member.name}: {member.size} bytes in the archive, more than {_MAX_DOCUMENT}; refused")
    handle = tar.extractfile(member)
    return b"" if handle is None else handle.read()


def _pairs(where: str, content: bytes, labels: tuple[str, ...], negative: str) -> Iterator[Row]:
    try:
        # The parser resolves no external entities, and expat stops entity expansion bombs.
        root = ElementTree.fromstring(content)  # noqa: S314
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter two: of an unknown encoding
        raise RequestError(f"{where}: not well-formed XML ({error})") from error
    for sentence in root.iter("sentence"):
        if len(sentence.get("text", "")) > _MAX_SENTENCE:
            raise RequestError(f"{where}: a sentence of more than {_MAX_SENTENCE} characters; refused")
        spans = {entity.get("id"): _span(where, entity.get("charOffset", "")) for entity in sentence.iter("entity")}
        for pair in sentence.iter("pair"):
            if not pair.get("id"):
                raise RequestError(f"{where}: a pair without an id")
            try:
                first, second = sorted((spans[pair.get("e1")], spans[pair.get("e2")]))
            except KeyError as error:
                raise RequestError(f"{where}: pair {pair.get('id')} names an unknown entity {error}") from error
            label = f"DDI-{pair.get('type')}" if pair.get("ddi") == "true" else negative
            masked = mask_pair(sentence.get("text", ""), first, second, "@DRUG$", "@DRUG-DRUG$")
            # A line break inside the text would break the table; BLURB's files have two spaces there.
            text = masked.replace("\r", " ").replace("\n", " ")
            yield {"id": pair.get("id"), "sentence": text, "label": check_label(where, 1, label, labels)}


def _span(where: str, offsets: str) -> tuple[int, int]:
    # "12-20" or, for a mention in parts, "12-20;30-34": from the first start to the last end, which is inclusive.
    try:
        parts = [part.split("-") for part in offsets.split(";")]
        return int(parts[0][0]), int(parts[-1][1]) + 1
    except (ValueError, IndexError) as error:
        raise RequestError(f"{where}: expected a charOffset like 12-20, found {offsets!r}") from error


def mask_pair(text: str, first: tuple[int, int], second: tuple[int, int], mask: str, joint: str) -> str:
    """Replace two spans (start, end; in text order) by `mask`, or by one `joint` where they overlap."""
    if second[0] < first[1]:
        return text[: first[0]] + joint + text[max(first[1], second[1]) :]
    return text[: first[0]] + mask + text[first[1] : second[0]] + mask + text[second[1] :]
