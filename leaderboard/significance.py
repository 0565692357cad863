"""Tests of differences: paired ones on the same examples, and Welch's from printed means and deviations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from scipy import stats

from ..metrics.counts import score_of_sums
from .resampling import LEVEL, RESAMPLES, Estimate, Sample, chunks

ALPHA = 1 - LEVEL
POWER = 0.8
_EQUAL = 1e-9  # differences of scores below this are rounding


def exchanged(pairs: Sequence[tuple[Sample, Sample]], resamples: int = RESAMPLES) -> list[np.ndarray]:
    """Return differences between two models after their predictions were exchanged on random documents.

    If the models are equally good, it does not matter which of them made which prediction (approximate randomisation,
    Noreen 1989). Each run of one model is paired with each run of the other one, or with its counterpart where there
    are equally many, and all runs are exchanged on the same documents.

    Args:
        pairs: pairs of samples of one task.
        resamples: number of random exchanges.

    Returns:
        For each pair an array of shape (resamples).
    """
    matched = [_matched(first, second) for first, second in pairs]
    documents = pairs[0][0].documents
    random = np.random.default_rng([crc32(pairs[0][0].task.encode()), 2])
    found: list[list[np.ndarray]] = [[] for _ in pairs]
    for rows in chunks(resamples, documents):
        swap = random.integers(0, 2, (rows, documents), dtype=np.int8).astype(np.float64)
        for (first, second), differences, (sample, _) in zip(matched, found, pairs, strict=True):
            shape = (rows, first.shape[0], first.shape[2])
            moved = (swap @ np.moveaxis(second - first, 1, 0).reshape(documents, -1)).reshape(shape)
            one = score_of_sums(sample.metric, first.sum(axis=1) + moved)
            other = score_of_sums(sample.metric, second.sum(axis=1) - moved)
            differences.append((one - other).mean(axis=1))
    return [np.concatenate(parts) for parts in found]


def _matched(first: Sample, second: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of both with as many runs each, so that each run counts equally often."""
    runs = math.lcm(first.seeds, second.seeds)
    one, other = (np.resize(np.arange(sample.seeds), runs) for sample in (first, second))
    return first.counts[one], second.counts[other]


def exchange_p(difference: Estimate, null: np.ndarray) -> float:
    """Return the two-sided p-value of a difference under random exchange.

    Seeds are part of the experiment that is repeated. Their noise is added to the null distribution, which is widened
    by a chi-square draw for each exchange, because the variance of a few seeds is itself uncertain (this turns a normal
    into a t distribution).

    Args:
        difference: the observed difference, with the variance of its seeds.
        null: differences after random exchange, shape (resamples).
    """
    null = null + difference.seed_noise()
    spread = sum(part.raw**2 / part.df for part in difference.seeds) if difference.seed_variance else 0.0
    if spread > 0:
        df = max(1.0, float(null.var()) ** 2 / spread)
        random = np.random.default_rng(3)
        null = null * np.sqrt(df / random.chisquare(df, len(null)))
    exceeding = np.count_nonzero(np.abs(null) >= abs(difference.value) - _EQUAL)
    return (1 + int(exceeding)) / (1 + len(null))


def mcnemar(first: Sample, second: Sample) -> float | None:
    """Return the exact p-value of McNemar's test, or None where it does not apply.

    It applies to accuracy with one run each, where each document is one example.
    """
    alone = first.seeds == second.seeds == 1 and first.metric == "accuracy"
    if not alone or not (first.counts[..., 1] == 1).all():
        return None
    gained = first.counts[0, :, 0] - second.counts[0, :, 0]
    wins, losses = int((gained > 0).sum()), int((gained < 0).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def detectable(difference: Estimate) -> float | None:
    """Return the smallest true difference that a repetition would find at the 5% level with 80% power.

    It is None where nothing varies, as when both models give the same constant answer: the data then tell nothing.
    """
    if not difference.variance > 0:
        return None
    quantiles = stats.t.ppf(1 - ALPHA / 2, difference.df) + stats.t.ppf(POWER, difference.df)
    return float(quantiles * math.sqrt(difference.variance))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number (Holm 1979), so that one false finding among all has 5% at most."""
    corrected, highest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}


@dataclass(frozen=True)
class Mean:
    """A mean over seeds of which only numbers are known.

    Attributes:
        value: the mean, x100.
        parts: for each score in it, (variance of its mean, degrees of freedom); empty if no deviation is known.
    """

    value: float
    parts: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, value: float, std: float | None, runs: int | None) -> Mean:
        """Return the mean of a score with its printed standard deviation and number of runs."""
        if std is None or runs is None or runs < 2:
            return cls(value)
        return cls(value, ((std**2 / runs, runs - 1),))


def weighted(terms: Sequence[tuple[float, Mean]]) -> Mean:
    """Return the weighted sum of means; its variance is known if that of each is."""
    known = all(mean.parts for _, mean in terms)
    parts = tuple((weight**2 * variance, df) for weight, mean in terms for variance, df in mean.parts)
    return Mean(sum(weight * mean.value for weight, mean in terms), parts if known else ())


@dataclass(frozen=True)
class Welch:
    """The outcome of Welch's test: interval, p-value, and the smallest difference found with 80% power."""

    interval: tuple[float, float]
    p: float
    detectable: float


def welch(difference: Mean) -> Welch | None:
    """Test a difference of means with unequal variances (Welch 1947); None if its variance is not known or zero."""
    variance = sum(part for part, _ in difference.parts)
    if not variance > 0:
        return None
    df = variance**2 / sum(part**2 / degrees for part, degrees in difference.parts)
    error, quantile = math.sqrt(variance), stats.t.ppf(1 - ALPHA / 2, df)
    low, high = (difference.value + sign * quantile * error for sign in (-1, 1))
    p = 2 * stats.t.sf(abs(difference.value) / error, df)
    return Welch((float(low), float(high)), float(p), float((quantile + stats.t.ppf(POWER, df)) * error))
