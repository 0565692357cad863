"""Read BioC files, XML and JSON, with the package `bioc`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .annotated import Document, Mention, Origin, Relation, checked_mention
from .json_files import check_text, read_json, read_json_lines
from .json_tables import first_lines

_XML = (b"<", b"\xff\xfe<", b"\xfe\xff\x00<")  # how XML begins in UTF-8 and in UTF-16
# Infons of annotations that name a concept, and infons of relations that name none.
_CONCEPTS = ("identifier", "mesh", "ncbi gene", "ncbigene", "omim", "conceptid", "concept_id")
_NO_ROLES = ("type", "relation", "novel", "id", "score", "note")
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
        head, items = _json_documents(path)
        with _refusing(str(path)):
            origin = _origin(head.get("source"), head.get("date"), head.get("key"), head.get("infons"))
        for item in items:
            with _refusing(str(path)):
                document = biocjson.fromJSON(_completed(item), "BioCDocument")
            yield origin, document
        return
    with _refusing(str(path)):
        # One document at a time, so that memory does not grow with the file.
        with biocxml.iterparse(str(path)) as reader:
            info = reader.get_collection_info()
            origin = _origin(info.source, info.date, info.key, info.infons)
            yield from ((origin, document) for document in reader)


def _json_documents(path: Path) -> tuple[dict[str, Any], Iterable[Any]]:
    """Return what a file says about all documents, and the documents: of a collection, or of one on each line.

    PubTator's exports are collections whose list of documents has another name.
    """
    lines = first_lines(path)
    if len(lines) > 1 and lines[0].startswith(b"{") and lines[0].endswith(b"}"):
        return {}, (item for _, item in read_json_lines(path))
    content = read_json(path)
    if not isinstance(content, dict):
        raise RequestError(
            f"{path}: not what a BioC file holds: expected an object, found a list; check that it is one"
        )
    lists = [value for value in content.values() if isinstance(value, list)]
    if "passages" in content:
        return {}, [content]
    if "documents" not in content and len(lists) == 1:
        return content, lists[0]
    with _refusing(str(path)):
        return content, content["documents"]


def _completed(item: Any) -> Any:
    """Return a document with the lists and infons that some exports leave out where they are empty."""
    units = [
        item,
        *item["passages"],
        *(sentence for part in item["passages"] for sentence in part.get("sentences", ())),
    ]
    for unit in units:
        for name in ("annotations", "relations"):
            unit.setdefault(name, [])
        unit.setdefault("infons", {})
    for part in item["passages"]:
        part.setdefault("sentences", [])
    for relation in (relation for unit in units for relation in unit["relations"]):
        relation.setdefault("nodes", [])
    return item


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
    found = [_relation(item, where) for item in relations if len(item.nodes) == 2]
    known = Counter(mention.key for mention in mentions)
    for relation in found:
        for argument in (relation.first, relation.second):
            if (count := known[argument]) != 1:
                what = "is not among the annotations" if not count else f"is the id of {count} annotations"
                raise RequestError(f"{relation.where}: it names {argument}, which {what}; correct it")
    offsets, infons = tuple(unit.offset for unit in units), tuple(_texts(unit.infons or {}) for unit in units)
    of_concepts = [item for item in relations if not item.nodes and len(_concepts_of(item)) == 2]
    found += [_relation(item, where) for item in of_concepts]
    about = _texts(source.infons or {})
    return Document(key, text, where, tuple(mentions), tuple(found), tuple(parts), offsets, infons, about)


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
    named = (str(value) for key, value in annotation.infons.items() if key.lower() in _CONCEPTS and value)
    concepts = tuple(concept for value in named for concept in re.split(r"[|,;]", value) if concept.strip(" -"))
    first = min(location.offset for location in annotation.locations) - offset
    last = max(location.offset + location.length for location in annotation.locations) - offset
    return Mention(str(annotation.id), kind, first + begin, last + begin, here, concepts, count)


def _concepts_of(item: Any) -> list[str]:
    """Return the concepts that a relation without nodes relates: `entity1` and `entity2`, or the only other infons."""
    infons = _texts(item.infons)
    chosen = [key for key in ("entity1", "entity2") if key in infons] or [key for key in infons if key not in _NO_ROLES]
    return [infons[key] for key in chosen]


def _relation(item: Any, where: str) -> Relation:
    kind = str(item.infons.get("type") or item.infons.get("relation") or "")
    here = f"{where}, relation {item.id}"
    if not kind.strip():
        raise RequestError(f"{here}: no infon `type` says what it is; add it")
    first, second = [str(node.refid) for node in item.nodes] or _concepts_of(item)
    return Relation(kind, first, second, here)


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
