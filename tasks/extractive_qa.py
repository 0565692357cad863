"""Extractive question answering: the answer is a span of the context, as in SQuAD 1.1 and 2.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..corpora.json_files import check_text
from ..corpora.prepared import describe, identifier_of, text_field
from ..corpora.sources import Row
from .answer_spans import decode_answer, encode_answers
from .mistakes import Mistake, wrong_answer
from .task import Family, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


def _schema(task: Task) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        {
            "id": pa.string(),
            "question": pa.string(),
            "context": pa.string(),
            "label": pa.list_(pa.string()),
            "answer_starts": pa.list_(pa.int64()),
        }
    )


def _parse(task: Task, row: Row) -> Row:
    """Read `question`, `context` and, if it is there, `answers` in the form of SQuAD: `text` and `answer_start`."""
    context = text_field(row, "context")
    if not context.strip():
        raise ValueError("the context is blank")
    example = {"id": identifier_of(row), "question": text_field(row, "question"), "context": context}
    if "answers" in row:
        texts, starts = _answers(row)
        for text, start in zip(texts, starts, strict=True):
            if context[start : start + len(text)] != text:
                found = context[start : start + len(text)]
                raise ValueError(
                    f"the answer {text[:60]!r} does not stand at {start} of the context, {found[:60]!r} does"
                )
        example |= {"label": texts, "answer_starts": starts}
    return example


def _answers(row: Row) -> tuple[list[str], list[int]]:
    answers = row["answers"]
    texts, starts = (answers.get("text"), answers.get("answer_start")) if isinstance(answers, dict) else (None, None)
    if (
        not isinstance(texts, list)
        or not isinstance(starts, list)
        or len(texts) != len(starts)
        or not all(isinstance(text, str) and text for text in texts)
        or not all(type(start) is int and start >= 0 for start in starts)
    ):
        raise ValueError(
            "the field 'answers' should be an object with 'text', a list of texts, and 'answer_start', a list of as "
            f"many positions; found {describe(row, 'answers')}"
        )
    for text in texts:
        check_text(text)
    return texts, starts


def _read_prediction(task: Task, label: Any, example: Row) -> str:
    if not isinstance(label, str):
        raise ValueError(f"an answer should be a text (empty for no answer), found {str(label)[:40]!r}")
    check_text(label)
    return label


def _describe(task: Task, row: Row, example: Row, prediction: Any, scores: Any) -> Row:
    return {"id": example["id"], "answer": prediction, **scores}


def _mistakes(task: Task, example: Row, gold: Any, prediction: Any, scores: Any) -> Iterator[Mistake]:
    return wrong_answer(example, gold, prediction, scores)


EXTRACTIVE_QA = Family(
    name="extractive question answering",
    head="span",
    columns=("question", "context"),
    schema=_schema,
    parse=_parse,
    read_label=_read_prediction,
    encode=encode_answers,
    decode=decode_answer,
    describe=_describe,
    mistakes=_mistakes,
    text=lambda example: f"{example['question']}\n{example['context']}",
    label_column="answers",
)
