"""The scores of the benchmark. All values are x100 and unrounded; an undefined score is 0 with a note."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import evaluate
import numpy as np
import scipy.stats
import seqeval.metrics
import sklearn.metrics

from . import METRICS

# None of the three states the types of these functions as they are.
_SCIPY_STATS: Any = scipy.stats
_SEQEVAL_METRICS: Any = seqeval.metrics
_SKLEARN_METRICS: Any = sklearn.metrics

Labels = Sequence[str]
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Scored:
    """The outcome of one metric.

    Attributes:
        score: the number that the benchmark reports.
        metrics: every number by name, the score among them, with per-class detail as `name/class`.
        notes: what a reader must know, such as a score that is undefined.
    """

    score: float
    metrics: dict[str, float]
    notes: tuple[str, ...] = ()


def score(
    name: str,
    predictions: Sequence[Any],
    gold: Sequence[Any],
    labels: Sequence[str] = (),
    negative: str | None = None,
) -> Scored:
    """Score predictions against gold labels, both in the prepared form and in the same order.

    Args:
        name: one of `METRICS`.
        predictions: one per example.
        gold: one per example.
        labels: the label set, in the task's order.
        negative: the class that F1 leaves out.
    """
    metric = _CLASSES[name](keep_in_memory=True)
    result = metric.compute(
        predictions=list(predictions), references=list(gold), labels=list(labels), negative=negative
    )
    if result is None:
        raise RuntimeError("evaluate computes on the main process only, and this is another")
    notes = tuple(result.pop("notes"))
    return Scored(result[name], result, notes)


class _Metric(evaluate.Metric):
    """Shared plumbing: a description from the docstring and the features of predictions and references."""

    feature: Any

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation="",
            inputs_description="predictions and references in the prepared form, one per example",
            features=datasets.Features({"predictions": self.feature, "references": self.feature}),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **options: Any) -> Numbers:
        return self.score(list(predictions), list(references), options["labels"], options["negative"])

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Score predictions in the prepared form: numbers by name, x100, and `notes`."""
        raise NotImplementedError


class EntityF1(_Metric):
    """Micro F1 over entities as seqeval counts them in its default (conlleval) mode."""

    feature = datasets.Sequence(datasets.Value("string"))

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """See `_Metric.score`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "no predicted samples": told as a note below
            report = _SEQEVAL_METRICS.classification_report(references, predictions, output_dict=True, zero_division=0)
        total = report["micro avg"] if "micro avg" in report else {"precision": 0, "recall": 0, "f1-score": 0}
        detail = {}
        for name, values in report.items():
            if not name.endswith(" avg"):
                detail |= {f"{key}/{name}": 100 * float(values[field]) for key, field in _SEQEVAL.items()}
        return {
            "entity_f1": 100 * float(total["f1-score"]),
            "precision": 100 * float(total["precision"]),
            "recall": 100 * float(total["recall"]),
            **detail,
            "notes": _no_positive(
                any(tag != "O" for tags in references for tag in tags),
                any(tag != "O" for tags in predictions for tag in tags),
            ),
        }


_SEQEVAL = {"f1": "f1-score", "precision": "precision", "recall": "recall"}


class WordMacroF1(_Metric):
    """Mean of the positive classes' word-level F1 (PICO: participants, interventions, outcomes)."""

    feature = datasets.Sequence(datasets.Value("string"))

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """See `_Metric.score`."""
        gold = [tag for tags in references for tag in tags]
        predicted = [tag for tags in predictions for tag in tags]
        if len(gold) != len(predicted):
            raise ValueError("predictions and references differ in their number of words")
        return _f1("word_macro_f1", "macro", predicted, gold, labels, negative)


class MicroF1(_Metric):
    """Micro F1 over the positive classes (one positive class: that class's F1)."""

    feature = datasets.Value("string")

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """See `_Metric.score`."""
        return _f1("micro_f1", "micro", predictions, references, labels, negative)


class MultiLabelMicroF1(_Metric):
    """Micro F1 over all (document, label) decisions."""

    feature = datasets.Sequence(datasets.Value("int8"))

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """See `_Metric.score`."""
        gold, predicted = np.array(references), np.array(predictions)
        total = _SKLEARN_METRICS.precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
        each = _SKLEARN_METRICS.precision_recall_fscore_support(gold, predicted, average=None, zero_division=0)
        return {
            "multi_label_micro_f1": 100 * float(total[2]),
            "precision": 100 * float(total[0]),
            "recall": 100 * float(total[1]),
            **_per_class(labels, each),
            "notes": _no_positive(bool(gold.any()), bool(predicted.any())),
        }


class Pearson(_Metric):
    """Pearson correlation of predicted and gold scores."""

    feature = datasets.Value("float64")

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """See `_Metric.score`."""
        if len(predictions) < 2 or _constant(predictions) or _constant(references):
            return {"pearson": 0.0, "notes": ["Pearson's r is undefined for constant values: counted as 0"]}
        r = float(_SCIPY_STATS.pearsonr(predictions, references).statistic)
        if not math.isfinite(r):
            return {"pearson": 0.0, "notes": ["Pearson's r is not finite: counted as 0"]}
        return {"pearson": 100 * r, "notes": []}


class Accuracy(_Metric):
    """Share of examples whose predicted label is the gold one."""

    feature = datasets.Value("string")

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """See `_Metric.score`."""
        names = list(labels) or sorted({*references, *predictions})
        detail = {}
        for name in names:
            chosen = [
                prediction == name for prediction, gold in zip(predictions, references, strict=True) if gold == name
            ]
            if chosen:
                detail[f"recall/{name}"] = 100 * sum(chosen) / len(chosen)
        return {
            "accuracy": 100 * float(_SKLEARN_METRICS.accuracy_score(references, predictions)),
            **detail,
            "notes": [],
        }


def _f1(name: str, average: str, predicted, gold, labels, negative) -> dict[str, Any]:
    positive = [label for label in labels if label != negative]
    total = _SKLEARN_METRICS.precision_recall_fscore_support(
        gold, predicted, labels=positive, average=average, zero_division=0
    )
    each = _SKLEARN_METRICS.precision_recall_fscore_support(
        gold, predicted, labels=positive, average=None, zero_division=0
    )
    return {
        name: 100 * float(total[2]),
        "precision": 100 * float(total[0]),
        "recall": 100 * float(total[1]),
        **_per_class(positive, each),
        "notes": _no_positive(any(x in positive for x in gold), any(x in positive for x in predicted)),
    }


def _per_class(labels: Sequence[str], each: Any) -> dict[str, float]:
    detail = {}
    for index, label in enumerate(labels):
        for key, values in (("f1", each[2]), ("precision", each[0]), ("recall", each[1])):
            detail[f"{key}/{label}"] = 100 * float(values[index])
    return detail


def _no_positive(in_gold: bool, in_predictions: bool) -> list[str]:
    if in_gold and in_predictions:
        return []
    where = "gold labels" if not in_gold else "predictions"
    return [f"no positive among the {where}: F1 is counted as 0"]


def _constant(values: Sequence[float]) -> bool:
    return max(values) == min(values)


_CLASSES: dict[str, type[_Metric]] = {
    "entity_f1": EntityF1,
    "word_macro_f1": WordMacroF1,
    "micro_f1": MicroF1,
    "multi_label_micro_f1": MultiLabelMicroF1,
    "pearson": Pearson,
    "accuracy": Accuracy,
}
if tuple(_CLASSES) != METRICS:
    raise RuntimeError("metrics.METRICS and the classes differ")
