"""Predictions as plain text: one label a line, or one word and its tag a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..corpora.annotated import Mention
from ..corpora.sources import Row
from ..errors import RequestError
from ..tasks.custom.documents import tag_words
from ..tasks.task import Task
from ..tasks.words import word_spans
from .loaded import Input

DOCUMENT = "document"  # field of an input that is a part of a document


def as_line(row: Row) -> str:
    """Return what `predict` found in one example as a line: the label, the labels, a number, an answer, or mentions.

    Args:
        row: what `predict` yields for the example.
    """
    if "entities" in row:
        return "; ".join(f"{entity['label']}: {_line(entity['text'])}" for entity in row["entities"]) + "\n"
    if "relations" in row:
        return "; ".join(f"{item['label']}: {item['first']} {item['second']}" for item in row["relations"]) + "\n"
    value = row.get("label", row.get("answer"))
    return _line("; ".join(value) if isinstance(value, list) else str(value)) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def require_tagged(task: Task) -> None:
    """Make sure that the predictions of a task can be written as CoNLL.

    Raises:
        RequestError: the task does not tag words.
    """
    if not task.head.per_word:
        raise RequestError(f"--format conll holds tags of words, which {task.name} does not predict; write text")


def as_conll(found: Iterable[tuple[Input, Row]]) -> Iterator[str]:
    """Yield the words of each example with their tags, as the model was given them.

    A blank line ends an example, and a `-DOCSTART-` line begins each document.

    Args:
        found: each input with what `predict` yields for it.
    """
    document = None
    for item, row in found:
        if DOCUMENT in item.row and item.row[DOCUMENT] != document:
            document = item.row[DOCUMENT]
            yield "-DOCSTART-\tO\n\n"
        mentions = [
            Mention(str(number), entity["label"], entity["start"], entity["end"], row["id"])
            for number, entity in enumerate(row["entities"], start=1)
        ]
        tags = tag_words(word_spans(item.row, item.example), mentions)
        lines = [f"{word}\t{tag}\n" for word, tag in zip(item.example["tokens"], tags, strict=True)]
        yield "".join([*lines, "\n"])
