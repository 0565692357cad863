"""The families that a task file can name, with everything that differs between them as an attribute."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...corpora.sources import Row
from ..extractive_qa import EXTRACTIVE_QA
from ..ner import NER
from ..task import Family
from . import table_rows
from .cells import Cells
from .families import CHOICE, CLASSIFICATION, MULTI_LABEL, PAIR, RELATION, SIMILARITY


def _label(row: Row) -> Iterable[str]:
    return (row["label"],)


def _labels(row: Row) -> Iterable[str]:
    return row["label"]


def _types(row: Row) -> Iterable[str]:
    return (tag[2:] for tag in row["ner_tags"] if tag.startswith("B-"))


def _without_row(row: Row, ignored: Collection[str]) -> Row | None:
    return None if row.get("label") in ignored else row


def _without_labels(row: Row, ignored: Collection[str]) -> Row:
    return row | {"label": [label for label in row["label"] if label not in ignored]}


def _without_types(row: Row, ignored: Collection[str]) -> Row:
    return row | {"ner_tags": ["O" if tag[2:] in ignored else tag for tag in row["ner_tags"]]}


def _as_flags(row: Row, labels: Sequence[str]) -> Row:
    return row | {"label": [int(label in row["label"]) for label in labels]}


def _tags_of_types(types: Sequence[str]) -> tuple[str, ...]:
    return ("O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI"))


@dataclass(frozen=True)
class Kind:
    """A family as a task file names it.

    Attributes:
        name: its name in task files, and in the recipes' sections `own-NAME`.
        family: the family.
        about: one line for messages and documentation.
        metrics: the metrics that a task file may choose; the first one is the default.
        columns: what a column of a table can hold -> usual names of such a column.
        needs: the columns that a table must have; of several alternatives, one.
        spread: what may be spread over several columns, one for each option or label.
        convert: record of a table -> row, with names of labels.
        formats: the formats in which its data may be.
        labelled: whether it has a set of labels.
        fewest_labels: the smallest number of labels with which there is something to learn.
        labels_of: row -> names of its labels.
        without: (row, ignored labels) -> row without them, or None to leave the row out.
        finish: (row, all labels) -> row in the prepared format.
        task_labels: labels of the task file -> labels of the task.
        typed: whether its labels are types of entities.
        negative: whether a task file may name a class that F1 leaves out.
        pairs: whether the examples in annotated documents are pairs of mentions.
    """

    name: str
    family: Family
    about: str
    metrics: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    needs: tuple[tuple[str, ...], ...]
    convert: Callable[[Cells], Row]
    spread: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("csv", "json", "parquet", "hub")
    labelled: bool = True
    fewest_labels: int = 2
    labels_of: Callable[[Row], Iterable[str]] = _label
    without: Callable[[Row, Collection[str]], Row | None] = _without_row
    finish: Callable[[Row, Sequence[str]], Row] = lambda row, labels: row
    task_labels: Callable[[Sequence[str]], tuple[str, ...]] = tuple
    typed: bool = False
    negative: bool = False
    pairs: bool = False

    @property
    def recipe_section(self) -> str:
        """The section of the recipes that holds its settings."""
        return f"own-{self.name}"


_TEXT = ("text", "sentence", "abstract", "content", "document", "passage", "note", "body", "title")
_FIRST = ("text", "sentence1", "text1", "premise", "question", "query", "sent1", "first")
_SECOND = ("text_pair", "sentence2", "text2", "hypothesis", "context", "passage", "answer", "sent2", "second")
_LABEL = (
    "label",
    "class",
    "category",
    "target",
    "labels",
    "y",
    "gold",
    "relation",
    "answer",
    "outcome",
    "diagnosis",
    "sentiment",
    "intent",
)
_CLASS_METRICS = ("accuracy", "macro_f1", "micro_f1")
_ANNOTATED = ("brat", "bioc", "pubtator")
_IDS = {
    "id": ("id", "idx", "uid", "example_id"),
    "document": (
        "document",
        "doc_id",
        "document_id",
        "pmid",
        "article",
        "note_id",
        "patient_id",
        "subject_id",
        "patient",
        "subject",
        "hadm_id",
    ),
}

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "ner",
            NER,
            "mentions of one or more types in a text",
            ("entity_f1",),
            {
                "tokens": ("tokens", "words"),
                "tags": ("ner_tags", "tags", "labels"),
                "text": ("text", "sentence"),
                "entities": ("entities", "spans"),
                **_IDS,
            },
            (("tokens", "tags"), ("text", "entities")),
            table_rows.tagged_words,
            formats=("conll", *_ANNOTATED, "json", "parquet", "hub"),
            fewest_labels=1,
            labels_of=_types,
            without=_without_types,
            task_labels=_tags_of_types,
            typed=True,
        ),
        Kind(
            "relation",
            RELATION,
            "how two mentions in a text are related",
            ("micro_f1", "macro_f1", "accuracy"),
            {"text": _TEXT, "first": ("first", "head"), "second": ("second", "tail"), "label": _LABEL, **_IDS},
            (("text", "label"),),
            table_rows.relation,
            formats=(*_ANNOTATED, "csv", "json", "parquet", "hub"),
            negative=True,
            pairs=True,
        ),
        Kind(
            "classification",
            CLASSIFICATION,
            "one class for each text",
            _CLASS_METRICS,
            {"text": _TEXT, "label": _LABEL, **_IDS},
            (("text", "label"),),
            table_rows.text_with_class,
            negative=True,
        ),
        Kind(
            "multi-label",
            MULTI_LABEL,
            "any number of labels for each text",
            ("multi_label_micro_f1",),
            {"text": _TEXT, "labels": ("labels", "label", "topics", "categories", "classes"), **_IDS},
            (("text", "labels"),),
            table_rows.text_with_labels,
            spread=("labels",),
            fewest_labels=1,
            labels_of=_labels,
            without=_without_labels,
            finish=_as_flags,
        ),
        Kind(
            "pair",
            PAIR,
            "one class for each pair of texts",
            _CLASS_METRICS,
            {"text": _FIRST, "text_pair": _SECOND, "label": _LABEL, **_IDS},
            (("text", "text_pair", "label"),),
            table_rows.pair_with_class,
            negative=True,
        ),
        Kind(
            "similarity",
            SIMILARITY,
            "a number for each pair of texts",
            ("pearson", "spearman"),
            {"text": _FIRST, "text_pair": _SECOND, "label": ("score", "similarity", *_LABEL), **_IDS},
            (("text", "text_pair", "label"),),
            table_rows.pair_with_number,
            labelled=False,
            labels_of=lambda row: (),
        ),
        Kind(
            "choice",
            CHOICE,
            "the right one of several options",
            ("accuracy",),
            {
                "question": ("question", "query", "sent1", "stem"),
                "options": ("options", "choices", "endings"),
                "answer": ("answer_idx", "answer", "answerkey", "label", "correct", "target", "cop"),
                **_IDS,
            },
            (("question", "options", "answer"),),
            table_rows.question_with_options,
            spread=("options",),
            formats=("json", "csv", "parquet", "hub"),
            labelled=False,
            labels_of=lambda row: (),
        ),
        Kind(
            "extractive-qa",
            EXTRACTIVE_QA,
            "the part of a context that answers a question",
            ("squad_f1", "exact_match"),
            {
                "question": ("question", "query"),
                "context": ("context", "passage", "abstract", "text"),
                "answers": ("answers", "answer"),
                "answer_start": ("answer_start", "start"),
                **_IDS,
                "document": (*_IDS["document"], "title"),
            },
            (("question", "context", "answers"),),
            table_rows.question_with_context,
            formats=("squad", "json", "csv", "parquet", "hub"),
            labelled=False,
            labels_of=lambda row: (),
        ),
    )
}
