"""Applying a fine-tuned model to documents: mentions with offsets in the document, relations, or a label."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..corpora.annotated import Document, Mention, Relation, paragraphs, require_one_piece
from ..corpora.sources import Row
from ..errors import RequestError
from ..tasks.custom.definition import Definition
from ..tasks.custom.pairs import pairs_of
from .loaded import Input, LoadedModel, read_input, several_texts
from .prediction_formats import DOCUMENT

# A part of a document that is predicted, and what its prediction refers to: the start of a passage, or two mentions.
_Part = tuple[Row, Any]


def needs_mentions(loaded: LoadedModel) -> bool:
    """Return whether the model reads mentions that are annotated already, as one of relations does."""
    return _definition(loaded) is not None


def predict_documents(loaded: LoadedModel, documents: Iterable[Document]) -> Iterator[tuple[Document, Row]]:
    """Yield each document with what was found in it, in order and at constant memory.

    A document is predicted passage by passage (or line by line), long passages in overlapping windows; mentions are put
    back with their offsets in the document.

    Args:
        loaded: the model.
        documents: the documents. For a model of relations, they have mentions.

    Yields:
        The document and, by the family of the task, `{"id", "text", "entities": [...]}`,
        `{"id", "relations": [{"first", "second", "label", "score"}]}`, or `{"id", "label", "probabilities"}`.

    Raises:
        RequestError: the task cannot use documents.
    """
    _require_texts(loaded)
    waiting: deque[tuple[Document, list[_Part]]] = deque()

    def inputs() -> Iterator[Input]:
        for document in documents:
            parts = list(_parts(loaded, document))
            waiting.append((document, parts))
            yield from _inputs_of(loaded, document, parts)

    found: list[Row] = []
    for row in loaded.predict_inputs(inputs()):
        yield from _finished(loaded, waiting, found)
        found.append(row)
    yield from _finished(loaded, waiting, found)


def passages_of(loaded: LoadedModel, documents: Iterable[Document]) -> Iterator[Input]:
    """Yield the parts of documents in which words are tagged, each with the id of its document.

    Raises:
        RequestError: the task cannot use documents.
    """
    _require_texts(loaded)
    for document in documents:
        for found in _inputs_of(loaded, document, _parts(loaded, document)):
            yield found._replace(row=found.row | {DOCUMENT: document.key})


def _inputs_of(loaded: LoadedModel, document: Document, parts: Iterable[_Part]) -> Iterator[Input]:
    for number, (row, _) in enumerate(parts):
        yield read_input(loaded.task, {"id": f"{document.key}#{number}", **row})


def _require_texts(loaded: LoadedModel) -> None:
    if loaded.task.family.from_text is None:
        raise RequestError(several_texts(loaded.task))


def _finished(
    loaded: LoadedModel, waiting: deque[tuple[Document, list[_Part]]], found: list[Row]
) -> Iterator[tuple[Document, Row]]:
    """Yield the documents all of whose parts have been predicted."""
    while waiting and len(found) >= len(waiting[0][1]):
        document, parts = waiting.popleft()
        own, found[:] = found[: len(parts)], found[len(parts) :]
        yield document, _joined(loaded, document, parts, own)


def _parts(loaded: LoadedModel, document: Document) -> Iterator[_Part]:
    definition = _definition(loaded)
    # What is annotated already says nothing about where passages end, or about relations.
    document = replace(document, relations=())
    if loaded.task.head.per_word:
        wrapped = (loaded.task.definition or {}).get("wrapped", False)
        for start, end in paragraphs(replace(document, mentions=()), wrapped=wrapped):
            yield {"text": document.text[start:end]}, start
    elif definition is not None and (rules := definition.pair_rules) is not None:
        for pair in pairs_of(document, rules):
            yield {"text": pair.text}, (pair.first, pair.second)
    elif document.text.strip():
        yield {"text": document.text}, None


def _definition(loaded: LoadedModel) -> Definition | None:
    """Return the definition of a task whose examples are pairs of mentions, else None."""
    if loaded.task.definition is None:
        return None
    definition = Definition.from_json(loaded.task.definition)
    return definition if definition.pair_rules is not None else None


def _joined(loaded: LoadedModel, document: Document, parts: Sequence[_Part], found: Sequence[Row]) -> Row:
    """Put what was found in the parts of a document together."""
    if loaded.task.head.per_word:
        entities = [
            entity | {"start": entity["start"] + start, "end": entity["end"] + start}
            for (_, start), row in zip(parts, found, strict=True)
            for entity in row["entities"]
        ]
        return {"id": document.key, "text": document.text, "entities": entities}
    definition = _definition(loaded)
    if definition is not None:
        relations = [
            {"first": pair[0], "second": pair[1], "label": row["label"], "score": row["probabilities"][row["label"]]}
            for (_, pair), row in zip(parts, found, strict=True)
            if row["label"] != definition.negative
        ]
        return {"id": document.key, "relations": relations}
    return {"id": document.key, **{key: value for row in found for key, value in row.items() if key != "id"}}


def _related(document: Document, found: Sequence[Row]) -> Document:
    """Return a document with relations. Its mentions get new keys, since those of some formats are none in BRAT.

    A relation of two concepts becomes one of each mention of the first with each of the second.
    """
    names: dict[str, list[str]] = {}
    mentions = []
    for mention in document.mentions:
        require_one_piece(mention)
    for number, mention in enumerate(document.mentions, start=1):
        mentions.append(replace(mention, key=f"T{number}"))
        for name in {mention.key, *mention.concepts}:
            names.setdefault(name, []).append(f"T{number}")
    relations = tuple(
        Relation(one["label"], first, second, document.where)
        for one in found
        for first in names[one["first"]]
        for second in names[one["second"]]
    )
    return replace(document, mentions=tuple(mentions), relations=relations)


def annotated(document: Document, row: Row) -> Document:
    """Return a document with the mentions and relations that were found in it, in place of what it had.

    Raises:
        RequestError: neither was looked for.
    """
    if "entities" in row:
        mentions = tuple(
            Mention(f"T{number}", entity["label"], entity["start"], entity["end"], document.where)
            for number, entity in enumerate(row["entities"], start=1)
        )
        return replace(document, mentions=mentions, relations=())
    if "relations" in row:
        return _related(document, row["relations"])
    raise RequestError(
        "BRAT and BioC files hold mentions and relations, which this task does not find; write JSON lines"
    )
