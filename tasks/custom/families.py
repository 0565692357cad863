"""The task families of users' own data that the built-in tasks do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...corpora.prepared import describe, identifier_of, text_field
from ...corpora.sources import Row
from .. import decoding, encoding, texts
from ..mistakes import wrong_flags, wrong_number
from ..task import Family, Task

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST_OPTIONS, MOST_OPTIONS = 2, 26  # of a multiple-choice question: A to Z

CLASSIFICATION = Family(
    name="text classification",
    head="sequence",
    columns=("text",),
    schema=texts.class_schema,
    parse=texts.parse,
    read_label=texts.read_class,
    encode=encoding.encode_classes,
    decode=decoding.decode_class,
    describe=texts.describe_class,
    label_names=texts.class_names,
    one_label=True,
    text=texts.text,
    from_text=texts.from_text,
    long_inputs=encoding.WINDOWED_CLASSES,
)
RELATION = Family(
    name="relation extraction",
    head="sequence",
    columns=("text",),
    schema=texts.class_schema,
    parse=texts.parse,
    read_label=texts.read_class,
    encode=encoding.encode_classes,
    decode=decoding.decode_class,
    describe=texts.describe_class,
    label_names=texts.class_names,
    one_label=True,
    text=texts.text,
    from_text=texts.from_text,
    long_inputs=encoding.KEEPING_MENTIONS,
)
MULTI_LABEL = Family(
    name="multi-label classification",
    head="multi-label",
    columns=("text",),
    schema=texts.flags_schema,
    parse=texts.parse,
    read_label=texts.read_flags,
    encode=encoding.encode_texts,
    decode=decoding.decode_flags,
    describe=texts.describe_flags,
    label_names=texts.flag_names,
    mistakes=lambda task, example, gold, given, scores: wrong_flags(task.labels, gold, given, example),
    text=texts.text,
    from_text=texts.from_text,
    long_inputs=encoding.WINDOWED_TEXTS,
)
PAIR = Family(
    name="classification of pairs",
    head="sequence",
    columns=("text", "text_pair"),
    schema=texts.class_schema,
    parse=texts.parse,
    read_label=texts.read_class,
    encode=encoding.encode_classes,
    decode=decoding.decode_class,
    describe=texts.describe_class,
    label_names=texts.class_names,
    one_label=True,
    text=texts.text,
    long_inputs=encoding.WINDOWED_CLASSES,
)
SIMILARITY = Family(
    name="similarity of pairs",
    head="regression",
    columns=("text", "text_pair"),
    schema=texts.number_schema,
    parse=texts.parse,
    read_label=texts.read_number,
    encode=encoding.encode_texts,
    decode=decoding.decode_number,
    describe=texts.describe_number,
    mistakes=lambda task, example, gold, given, scores: wrong_number(example, gold, given),
    text=texts.text,
    long_inputs=encoding.WINDOWED_TEXTS,
)


def _choice_schema(task: Task) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        {"id": pa.string(), "question": pa.string(), "options": pa.list_(pa.string()), "label": pa.int32()}
    )


def _parse_choice(task: Task, row: Row) -> Row:
    options = row.get("options")
    if not isinstance(options, list) or not FEWEST_OPTIONS <= len(options) <= MOST_OPTIONS:
        raise ValueError(
            f"the field 'options' should be a list of {FEWEST_OPTIONS} to {MOST_OPTIONS} texts, found "
            f"{describe(row, 'options')}"
        )
    checked = [text_field({"option": option}, "option") for option in options]
    example = {"id": identifier_of(row), "question": text_field(row, "question"), "options": checked}
    if "label" in row:
        example["label"] = _read_choice(task, row["label"], example)
    return example


def _read_choice(task: Task, label: Any, example: Row) -> int:
    count = len(example["options"])
    if isinstance(label, bool) or not isinstance(label, int) or label not in range(count):
        raise ValueError(f"label {label!r} is not the number of one of its {count} options, counted from 0")
    return label


CHOICE = Family(
    name="multiple choice",
    head="choice",
    columns=("question", "options"),
    schema=_choice_schema,
    parse=_parse_choice,
    read_label=_read_choice,
    encode=encoding.encode_choices,
    decode=decoding.decode_choice,
    describe=texts.describe_class,
    text=lambda example: "\n".join((example["question"], *example["options"])),
)
