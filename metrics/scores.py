"""Scores of the benchmark, computed by seqeval, scikit-learn or scipy.

All values are multiplied by 100 and not rounded. A score that is undefined is 0, and a note says so.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import scipy.stats
import seqeval.metrics
import sklearn.metrics

from . import METRICS
from .answers import ExactMatch, SquadF1
from .metric import Labels, Metric, Numbers

# The type annotations of these libraries are missing or wrong, so type checkers must not look at them.
_SCIPY_STATS: Any = scipy.stats
_SEQEVAL_METRICS: Any = seqeval.metrics
_SKLEARN_METRICS: Any = sklearn.metrics


@dataclass(frozen=True)
class Scored:
    """The result of one metric.

    Attributes:
        score: the number that the benchmark reports, x100.
        metrics: all numbers by name, x100, including the score. Numbers of a single class are named `NAME/CLASS`, e.g.
            `f1/Disease`.
        notes: remarks for the reader, e.g. that a score is undefined.
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
    """Return the scores of predictions, compared with gold labels in the same order.

    A prediction and a gold label have the form of the prepared corpus: a list of tags, one per word (`entity_f1`,
    `word_macro_f1`), a label (`micro_f1`, `macro_f1`, `accuracy`), a list of 0 and 1, one per label
    (`multi_label_micro_f1`), a number (`pearson`, `spearman`), or a text and its list of accepted answers (`squad_f1`,
    `exact_match`).

    Args:
        name: name of the metric, one of `METRICS`.
        predictions: one prediction per example.
        gold: one gold label per example.
        labels: all labels in the task's order.
        negative: the label that `micro_f1` and `word_macro_f1` leave out, or None if they average over all labels.

    Raises:
        ValueError: predictions and gold labels differ in number or form.
        RuntimeError: this is not the main process of `evaluate`.
    """
    # The library makes a cache folder for each metric, by default below HF_HOME, which may be read-only. Nothing is
    # kept in it, so it goes to a temporary folder.
    with tempfile.TemporaryDirectory(prefix="linkbert-metric-") as folder:
        metric = _CLASSES[name](keep_in_memory=True, cache_dir=folder)
        result = metric.compute(
            predictions=[metric.convert(item) for item in predictions],
            references=[metric.convert(item) for item in gold],
            labels=list(labels),
            negative=negative,
        )
    if result is None:
        raise RuntimeError("evaluate returns scores on its main process only; call this function there")
    notes = tuple(result.pop("notes"))
    return Scored(result[name], result, notes)


class EntityF1(Metric):
    """Micro F1 over entities. Entities are counted by seqeval in its default mode, which agrees with conlleval."""

    feature = datasets.Sequence(datasets.Value("string"))

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return `entity_f1`, `precision` and `recall`, and F1, precision and recall of each entity type."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about entities that are missing; the notes below report that
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


class WordMacroF1(Metric):
    """Mean of the F1 of each positive class over words (for PICO: participants, interventions and outcomes)."""

    feature = datasets.Sequence(datasets.Value("string"))

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return `word_macro_f1`, mean `precision` and `recall`, and F1, precision and recall of each class."""
        gold = [tag for tags in references for tag in tags]
        predicted = [tag for tags in predictions for tag in tags]
        if list(map(len, references)) != list(map(len, predictions)):
            raise ValueError(
                f"word_macro_f1 needs one predicted tag for each word: found {len(predicted)} predicted tags for "
                f"{len(gold)} words"
            )
        return _f1("word_macro_f1", "macro", predicted, gold, labels, negative)


class MicroF1(Metric):
    """Micro F1 over the positive classes. If there is only one, this is the F1 of that class."""

    feature = datasets.Value("string")

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return `micro_f1`, `precision` and `recall`, and F1, precision and recall of each class."""
        return _f1("micro_f1", "micro", predictions, references, labels, negative)


class MacroF1(Metric):
    """Mean of the F1 of each positive class, in which rare classes count as much as frequent ones."""

    feature = datasets.Value("string")

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return `macro_f1`, mean `precision` and `recall`, and F1, precision and recall of each class."""
        return _f1("macro_f1", "macro", predictions, references, labels, negative)


class MultiLabelMicroF1(Metric):
    """Micro F1 over all decisions whether a document has a label."""

    feature = datasets.Sequence(datasets.Value("int8"))

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return `multi_label_micro_f1`, `precision` and `recall`, and F1, precision and recall of each label."""
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


class Pearson(Metric):
    """Pearson correlation of predicted and gold scores."""

    feature = datasets.Value("float64")

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return the correlation as `pearson`."""
        return _correlation("pearson", "Pearson's r", _SCIPY_STATS.pearsonr, predictions, references)


class Spearman(Metric):
    """Spearman's rank correlation of predicted and gold scores."""

    feature = datasets.Value("float64")

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return the correlation as `spearman`."""
        return _correlation("spearman", "Spearman's rho", _SCIPY_STATS.spearmanr, predictions, references)


def _correlation(name: str, title: str, function: Any, predictions: list[Any], references: list[Any]) -> Numbers:
    if len(predictions) < 2 or _constant(predictions) or _constant(references):
        return {name: 0.0, "notes": [f"{title} is undefined for constant values: counted as 0"]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", scipy.stats.NearConstantInputWarning)
        value = float(function(predictions, references).statistic)
    if not math.isfinite(value):
        return {name: 0.0, "notes": [f"{title} is not finite: counted as 0"]}
    inexact = [f"{title} is inexact: the values are nearly constant"] if caught else []
    return {name: 100 * value, "notes": inexact}


class Accuracy(Metric):
    """Share of the examples whose predicted label equals the gold label."""

    feature = datasets.Value("string")
    convert = str  # The label of a multiple-choice question is the number of an option.

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return `accuracy`, and the recall of each label that occurs in the gold labels."""
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
    """Return F1, precision and recall over all labels but `negative`; `average` is `micro` or `macro`."""
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
    """Return a note if the gold labels or the predictions contain no positive class, else an empty list."""
    if in_gold and in_predictions:
        return []
    where = "gold labels" if not in_gold else "predictions"
    return [f"no positive among the {where}: F1 is counted as 0"]


def _constant(values: Sequence[float]) -> bool:
    return max(values) == min(values)


_CLASSES: dict[str, type[Metric]] = {
    "entity_f1": EntityF1,
    "word_macro_f1": WordMacroF1,
    "micro_f1": MicroF1,
    "macro_f1": MacroF1,
    "multi_label_micro_f1": MultiLabelMicroF1,
    "pearson": Pearson,
    "spearman": Spearman,
    "accuracy": Accuracy,
    "squad_f1": SquadF1,
    "exact_match": ExactMatch,
}
if tuple(_CLASSES) != METRICS:
    raise RuntimeError(f"metrics.METRICS must list the names {tuple(_CLASSES)} in this order; found {METRICS}")
