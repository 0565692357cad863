"""Read BioC files, XML and JSON, with the package `bioc`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .annotated import Document, Mention, Origin, Relation, checked_mention, paragraphs
from .json_files import check_text, read_json

_XML = (b"<", b"\xff\xfe<", b"\xfe\xff\x00<")  # how XML begins in UTF-8 and in UTF-16
_ID = re.compile(r'<id>([^<]*)</id>|"id"\s*:\s*"?([^",}]*)')


def read_bioc(path: Path) -> Iterator[Document]:
    """Yield the documents of a BioC file: XML if its content begins with `<`, else JSON.

    A passage, or a sentence where passages consist of sentences, becomes a passage of the document.

    Raises:
        RequestError: the file is not BioC, or an annotation does not fit its passage. The message names document and
            annotation, and the line where the document's id stands.
    """
    lines = _lines_of_ids(path)
    for origin, source in _load(path):
        key = str(source.id)
        where = f"{path}:{lines.get(key, 1)}: document {key}"
        with _refusing(where):
            document = _document(source, key, where)
        yield replace(document, origin=origin)


def _load(path: Path) -> Iterator[tuple[Origin, Any]]:
    from bioc import biocjson, biocxml

    with path.open("rb") as handle:
        is_xml = handle.read(256).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(_XML)
    if not is_xml:
        content = read_json(path)
        with _refusing(str(path)):
            documents = [biocjson.fromJSON(item, "BioCDocument") for item in content["documents"]]
            head = {name: content.get(name) for name in ("source", "date", "key")}
            origin = _origin(infons=content.get("infons"), **head)
        yield from ((origin, document) for document in documents)
        return
    with _refusing(str(path)):
        # One document at a time, so that memory does not grow with the file.
        with biocxml.iterparse(str(path)) as reader:
            info = reader.get_collection_info()
            origin = _origin(info.source, info.date, info.key, info.infons)
            yield from ((origin, document) for document in reader)


def _origin(source: Any, date: Any, key: Any, infons: Any) -> Origin:
    return Origin(str(source or ""), str(date or ""), str(key or ""), _texts(infons or {}))


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    """Turn the errors that content of another form causes into one that a user understands."""
    from lxml import etree  # type: ignore[attr-defined]  # it is written in C

    try:
        yield
    except etree.XMLSyntaxError as error:
        raise RequestError(
            f"{where}:{error.lineno}: not XML ({error.msg}); the file may be cut short, get it again"
        ) from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # The package does not check a file; what is missing or of another type shows as one of these.
        field = f" {error.args[0]!r}" if isinstance(error, KeyError) and error.args else ""
        raise RequestError(
            f"{where}: not what a BioC file holds: a field{field} is missing or of another type; check that it is one"
        ) from error


def _document(source: Any, key: str, where: str) -> Document:
    text, parts, mentions, relations = "", [], [], list(source.relations)
    units: list[Any] = []
    check_text(key)
    taken = [*source.annotations] if source.annotations else []
    if taken:
        raise RequestError(
            f"{where}: annotation {taken[0].id} stands outside of the passages; move it into the passage of its text"
        )
    for passage in source.passages:
        relations += passage.relations
        # A passage of sentences may repeat their text; the sentences are used then.
        for unit in passage.sentences or [passage]:
            begin = len(text) + 1 if text else 0
            text = f"{text}\n{unit.text or ''}" if text else unit.text or ""
            parts.append((begin, len(text)))
            units.append(unit)
            relations += unit.relations if unit is not passage else []
            for annotation in unit.annotations:
                mentions.append(_mention(annotation, unit.offset, unit.text or "", begin, where))
        if passage.sentences and passage.annotations:
            raise RequestError(
                f"{where}: annotation {passage.annotations[0].id} stands in a passage that consists of sentences; move "
                "it into its sentence"
            )
    mentions.sort(key=lambda mention: (mention.start, -mention.end))
    found = tuple(_relation(item, where) for item in relations if len(item.nodes) == 2)
    known = Counter(mention.key for mention in mentions)
    for relation in found:
        for argument in (relation.first, relation.second):
            if (count := known[argument]) != 1:
                what = "is not among the annotations" if not count else f"is the id of {count} annotations"
                raise RequestError(f"{relation.where}: it names {argument}, which {what}; correct it")
    offsets, infons = tuple(unit.offset for unit in units), tuple(_texts(unit.infons or {}) for unit in units)
    about = _texts(source.infons or {})
    return Document(key, text, where, tuple(mentions), found, tuple(parts), offsets, infons, about)


def _texts(infons: Mapping[Any, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in infons.items()}


def _mention(annotation: Any, offset: int, text: str, begin: int, where: str) -> Mention:
    """Return a mention, placed in the text of the document.

    Args:
        annotation: the annotation.
        offset: where its passage begins in the source.
        text: the text of its passage.
        begin: where its passage begins in the text of the document.
        where: the document's place, for messages.
    """
    kind = str(annotation.infons.get("type") or "")
    here = f"{where}, annotation {annotation.id}"
    if not kind.strip():
        raise RequestError(f"{here}: no infon `type` says what it is; add it")
    count = len(annotation.locations)
    if not count:
        raise RequestError(f"{here}: {kind} has no location; correct it or leave it out")
    for location in annotation.locations:
        start = location.offset - offset
        if start < 0:
            raise RequestError(f"{here}: its offset {location.offset} lies before its passage; correct it")
        inside = Mention(str(annotation.id), kind, start, start + location.length, here)
        checked_mention(inside, text, annotation.text if count == 1 else None)
    first = min(location.offset for location in annotation.locations) - offset
    last = max(location.offset + location.length for location in annotation.locations) - offset
    return Mention(str(annotation.id), kind, first + begin, last + begin, here, pieces=count)


def _relation(item: Any, where: str) -> Relation:
    kind = str(item.infons.get("type") or "")
    here = f"{where}, relation {item.id}"
    if not kind.strip():
        raise RequestError(f"{here}: no infon `type` says what it is; add it")
    return Relation(kind, str(item.nodes[0].refid), str(item.nodes[1].refid), here)


def _lines_of_ids(path: Path) -> dict[str, int]:
    """Return id -> number of the line where it stands first.

    Raises:
        RequestError: the file cannot be read, or is packed.
    """
    if path.suffix == ".gz":
        raise RequestError(f"{path}: BioC files are read unpacked; unpack it with gunzip")
    found: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as handle:
            for number, line in enumerate(handle, start=1):
                for match in _ID.finditer(line):
                    found.setdefault((match[1] or match[2] or "").strip(), number)
    except OSError as error:
        raise RequestError(f"{path}: the file cannot be read ({error.strerror})") from error
    return found


def bioc_document(document: Document) -> Any:
    """Return a document as an object of the package `bioc`, with its passages, mentions and relations.

    Offsets are those of the source, if it was a BioC file, so that the mentions can be merged with it.
    """
    from bioc import BioCAnnotation, BioCDocument, BioCLocation, BioCNode, BioCPassage, BioCRelation

    made: Any = BioCDocument()
    made.id = document.key
    made.infons.update(document.about)
    for number, (start, end) in enumerate(document.passages or tuple(paragraphs(document))):
        passage: Any = BioCPassage()
        passage.offset = document.offsets[number] if document.offsets else start
        passage.text = document.text[start:end]
        if document.infons:
            passage.infons.update(document.infons[number])
        for mention in document.mentions:
            if start <= mention.start and mention.end <= end:
                annotation: Any = BioCAnnotation()
                annotation.id, annotation.text = mention.key, document.text[mention.start : mention.end]
                annotation.infons["type"] = mention.kind
                place = passage.offset + mention.start - start
                annotation.add_location(BioCLocation(place, mention.end - mention.start))
                passage.add_annotation(annotation)
        made.add_passage(passage)
    for number, relation in enumerate(document.relations, start=1):
        item: Any = BioCRelation()
        item.id = f"R{number}"
        item.infons["type"] = relation.kind
        for key, role in ((relation.first, "Arg1"), (relation.second, "Arg2")):
            item.add_node(BioCNode(key, role))
        made.add_relation(item)
    return made


def bioc_json(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the parts of a BioC JSON file, one document at a time."""
    from bioc import biocjson

    origin, documents = _with_origin(documents)
    yield json.dumps(asdict(origin)).removesuffix("}") + ', "documents": ['
    for number, document in enumerate(documents):
        yield (", " if number else "") + json.dumps(biocjson.toJSON(bioc_document(document)))
    yield "]}\n"


def _with_origin(documents: Iterable[Document]) -> tuple[Origin, Iterator[Document]]:
    """Return the origin of the first document, and all documents."""
    iterator = iter(documents)
    first = next(iterator, None)
    return (Origin(), iterator) if first is None else (first.origin, chain([first], iterator))


def bioc_xml(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the parts of a BioC XML file, one document at a time."""
    from bioc import BioCCollection
    from bioc.biocxml.encoder import encode_collection, encode_document
    from lxml import etree  # type: ignore[attr-defined]  # it is written in C

    origin, documents = _with_origin(documents)
    made: Any = BioCCollection()
    made.source, made.date, made.key = origin.source, origin.date, origin.key
    made.infons.update(origin.infons)
    head = etree.tostring(encode_collection(made), encoding="unicode").removesuffix("</collection>")
    yield f"<?xml version='1.0' encoding='utf-8'?>\n{head}\n"
    for document in documents:
        yield etree.tostring(encode_document(bioc_document(document)), encoding="unicode") + "\n"
    yield "</collection>\n"
