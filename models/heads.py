"""The five kinds of head: one entry each, and the only place where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

IGNORED = -100  # label of a piece that the loss leaves out
UNSCORED = -1  # word index of a piece at which nothing is predicted


@dataclass(frozen=True)
class Head:
    """How one kind of head is loaded, trained and read.

    Attributes:
        auto_class: the class of `transformers` that loads an encoder with this head.
        problem_type: what the saved configuration says, so that pipelines treat outputs rightly.
        loss: (logits, labels) -> summed loss in float32; the caller divides by `count` of the whole update.
        count: labels -> how many words or examples the loss was summed over.
        outputs: (logits, batch) -> one array per example.
    """

    auto_class: str
    problem_type: str | None
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    count: Callable[[torch.Tensor], torch.Tensor]
    outputs: Callable[[torch.Tensor, Any], list[np.ndarray]]


def _token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def _class_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.cross_entropy(logits.float(), labels, reduction="sum")


def _multi_label_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    # An example's loss is the mean over its labels, as in the original.
    return functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum") / labels.shape[-1]


def _regression_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.mse_loss(logits.float().squeeze(-1), labels, reduction="sum")


def _count_words(labels: torch.Tensor) -> torch.Tensor:
    return (labels != IGNORED).sum()


def _count_examples(labels: torch.Tensor) -> torch.Tensor:
    return labels.new_tensor(labels.shape[0]).long()


def _per_example(logits: torch.Tensor, batch: Any) -> list[np.ndarray]:
    return list(logits.float().cpu().numpy())


def _per_word(logits: torch.Tensor, batch: Any) -> list[np.ndarray]:
    """Collect, per example, logits of shape (words, labels); a word without a piece is a row of NaN."""
    import numpy as np

    values = logits.float().cpu().numpy().reshape(-1, logits.shape[-1])[batch.word_positions]
    values[batch.word_positions < 0] = np.nan
    return np.split(values, np.cumsum(batch.n_words)[:-1])


HEADS = {
    "token": Head("AutoModelForTokenClassification", None, _token_loss, _count_words, _per_word),
    "sequence": Head(
        "AutoModelForSequenceClassification",
        "single_label_classification",
        _class_loss,
        _count_examples,
        _per_example,
    ),
    "multi-label": Head(
        "AutoModelForSequenceClassification",
        "multi_label_classification",
        _multi_label_loss,
        _count_examples,
        _per_example,
    ),
    "regression": Head(
        "AutoModelForSequenceClassification", "regression", _regression_loss, _count_examples, _per_example
    ),
    "choice": Head("AutoModelForMultipleChoice", None, _class_loss, _count_examples, _per_example),
}
HEAD_KINDS = tuple(HEADS)
