"""What families share: schemas of their examples and encodings, rows of texts, and decoding of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..corpora.iob import begin_tag
from ..corpora.json_files import check_text
from ..corpora.prepared import describe, identifier_of, text_field
from ..corpora.sources import Row
from .task import Task

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_LARGEST_NUMBER = 1e30  # a similarity beyond it is none
_MIN_SHARED_WORDS = 6  # shorter sentences ("Abstract .") recur in any two corpora


def encoded_schema(task: Task) -> pa.Schema:
    """Arrow schema of the encoded rows of a task: ids are lists of sequences, labels as the head wants them."""
    import pyarrow as pa

    labels = {
        "token": pa.list_(pa.list_(pa.int16())),
        "sequence": pa.int32(),
        "choice": pa.int32(),
        "regression": pa.float32(),
        "multi-label": pa.list_(pa.float32()),
    }
    fields = {
        "input_ids": pa.list_(pa.list_(pa.int32())),
        "token_type_ids": pa.list_(pa.list_(pa.int8())),
        "labels": labels[task.head],
    }
    if task.head == "token":
        fields |= {"word_index": pa.list_(pa.list_(pa.int32())), "n_words": pa.int32()}
    return pa.schema(fields)


# --- words -----------------------------------------------------------------------------------------------------


def words_schema(task: Task) -> pa.Schema:
    """Arrow schema of sentences of words."""
    import pyarrow as pa

    return pa.schema({"id": pa.string(), "tokens": pa.list_(pa.string()), "label": pa.list_(pa.string())})


def parse_words(task: Task, row: Row) -> Row:
    """Read `tokens` and `ner_tags`; bare and typed tags become the task's own typed labels."""
    tokens = row.get("tokens")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) and token for token in tokens):
        raise ValueError(f"the field 'tokens' should be a list of non-empty strings, found {describe(row, 'tokens')}")
    for token in tokens:
        check_text(token)
    example = {"id": identifier_of(row), "tokens": tokens}
    if "ner_tags" in row:
        example["label"] = read_tags(task, row["ner_tags"], len(tokens))
    return example


def read_tags(task: Task, tags: Any, length: int) -> list[str]:
    """Turn a row's tags into the task's labels.

    Raises:
        ValueError: not `length` strings, or a tag outside the task's set.
    """
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("the tags should be a list of strings")
    if len(tags) != length:
        raise ValueError(f"{length} tokens but {len(tags)} tags")
    return [_label(task, tag) for tag in tags]


def _label(task: Task, tag: str) -> str:
    types = task.tag_types
    if task.task_type == "pico":
        return begin_tag(tag, types)
    prefix, dash, kind = tag.partition("-")
    own = next(iter(types.values()))
    if tag == "O" or tag in task.labels:
        return tag
    if prefix in ("B", "I") and (not dash or kind in types):
        return f"{prefix}-{types.get(kind, own)}"
    raise ValueError(f"tag {tag!r} is not in the task's set (O, B, I, {', '.join(task.labels[1:])})")


def words_text(example: Row) -> str | None:
    """The sentence, when it is long enough for a repetition to mean something."""
    return " ".join(example["tokens"]) if len(example["tokens"]) >= _MIN_SHARED_WORDS else None


def decode_words(task: Task, output: np.ndarray) -> tuple[list[str], list[float]]:
    """Per word the best label and its probability; a word without a piece (a row of NaN) is `O` with 0.

    Args:
        task: the task, for its labels.
        output: logits, shape (words, labels).
    """
    import numpy as np

    seen = ~np.isnan(output[:, 0])
    best = np.where(seen, np.nan_to_num(output).argmax(axis=1), 0)
    probabilities = softmax(np.nan_to_num(output)).max(axis=1) * seen
    return [task.labels[index] for index in best], [round(float(p), 6) for p in probabilities]


# --- texts -----------------------------------------------------------------------------------------------------


def texts_schema(task: Task) -> pa.Schema:
    """Arrow schema of texts and pairs, with the label in its prepared form."""
    import pyarrow as pa

    label = {"sequence": pa.string(), "regression": pa.float64(), "multi-label": pa.list_(pa.int8())}[task.head]
    return pa.schema({"id": pa.string(), "text": pa.string(), "text_pair": pa.string(), "label": label})


def parse_texts(task: Task, row: Row) -> Row:
    """Read the family's text columns and, when there is one, `label`."""
    columns = task.family.columns
    text = text_field(row, columns[0])
    pair = text_field(row, columns[1]) if len(columns) > 1 else None
    example = {"id": identifier_of(row), "text": text, "text_pair": pair}
    if "label" in row:
        example["label"] = read_label(task, row["label"])
    return example


def read_label(task: Task, label: Any) -> Any:
    """Check a label in its prepared form.

    Raises:
        ValueError: outside the task's set, or of the wrong form.
    """
    if task.head == "regression":
        return read_number(label)
    if task.head == "multi-label":
        return read_flags(task, label)
    if task.head == "choice":
        return read_choice(label)
    if not isinstance(label, str) or label not in task.labels:
        raise ValueError(f"label {label!r} is not in the task's set ({', '.join(task.labels)})")
    return label


def read_number(label: Any) -> float:
    """Check a regression label: a finite number."""
    if isinstance(label, bool) or not isinstance(label, int | float) or not abs(label) < _LARGEST_NUMBER:
        raise ValueError(f"label {str(label)[:40]!r} is not a number, or not one of this size")
    return float(label)


def read_flags(task: Task, label: Any) -> list[int]:
    """Check a multi-label vector: one 0 or 1 per label."""
    size = len(task.labels)
    if not isinstance(label, list) or len(label) != size or not all(flag in (0, 1) for flag in label):
        raise ValueError(f"label {str(label)[:60]} should be a list of {size} zeros and ones")
    return [int(flag) for flag in label]


def read_choice(label: Any) -> int:
    """Check a multiple-choice label: 0 to 3."""
    if isinstance(label, bool) or not isinstance(label, int) or label not in range(4):
        raise ValueError(f"label {label!r} is not one of 0, 1, 2, 3")
    return label


def pair_text(example: Row) -> str:
    """Both texts, by which two splits are compared."""
    return "\n".join(filter(None, (example["text"], example["text_pair"])))


def decode_class(task: Task, output: np.ndarray) -> tuple[str, dict[str, float]]:
    """The best label and all probabilities, from logits of shape (labels,)."""
    probabilities = softmax(output)
    return task.labels[int(output.argmax())], _named(task, probabilities)


def decode_flags(task: Task, output: np.ndarray) -> tuple[list[int], dict[str, float]]:
    """Every label whose sigmoid exceeds 0.5, from logits of shape (labels,)."""
    import numpy as np

    return [int(value > 0) for value in output], _named(task, 1 / (1 + np.exp(-output.astype(np.float64))))


def decode_number(task: Task, output: np.ndarray) -> tuple[float, float]:
    """The single output, as prediction and as score."""
    return float(output[0]), float(output[0])


def decode_choice(task: Task, output: np.ndarray) -> tuple[int, list[float]]:
    """The best option and the probabilities of all, from one logit per option."""
    return int(output.argmax()), [round(float(value), 6) for value in softmax(output)]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    import numpy as np

    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _named(task: Task, values: np.ndarray) -> dict[str, float]:
    return {label: round(float(value), 6) for label, value in zip(task.labels, values, strict=True)}
