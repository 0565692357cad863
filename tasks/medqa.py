"""Multiple choice: MedQA-USMLE, and MMLU-professional-medicine with the model fine-tuned on MedQA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..corpora.download import hub_remotes
from ..corpora.multiple_choice import medqa_format, mmlu_formats
from ..corpora.prepared import identifier_of, text_field
from ..corpora.sources import Row
from . import decoding, encoding, texts
from .task import Family, Task

if TYPE_CHECKING:
    import pyarrow as pa

_OPTIONS = ("ending0", "ending1", "ending2", "ending3")
_SPLITS = ("train", "dev", "test")
_MMLU_FILES = tuple(f"professional_medicine/{part}-00000-of-00001.parquet" for part in ("dev", "validation", "test"))


def _schema(task: Task) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        {"id": pa.string(), "question": pa.string(), "options": pa.list_(pa.string()), "label": pa.int32()}
    )


def _parse(task: Task, row: Row) -> Row:
    # These files follow the SWAG format, in which `sent2` opens every option. The benchmark leaves it empty.
    opening = text_field(row, "sent2") if row.get("sent2") else ""
    options = [f"{opening} {text_field(row, key)}" if opening else text_field(row, key) for key in _OPTIONS]
    example = {"id": identifier_of(row), "question": text_field(row, "sent1"), "options": options}
    if "label" in row:
        example["label"] = _read_choice(task, row["label"], example)
    return example


def _read_choice(task: Task, label: Any, example: Row) -> int:
    if isinstance(label, bool) or not isinstance(label, int) or label not in range(len(_OPTIONS)):
        raise ValueError(f"label {label!r} is not one of {', '.join(map(str, range(len(_OPTIONS))))}")
    return label


MULTIPLE_CHOICE = Family(
    name="multiple choice",
    head="choice",
    columns=("sent1", *_OPTIONS),
    schema=_schema,
    parse=_parse,
    read_label=_read_choice,
    encode=encoding.encode_choices,
    decode=decoding.decode_choice,
    describe=texts.describe_class,
    text=lambda example: "\n".join((example["question"], *example["options"])),
)

MEDQA = Task(
    name="medqa",
    version=1,
    title="MedQA-USMLE, 4 options",
    family=MULTIPLE_CHOICE,
    suite="medqa",
    task_type="medqa",
    release="mc/medqa_usmle_hf",
    counts=(10178, 1272, 1273),
    metric="accuracy",
    formats=(medqa_format(),),
    remotes=hub_remotes(
        "GBaker/MedQA-USMLE-4-options-hf", {f"{split}.json": f"mc/medqa_usmle_hf/{split}.json" for split in _SPLITS}
    ),
    access="public (MIT): `linkbert data download medqa` gets it from the Hugging Face hub",
)
MMLU_PROFESSIONAL_MEDICINE = Task(
    name="mmlu-professional-medicine",
    version=1,
    title="MMLU professional medicine",
    family=MULTIPLE_CHOICE,
    suite="mmlu",
    task_type="mmlu",
    release="mc/mmlu_hf/professional_medicine",
    counts=(5, 31, 272),
    splits=("dev", "val", "test"),
    metric="accuracy",
    formats=mmlu_formats(),
    remotes=hub_remotes("cais/mmlu", {path: f"mmlu/{path}" for path in _MMLU_FILES}),
    trained_on="medqa",
    access="public (MIT): `linkbert data download mmlu-professional-medicine` gets it from the Hugging Face hub",
)
TASKS = (MEDQA, MMLU_PROFESSIONAL_MEDICINE)
