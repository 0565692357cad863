"""Read BioC files, XML and JSON, with the package `bioc`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .annotated import Document, Mention, Relation, checked_mention, paragraphs

_LARGEST_GAP = 1000  # characters between two passages; with more, passages are put one after the other


def read_bioc(path: Path) -> Iterator[Document]:
    """Yield the documents of a BioC file: XML if its content begins with `<`, else JSON.

    A passage, or a sentence where passages consist of sentences, becomes a passage of the document.

    Raises:
        RequestError: the file is not BioC, or an annotation does not fit its passage. The message names document and
            annotation, and the line where the document's id stands.
    """
    for document in _load(path):
        yield _document(document, path)


def _load(path: Path) -> Iterator[Any]:
    from bioc import biocjson, biocxml
    from lxml import etree  # type: ignore[attr-defined]  # it is written in C

    try:
        with path.open("rb") as handle:
            is_xml = handle.read(256).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")
        if is_xml:
            # One document at a time, so that memory does not grow with the file.
            with biocxml.iterparse(str(path)) as reader:
                yield from reader
        else:
            with path.open(encoding="utf-8-sig") as handle:
                yield from biocjson.load(handle).documents
    except FileNotFoundError as error:
        raise RequestError(f"{path}: no such file") from error
    except (etree.XMLSyntaxError, json.JSONDecodeError) as error:
        line = getattr(error, "lineno", None)
        raise RequestError(f"{path}:{line}: not BioC ({error}); the file may be cut short, get it again") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not UTF-8 (at byte {error.start}); convert the file to UTF-8") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The package does not check a file; what is missing shows as one of these.
        raise RequestError(
            f"{path}: not what a BioC file holds ({type(error).__name__}: {error}); check that it is one"
        ) from error


def _document(source: Any, path: Path) -> Document:
    text, parts, mentions, relations = "", [], [], list(source.relations)
    key = str(source.id)
    where = f"{path}:{_line_of(path, key)}: document {key}"
    taken = [*source.annotations] if source.annotations else []
    if taken:
        raise RequestError(
            f"{where}: annotation {taken[0].id} stands outside of the passages; move it into the passage of its text"
        )
    for passage in source.passages:
        relations += passage.relations
        # A passage of sentences may repeat their text; the sentences are used then.
        for unit in passage.sentences or [passage]:
            begin = _begin(unit.offset, text)
            text = f"{text.ljust(begin, chr(10))}{unit.text or ''}"
            parts.append((begin, len(text)))
            relations += unit.relations if unit is not passage else []
            for annotation in unit.annotations if unit is passage else [*unit.annotations]:
                mentions.append(_mention(annotation, begin - unit.offset, unit.text or "", begin, where))
        if passage.sentences and passage.annotations:
            raise RequestError(
                f"{where}: annotation {passage.annotations[0].id} stands in a passage that consists of sentences; move "
                "it into its sentence"
            )
    mentions.sort(key=lambda mention: (mention.start, -mention.end))
    found = tuple(_relation(item, where) for item in relations if len(item.nodes) == 2)
    known = {mention.key for mention in mentions}
    for relation in found:
        missing = {relation.first, relation.second} - known
        if missing:
            raise RequestError(f"{relation.where}: it names {min(missing)}, which is not among the annotations")
    return Document(key, text, where, tuple(mentions), found, tuple(parts))


def _begin(offset: int, text: str) -> int:
    """Return where a passage begins: at its offset in the document, or after the text so far if that cannot be."""
    return offset if len(text) <= offset <= len(text) + _LARGEST_GAP else len(text) + bool(text)


def _mention(annotation: Any, shift: int, text: str, begin: int, where: str) -> Mention:
    kind = str(annotation.infons.get("type", ""))
    here = f"{where}, annotation {annotation.id}"
    if not kind:
        raise RequestError(f"{here}: no infon `type` says what it is; add it")
    if len(annotation.locations) != 1:
        count = len(annotation.locations)
        what = "has no location" if not count else f"is discontinuous ({count} locations)"
        raise RequestError(f"{here}: {kind} {what}, but tags on words need one span; correct it or leave it out")
    location = annotation.locations[0]
    start = location.offset + shift - begin
    inside = Mention(str(annotation.id), kind, start, start + location.length, here)
    if start < 0:
        raise RequestError(f"{here}: its offset {location.offset} lies before its passage; correct it")
    checked_mention(inside, text, annotation.text)
    return Mention(inside.key, kind, start + begin, inside.end + begin, here)


def _relation(item: Any, where: str) -> Relation:
    kind = str(item.infons.get("type", ""))
    here = f"{where}, relation {item.id}"
    if not kind:
        raise RequestError(f"{here}: no infon `type` says what it is; add it")
    return Relation(kind, str(item.nodes[0].refid), str(item.nodes[1].refid), here)


def _line_of(path: Path, key: str) -> int:
    """Return the number of the line where a document's id stands first, or 1."""
    wanted = (f">{key}<", f'"{key}"', f": {key},")
    with path.open(encoding="utf-8", errors="replace") as handle:
        return next((number for number, line in enumerate(handle, 1) if any(item in line for item in wanted)), 1)


def bioc_document(document: Document) -> Any:
    """Return a document as an object of the package `bioc`, with its passages, mentions and relations."""
    from bioc import BioCAnnotation, BioCDocument, BioCLocation, BioCNode, BioCPassage, BioCRelation

    made: Any = BioCDocument()
    made.id = document.key
    for start, end in document.passages or tuple(paragraphs(document)):
        passage: Any = BioCPassage()
        passage.offset, passage.text = start, document.text[start:end]
        for mention in document.mentions:
            if start <= mention.start and mention.end <= end:
                annotation: Any = BioCAnnotation()
                annotation.id, annotation.text = mention.key, document.text[mention.start : mention.end]
                annotation.infons["type"] = mention.kind
                annotation.add_location(BioCLocation(mention.start, mention.end - mention.start))
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

    yield '{"source": "linkbert", "date": "", "key": "", "infons": {}, "documents": ['
    for number, document in enumerate(documents):
        yield (", " if number else "") + json.dumps(biocjson.toJSON(bioc_document(document)))
    yield "]}\n"


def bioc_xml(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the parts of a BioC XML file, one document at a time."""
    from bioc.biocxml.encoder import encode_document
    from lxml import etree  # type: ignore[attr-defined]  # it is written in C

    yield "<?xml version='1.0' encoding='utf-8'?>\n<collection><source>linkbert</source><date/><key/>\n"
    for document in documents:
        yield etree.tostring(encode_document(bioc_document(document)), encoding="unicode") + "\n"
    yield "</collection>\n"
