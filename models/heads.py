"""The five kinds of head. Everything that differs between them is an attribute of `Head`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

HeadKind = Literal["token", "sequence", "multi-label", "regression", "choice"]
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]

IGNORED = -100  # label of a word piece that the loss leaves out
UNSCORED = -1  # word index of a word piece at which nothing is predicted


class Batch(Protocol):
    """What `Head.outputs` needs to know of the batch that gave the logits; `training.collation.Batch` has it.

    Attributes:
        word_positions: for each word of all examples the index of its logits among the flattened logits, or -1 if the
            word has no word piece; int, shape (words,). None for heads that do not read words.
        n_words: the number of words of each example, shape (examples,), or None.
    """

    @property
    def word_positions(self) -> np.ndarray | None: ...  # noqa: D102

    @property
    def n_words(self) -> np.ndarray | None: ...  # noqa: D102


@dataclass(frozen=True)
class Head:
    """How one kind of head is loaded, trained and read.

    Attributes:
        kind: the name of this kind.
        auto_class: name of the class of `transformers` that loads an encoder with this head.
        data_collator: name of the class of `transformers` that pads batches for this head (used to measure its
            `Trainer`).
        loss: (logits, labels) -> float32 loss, summed over words or examples; the caller divides it by `count`.
        count: labels -> number of words or examples that the loss was summed over.
        outputs: (logits, batch) -> one float32 array per example.
        encoded_label: returns the Arrow type of the label of an encoded example.
        per_word: the input is a list of words, and each word has a label and a prediction.
        per_option: an example consists of several sequences, one per option, and the head scores each of them.
        float_labels: labels are float32 numbers instead of class indices.
        default_labels: names of the outputs of a task that names no labels; empty if the head has no named outputs.
        problem_type: what the saved configuration says, so that pipelines of `transformers` treat outputs correctly.
        pipeline_tag: what the Hugging Face hub calls the task of its models.
    """

    kind: HeadKind
    auto_class: str
    data_collator: str
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    count: Callable[[torch.Tensor], torch.Tensor]
    outputs: Callable[[torch.Tensor, Batch], list[np.ndarray]]
    encoded_label: Callable[[], pa.DataType]
    per_word: bool = False
    per_option: bool = False
    float_labels: bool = False
    default_labels: tuple[str, ...] = ("score",)
    problem_type: ProblemType | None = None
    pipeline_tag: str = "text-classification"


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

    # The loss of one example is the mean over its labels, as in the authors' scripts.
    return functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum") / labels.shape[-1]


def _regression_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.mse_loss(logits.float().squeeze(-1), labels, reduction="sum")


def _count_words(labels: torch.Tensor) -> torch.Tensor:
    return (labels != IGNORED).sum()


def _count_examples(labels: torch.Tensor) -> torch.Tensor:
    return labels.new_tensor(labels.shape[0]).long()


def _per_example(logits: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    return list(logits.float().cpu().numpy())


def _per_word(logits: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """Return one array of shape (words, labels) per example; a word without a word piece is a row of NaN."""
    import numpy as np

    if batch.word_positions is None or batch.n_words is None:
        raise ValueError("a batch for a token head needs the positions of its words")
    values = logits.float().cpu().numpy().reshape(-1, logits.shape[-1])[batch.word_positions]
    values[batch.word_positions < 0] = np.nan
    return np.split(values, np.cumsum(batch.n_words)[:-1])


def _tags() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.list_(pa.int16()))  # one list per window, one label per word piece


def _class_index() -> pa.DataType:
    import pyarrow as pa

    return pa.int32()


def _number() -> pa.DataType:
    import pyarrow as pa

    return pa.float32()


def _flags() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.float32())


HEADS: dict[HeadKind, Head] = {
    head.kind: head
    for head in (
        Head(
            "token",
            "AutoModelForTokenClassification",
            "DataCollatorForTokenClassification",
            _token_loss,
            _count_words,
            _per_word,
            _tags,
            per_word=True,
            pipeline_tag="token-classification",
        ),
        Head(
            "sequence",
            "AutoModelForSequenceClassification",
            "DataCollatorWithPadding",
            _class_loss,
            _count_examples,
            _per_example,
            _class_index,
            problem_type="single_label_classification",
        ),
        Head(
            "multi-label",
            "AutoModelForSequenceClassification",
            "DataCollatorWithPadding",
            _multi_label_loss,
            _count_examples,
            _per_example,
            _flags,
            float_labels=True,
            problem_type="multi_label_classification",
        ),
        Head(
            "regression",
            "AutoModelForSequenceClassification",
            "DataCollatorWithPadding",
            _regression_loss,
            _count_examples,
            _per_example,
            _number,
            float_labels=True,
            problem_type="regression",
        ),
        Head(
            "choice",
            "AutoModelForMultipleChoice",
            "DataCollatorForMultipleChoice",
            _class_loss,
            _count_examples,
            _per_example,
            _class_index,
            per_option=True,
            default_labels=(),
            pipeline_tag="multiple-choice",
        ),
    )
}
