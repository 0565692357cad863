"""Examples that are a text, or a pair of texts, with one label, several labels or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..corpora.prepared import identifier_of, text_field
from ..corpora.sources import Row
from .task import Task

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST_NUMBER = 1e30  # No similarity is that large; such a number would overflow in float32.


def class_schema(task: Task) -> pa.Schema:
    """Return the Arrow schema of examples whose label is one of the task's labels."""
    import pyarrow as pa

    return _schema(pa.string())


def number_schema(task: Task) -> pa.Schema:
    """Return the Arrow schema of examples whose label is a number."""
    import pyarrow as pa

    return _schema(pa.float64())


def flags_schema(task: Task) -> pa.Schema:
    """Return the Arrow schema of examples whose label is one flag per label of the task."""
    import pyarrow as pa

    return _schema(pa.list_(pa.int8()))


def _schema(label: pa.DataType) -> pa.Schema:
    import pyarrow as pa

    return pa.schema({"id": pa.string(), "text": pa.string(), "text_pair": pa.string(), "label": label})


def parse(task: Task, row: Row) -> Row:
    """Read the text columns of the task's family and, if there is one, `label`.

    Raises:
        ValueError: the row breaks the rules of the format or of the task.
    """
    column, *others = task.family.columns
    pair = text_field(row, others[0]) if others else None
    example = {"id": identifier_of(row), "text": text_field(row, column), "text_pair": pair}
    if "label" in row:
        example["label"] = task.family.read_label(task, row["label"], example)
    return example


def from_text(task: Task, raw: str) -> Row:
    """Return a raw text as a prepared row without a label."""
    return {task.family.columns[0]: raw}


def read_class(task: Task, label: Any, example: Row) -> str:
    """Return a class label.

    Raises:
        ValueError: it is not one of the task's labels.
    """
    if not isinstance(label, str) or label not in task.labels:
        hint = f'; write it as a text, "{label}"' if not isinstance(label, str) and str(label) in task.labels else ""
        raise ValueError(f"label {label!r} is not in the task's set ({', '.join(task.labels)}){hint}")
    return label


def read_number(task: Task, label: Any, example: Row) -> float:
    """Return a regression label.

    Raises:
        ValueError: it is not a finite number of a sensible size.
    """
    if isinstance(label, bool) or not isinstance(label, int | float) or not abs(label) < _LARGEST_NUMBER:
        raise ValueError(f"label {str(label)[:40]!r} is not a number, or not one of this size")
    return float(label)


def read_flags(task: Task, label: Any, example: Row) -> list[int]:
    """Return a multi-label vector.

    Raises:
        ValueError: it is not one 0 or 1 per label of the task.
    """
    size = len(task.labels)
    if not isinstance(label, list) or len(label) != size or not all(flag in (0, 1) for flag in label):
        raise ValueError(f"label {str(label)[:60]} should be a list of {size} zeros and ones")
    return [int(flag) for flag in label]


def class_names(task: Task, label: str) -> tuple[str, ...]:
    """Return the label, as the only one of its example."""
    return (label,)


def flag_names(task: Task, label: list[int]) -> list[str]:
    """Return the names of the labels of a multi-label vector."""
    return [name for name, flag in zip(task.labels, label, strict=True) if flag]


def text(example: Row) -> str:
    """Return both texts of an example, by which two splits are compared."""
    return "\n".join(filter(None, (example["text"], example["text_pair"])))


def describe_class(task: Task, row: Row, example: Row, prediction: Any, scores: Any) -> Row:
    """Return what `linkbert predict` prints for one example: the label and the probabilities behind it."""
    return {"id": example["id"], "label": prediction, "probabilities": scores}


def describe_flags(task: Task, row: Row, example: Row, prediction: Any, scores: Any) -> Row:
    """Return what `linkbert predict` prints for one example: the names of its labels, and all probabilities."""
    names = [label for label, flag in zip(task.labels, prediction, strict=True) if flag]
    return {"id": example["id"], "label": names, "probabilities": scores}


def describe_number(task: Task, row: Row, example: Row, prediction: Any, scores: Any) -> Row:
    """Return what `linkbert predict` prints for one example: a number, which has no probability."""
    return {"id": example["id"], "label": prediction, "probabilities": None}
