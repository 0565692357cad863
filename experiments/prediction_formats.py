"""Predictions as plain text: one label a line, or one word a line."""

from __future__ import annotations

from ..corpora.annotated import Mention
from ..corpora.sources import Row
from ..errors import RequestError
from ..tasks.custom.documents import tag_words
from ..tasks.task import Task
from ..tasks.words import split_words


def as_text(task: Task, row: Row, form: str) -> str:
    """Return what `predict` found in one example as text.

    Args:
        task: the task.
        row: what `predict` yields for the example.
        form: `conll` for one word and its tag a line, or `text` for one line: the label, the labels, the number, the
            answer, or the mentions.

    Raises:
        RequestError: the task does not tag words, so that it cannot be written as CoNLL.
    """
    if form == "conll":
        if "entities" not in row:
            raise RequestError(f"--format conll holds tags of words, which {task.name} does not predict; write text")
        return _conll(row)
    if "entities" in row:
        return "; ".join(f"{entity['label']}: {_line(entity['text'])}" for entity in row["entities"]) + "\n"
    if "relations" in row:
        return "; ".join(f"{item['label']}: {item['first']} {item['second']}" for item in row["relations"]) + "\n"
    value = row.get("label", row.get("answer"))
    return _line("; ".join(value) if isinstance(value, list) else str(value)) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _conll(row: Row) -> str:
    words = split_words(row["text"])
    mentions = [
        Mention(str(number), entity["label"], entity["start"], entity["end"], row["id"])
        for number, entity in enumerate(row["entities"], start=1)
    ]
    tags = tag_words(words, mentions)
    lines = [f"{row['text'][start:end]}\t{tag}\n" for (start, end), tag in zip(words, tags, strict=True)]
    return "".join([*lines, "\n"])
