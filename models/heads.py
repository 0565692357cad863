"""The six kinds of head. Everything that differs between them is an attribute of `Head`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import head_functions as functions
from .head_functions import IGNORED, UNSCORED, Batch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

__all__ = ["HEADS", "IGNORED", "UNSCORED", "Batch", "Head", "HeadKind"]

HeadKind = Literal["token", "sequence", "multi-label", "regression", "choice", "span", "features", "pretraining"]
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]


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
        outputs: (logits, batch) -> one array per example.
        encoded_label: returns the Arrow type of the label of an encoded example.
        logits: (output of the model, number of sequences of each example) -> the logits that `loss` and `outputs` read.
        per_word: the input is a list of words, and each word has a label and a prediction.
        every_token: the head reads every token, not only the first one of each sequence.
        finds_spans: the encoded rows say where each token lies in a text.
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
    logits: Callable[[Any, np.ndarray], torch.Tensor] = functions.logits
    per_word: bool = False
    every_token: bool = False
    finds_spans: bool = False
    per_option: bool = False
    float_labels: bool = False
    default_labels: tuple[str, ...] = ("score",)
    problem_type: ProblemType | None = None
    pipeline_tag: str = "text-classification"


HEADS: dict[HeadKind, Head] = {
    head.kind: head
    for head in (
        Head(
            "token",
            "AutoModelForTokenClassification",
            "DataCollatorForTokenClassification",
            functions.token_loss,
            functions.count_words,
            functions.per_word,
            functions.tags,
            per_word=True,
            every_token=True,
            pipeline_tag="token-classification",
        ),
        Head(
            "sequence",
            "AutoModelForSequenceClassification",
            "DataCollatorWithPadding",
            functions.class_loss,
            functions.count_examples,
            functions.per_example,
            functions.class_index,
            logits=functions.mean_logits,
            problem_type="single_label_classification",
        ),
        Head(
            "multi-label",
            "AutoModelForSequenceClassification",
            "DataCollatorWithPadding",
            functions.multi_label_loss,
            functions.count_examples,
            functions.per_example,
            functions.flags,
            logits=functions.mean_logits,
            float_labels=True,
            problem_type="multi_label_classification",
        ),
        Head(
            "regression",
            "AutoModelForSequenceClassification",
            "DataCollatorWithPadding",
            functions.regression_loss,
            functions.count_examples,
            functions.per_example,
            functions.number,
            logits=functions.mean_logits,
            float_labels=True,
            problem_type="regression",
        ),
        Head(
            "choice",
            "AutoModelForMultipleChoice",
            "DataCollatorForMultipleChoice",
            functions.class_loss,
            functions.count_examples,
            functions.per_option,
            functions.class_index,
            logits=functions.option_logits,
            per_option=True,
            default_labels=(),
            pipeline_tag="multiple-choice",
        ),
        Head(
            "span",
            "AutoModelForQuestionAnswering",
            "DataCollatorWithPadding",
            functions.span_loss,
            functions.count_sequences,
            functions.per_token,
            functions.tags,
            logits=functions.span_logits,
            every_token=True,
            finds_spans=True,
            default_labels=(),
            pipeline_tag="question-answering",
        ),
    )
}
