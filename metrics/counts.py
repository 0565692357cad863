"""Each metric as a function of sums over examples, so that a resampled test set is scored without its predictions.

Every metric of the benchmark depends on the test set through a few sums: true positives and numbers of predicted and
gold entities for F1, hits for accuracy, moments for Pearson's r. `counts` returns the summands of each example, and
`score_of_sums` the score of their sums. On the whole test set it equals `metrics.scores.score`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from .answer_texts import exact_match, word_f1

Labels = Sequence[str]


@dataclass(frozen=True)
class _Sums:
    """A metric in its additive form.

    Attributes:
        counts: (predictions, gold labels, labels, negative class) -> array (examples, sums) of summands.
        score: array (..., sums) -> score x100 of shape (...).
    """

    counts: Callable[[Sequence[Any], Sequence[Any], Labels, str | None], np.ndarray]
    score: Callable[[np.ndarray], np.ndarray]


def counts(
    metric: str, predictions: Sequence[Any], gold: Sequence[Any], labels: Labels = (), negative: str | None = None
) -> np.ndarray:
    """Return the summands of each example.

    Args:
        metric: one of `METRICS`.
        predictions: one prediction per example, in the form of the prepared label.
        gold: the gold labels in the same order.
        labels: all labels in the task's order.
        negative: the label that F1 leaves out, or None.

    Returns:
        Array of float64, shape (examples, sums).

    Raises:
        ValueError: predictions and gold labels differ in number or form.
    """
    if len(predictions) != len(gold):
        raise ValueError(f"{len(predictions)} predictions for {len(gold)} gold labels")
    return _SUMS[metric].counts(predictions, gold, labels, negative)


def score_of_sums(metric: str, sums: np.ndarray) -> np.ndarray:
    """Return the score, x100, of each row of sums; an undefined one is 0, as in `metrics.scores`.

    Args:
        metric: one of `METRICS`.
        sums: array of shape (..., sums).
    """
    return 100 * _SUMS[metric].score(sums)


def _entity_counts(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    """Count entities by the rules of conlleval: true positives, predicted, gold."""
    examples, lengths = _examples_of_words(predictions, gold)
    starts, ends, kinds = zip(
        *(_entities(tags, lengths) for tags in (predictions, gold)), strict=True
    )  # each of them: (predicted, gold)
    same = starts[0] & starts[1] & (ends[0] == ends[1]) & (kinds[0] == kinds[1])
    return _per_example(examples, len(gold), (same, *starts))


def _entities(sentences: Sequence[Sequence[str]], lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for every word whether an entity starts there, the word after that entity, and a number of its type."""
    tags = list(chain.from_iterable(sentences))
    codes = {tag: number for number, tag in enumerate(dict.fromkeys(tags))}
    index = np.fromiter(map(codes.__getitem__, tags), dtype=np.int64, count=len(tags))
    # A hash gives a type the same number among the predictions and among the gold labels.
    kind_of = np.array([hash(tag.partition("-")[2]) for tag in codes], dtype=np.int64)
    outside_of = np.array([tag == "O" for tag in codes], dtype=bool)
    begins_of = np.array([tag.startswith("B") for tag in codes], dtype=bool)
    if not len(tags):
        return np.zeros(0, bool), np.zeros(0, np.int64), np.zeros(0, np.int64)
    kinds, outside, begins = kind_of[index], outside_of[index], begins_of[index]
    first = np.zeros(len(tags), dtype=bool)
    first[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    differs = np.ones(len(tags), dtype=bool)
    differs[1:] = outside[:-1] | (kinds[1:] != kinds[:-1])
    starts = ~outside & (begins | first | differs)
    # An entity ends before the next word that does not continue it.
    breaks = np.flatnonzero(outside | starts | first)
    ends = np.append(breaks, len(tags))[np.searchsorted(breaks, np.arange(len(tags)), side="right")]
    return starts, ends, kinds


def _word_counts(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    """Count words of each positive class: true positives, predicted, gold, for one class after the other."""
    examples, _ = _examples_of_words(predictions, gold)
    predicted, true = (np.array(list(chain.from_iterable(tags)), dtype=object) for tags in (predictions, gold))
    columns = []
    for label in _positive(labels, negative):
        chosen, is_true = predicted == label, true == label
        columns += [chosen & is_true, chosen, is_true]
    return _per_example(examples, len(gold), columns)


def _label_counts(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    """Count examples of any positive class: true positives, predicted, gold."""
    positive = _positive(labels, negative)
    rows = [
        (given in positive and given == true, given in positive, true in positive)
        for given, true in zip(predictions, gold, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(gold), 3)


def _macro_counts(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    """Count examples of each positive class: true positives, predicted, gold, for one class after the other."""
    given, true = (np.array(values, dtype=object) for values in (predictions, gold))
    columns = []
    for label in _positive(labels, negative):
        columns += [(given == label) & (true == label), given == label, true == label]
    return np.stack(columns, axis=1).astype(np.float64)


def _flag_counts(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    """Count decisions for a label: true positives, predicted, gold."""
    given, true = np.array(predictions, dtype=bool), np.array(gold, dtype=bool)
    return np.stack([(given & true).sum(1), given.sum(1), true.sum(1)], axis=1).astype(np.float64)


def _hits(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    hits = [str(given) == str(true) for given, true in zip(predictions, gold, strict=True)]
    return np.stack([np.array(hits, dtype=np.float64), np.ones(len(gold))], axis=1)


def _moments(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    """Return 1, x, y, xx, yy, xy. The values are standardised first, which r does not depend on, for exact sums."""
    given, true = (_standardised(np.array(values, dtype=np.float64)) for values in (predictions, gold))
    return np.stack([np.ones(len(true)), given, true, given**2, true**2, given * true], axis=1)


def _rank_moments(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    """Return the moments of ranks. The ranks are those in the whole test set, also where a part of it is drawn."""
    from scipy.stats import rankdata

    return _moments(rankdata(predictions), rankdata(gold), labels, negative)


def _answer_counts(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    return _means(word_f1, predictions, gold)


def _exact_counts(predictions, gold, labels: Labels, negative: str | None) -> np.ndarray:
    return _means(exact_match, predictions, gold)


def _means(score: Callable[[str, Sequence[str]], float], predictions, gold) -> np.ndarray:
    values = [score(given, true) for given, true in zip(predictions, gold, strict=True)]
    return np.stack([np.array(values, dtype=np.float64), np.ones(len(gold))], axis=1)


def _standardised(values: np.ndarray) -> np.ndarray:
    # Constant values become exact zeros, so that their correlation is recognised as undefined.
    spread = values.std() if len(values) and values.min() != values.max() else 0
    return (values - values.mean()) / spread if spread else np.zeros(len(values))


def _f1(sums: np.ndarray) -> np.ndarray:
    total = sums[..., 1] + sums[..., 2]
    return 2 * sums[..., 0] / np.where(total > 0, total, 1)


def _macro_f1(sums: np.ndarray) -> np.ndarray:
    return np.mean([_f1(sums[..., k : k + 3]) for k in range(0, sums.shape[-1], 3)], axis=0)


def _accuracy(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], 1)


def _pearson(sums: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    of_x, of_y = n * xx - x * x, n * yy - y * y
    # Of standardised values, n * xx is about n * n; what is left below this of either is rounding.
    defined = np.minimum(of_x, of_y) > 1e-12 * n * n
    r = (n * xy - x * y) / np.sqrt(np.where(defined, of_x * of_y, 1))
    return np.where(defined, np.clip(r, -1, 1), 0)


def _positive(labels: Labels, negative: str | None) -> list[str]:
    return [label for label in labels if label != negative]


def _examples_of_words(predictions, gold) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of each word's example, and the number of words of each example."""
    lengths = np.fromiter(map(len, gold), dtype=np.int64, count=len(gold))
    if list(map(len, predictions)) != lengths.tolist():
        raise ValueError("a sentence has another number of predicted tags than of words")
    return np.repeat(np.arange(len(gold)), lengths), lengths


def _per_example(examples: np.ndarray, count: int, columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([np.bincount(examples, weights=column, minlength=count) for column in columns], axis=1)


_SUMS = {
    "entity_f1": _Sums(_entity_counts, _f1),
    "word_macro_f1": _Sums(_word_counts, _macro_f1),
    "micro_f1": _Sums(_label_counts, _f1),
    "macro_f1": _Sums(_macro_counts, _macro_f1),
    "multi_label_micro_f1": _Sums(_flag_counts, _f1),
    "pearson": _Sums(_moments, _pearson),
    "spearman": _Sums(_rank_moments, _pearson),
    "accuracy": _Sums(_hits, _accuracy),
    "squad_f1": _Sums(_answer_counts, _accuracy),
    "exact_match": _Sums(_exact_counts, _accuracy),
}
