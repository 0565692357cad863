"""The base class of the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import datasets
import evaluate

Labels = Sequence[str]
Numbers = dict[str, Any]


class Metric(evaluate.Metric):
    """Base class of the metrics. It connects a method `score` with the interface of `evaluate`.

    Attributes:
        feature: the type of one prediction or gold label, a feature of `datasets`.
        gold_feature: the type of one gold label; `feature` if None.
        convert: turns a prediction or gold label in its prepared form into that type.
    """

    feature: Any
    gold_feature: Any = None
    convert: Callable[[Any], Any] = staticmethod(lambda value: value)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation="",
            inputs_description="predictions and references in the prepared form, one per example",
            features=datasets.Features({"predictions": self.feature, "references": self.gold_feature or self.feature}),
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **options: Any) -> Numbers:
        return self.score(list(predictions), list(references), options["labels"], options["negative"])

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return all numbers by name, x100, and under `notes` a list of remarks.

        Args:
            predictions: one per example, each of the type `feature`.
            references: the gold labels, of the same type and in the same order.
            labels: all labels in the task's order.
            negative: the label that is left out of F1, or None.
        """
        raise NotImplementedError
