"""Trivial baselines: what constant predictions score. A model below them has learnt nothing that the score shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from .counts import Labels, counts, score_of_sums


@dataclass(frozen=True)
class Baseline:
    """A constant prediction and its score.

    Attributes:
        name: what is predicted, e.g. `majority class (yes)`.
        score: the score, x100.
    """

    name: str
    score: float


def baseline(metric: str, gold: Sequence[Any], labels: Labels = (), negative: str | None = None) -> Baseline:
    """Return the trivial baseline of a test set.

    The constant is chosen on the test set itself: the majority class for accuracy, a positive for everything for F1
    (with several positive classes, the most frequent one), and the mean for Pearson's r, where it scores 0. It is
    therefore the best that a constant prediction of its kind can reach.

    Args:
        metric: one of `METRICS`.
        gold: the gold labels in their prepared form.
        labels: all labels in the task's order.
        negative: the label that F1 leaves out, or None.

    Raises:
        ValueError: there is no gold label.
    """
    if not gold:
        raise ValueError("a baseline needs at least one gold label")
    name, predictions = _CONSTANTS[metric](gold, [label for label in labels if label != negative])
    sums = counts(metric, predictions, gold, labels, negative).sum(axis=0)
    return Baseline(name, float(score_of_sums(metric, sums)))


def _entities(gold: Sequence[Any], positive: list[str]) -> tuple[str, list[Any]]:
    kinds = [tag for tag in chain.from_iterable(gold) if tag.startswith("B-")] or [positive[0]]
    tag = _most_common(kinds)
    return "every word an entity", [[tag] * len(tags) for tags in gold]


def _words(gold: Sequence[Any], positive: list[str]) -> tuple[str, list[Any]]:
    tag = _most_common([tag for tag in chain.from_iterable(gold) if tag in positive] or positive)
    return f"every word {tag.partition('-')[2] or tag}", [[tag] * len(tags) for tags in gold]


def _classes(gold: Sequence[Any], positive: list[str]) -> tuple[str, list[Any]]:
    label = _most_common([label for label in gold if label in positive] or positive)
    return "all positive" if len(positive) == 1 else f"always {label}", [label] * len(gold)


def _flags(gold: Sequence[Any], positive: list[str]) -> tuple[str, list[Any]]:
    return "every label", [[1] * len(gold[0])] * len(gold)


def _mean(gold: Sequence[Any], positive: list[str]) -> tuple[str, list[Any]]:
    return "mean", [sum(gold) / len(gold)] * len(gold)


def _majority(gold: Sequence[Any], positive: list[str]) -> tuple[str, list[Any]]:
    label = _most_common(gold)
    return f"majority class ({label})", [label] * len(gold)


def _no_answer(gold: Sequence[Any], positive: list[str]) -> tuple[str, list[Any]]:
    return "no answer", [""] * len(gold)


def _most_common(values: Sequence[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]


# For each metric, (gold labels, positive labels) -> (name of the constant, predictions).
_CONSTANTS: dict[str, Callable[[Sequence[Any], list[str]], tuple[str, list[Any]]]] = {
    "entity_f1": _entities,
    "word_macro_f1": _words,
    "micro_f1": _classes,
    "macro_f1": _classes,
    "multi_label_micro_f1": _flags,
    "pearson": _mean,
    "spearman": _mean,
    "accuracy": _majority,
    "squad_f1": _no_answer,
    "exact_match": _no_answer,
}
