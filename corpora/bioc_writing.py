"""Write BioC files, XML and JSON, with the package `bioc`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any

from .annotated import Document, Origin, paragraphs


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
