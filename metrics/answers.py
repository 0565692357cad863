"""Scores of answers that are texts: exact match and F1 over words, by the rules of SQuAD's official script."""

from __future__ import annotations

from typing import Any

import datasets

from .answer_texts import exact_match, word_f1
from .metric import Labels, Metric, Numbers


class _AnswerMetric(Metric):
    """The base of exact match and F1: both read texts, and compare each with several right answers."""

    feature = datasets.Value("string")
    gold_feature = datasets.Sequence(datasets.Value("string"))

    def score(self, predictions: list[Any], references: list[Any], labels: Labels, negative: str | None) -> Numbers:
        """Return `squad_f1` and `exact_match`, each also over the questions with and without an answer."""
        f1 = [word_f1(given, true) for given, true in zip(predictions, references, strict=True)]
        exact = [exact_match(given, true) for given, true in zip(predictions, references, strict=True)]
        found: Numbers = {"squad_f1": _mean(f1), "exact_match": _mean(exact)}
        answerable = [bool(true) for true in references]
        if not all(answerable):
            for part, wanted in (("answerable", True), ("unanswerable", False)):
                for name, values in (("squad_f1", f1), ("exact_match", exact)):
                    chosen = [value for value, is_one in zip(values, answerable, strict=True) if is_one == wanted]
                    if chosen:
                        found[f"{name}/{part}"] = _mean(chosen)
        return found | {"notes": []}


def _mean(values: list[float]) -> float:
    return 100 * sum(values) / len(values) if values else 0.0


class SquadF1(_AnswerMetric):
    """Mean F1 of the words of the predicted and the accepted answers."""


class ExactMatch(_AnswerMetric):
    """Share of the questions whose predicted answer equals an accepted one after normalisation."""
