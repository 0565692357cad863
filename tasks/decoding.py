"""From the outputs of a model to predictions in the form of the prepared label, and the scores behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..corpora.sources import Row
from .task import Task

if TYPE_CHECKING:
    import numpy as np

_DIGITS = 6  # of a probability in a predictions file


def decode_words(task: Task, output: np.ndarray, example: Row) -> tuple[list[str], list[float]]:
    """Return the best label of each word, and its probability.

    Args:
        task: the task, for its labels.
        output: logits, shape (words, labels). A word without a word piece is a row of NaN; its prediction is `O`, with
            probability 0.
        example: the example.
    """
    import numpy as np

    seen = ~np.isnan(output[:, 0])
    best = np.where(seen, np.nan_to_num(output).argmax(axis=1), 0)
    probabilities = softmax(np.nan_to_num(output)).max(axis=1) * seen
    return [task.labels[index] for index in best], [round(float(p), _DIGITS) for p in probabilities]


def decode_class(task: Task, output: np.ndarray, example: Row) -> tuple[str, dict[str, float]]:
    """Return the best label, and the probabilities of all labels, from logits of shape (labels,)."""
    probabilities = softmax(output)
    return task.labels[int(output.argmax())], _by_label(task, probabilities)


def decode_flags(task: Task, output: np.ndarray, example: Row) -> tuple[list[int], dict[str, float]]:
    """Return a 1 for every label whose sigmoid exceeds 0.5, else 0, from logits of shape (labels,)."""
    import numpy as np

    return [int(value > 0) for value in output], _by_label(task, 1 / (1 + np.exp(-output.astype(np.float64))))


def decode_number(task: Task, output: np.ndarray, example: Row) -> tuple[float, float]:
    """Return the single output of a regression head, as prediction and as score."""
    return float(output[0]), float(output[0])


def decode_choice(task: Task, output: np.ndarray, example: Row) -> tuple[int, list[float]]:
    """Return the index of the best option, and the probabilities of all options, from one logit per option."""
    return int(output.argmax()), [round(float(value), _DIGITS) for value in softmax(output)]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, computed in float64."""
    import numpy as np

    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _by_label(task: Task, values: np.ndarray) -> dict[str, float]:
    return {label: round(float(value), _DIGITS) for label, value in zip(task.labels, values, strict=True)}
