"""Joint resampling of seeds and documents: how far a score could have been another one.

A score of the leaderboard is a mean over seeds, on a finite test set. Both are samples. The documents of the test set
are resampled with replacement (a bootstrap), all seeds and all models on the same documents, and each score is
recomputed from sums. The few seeds are not resampled, because three values have ten resamples whose spread is a third
too small: their part is drawn from a normal distribution with the variance that the seeds have beyond the noise of the
test set. The spread of both parts is corrected for the degrees of freedom. `docs/statistics.md` has the formulas, their
sources, and the coverage that the intervals reach in simulations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from scipy import stats

from ..metrics.counts import score_of_sums

RESAMPLES = 10_000
LEVEL = 0.95
_CHUNK = 2_000_000  # weights in memory at a time
_Z = float(stats.norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Sample:
    """What the runs of one model did on one test set.

    Attributes:
        task: the task's name; samples of one task have the same documents.
        row: the name of the row on the leaderboard.
        metric: name of the metric.
        counts: summands of the metric (`metrics.counts`), shape (seeds, documents, sums).
        examples: checksum of the ids and gold labels; samples with another one are not paired.
    """

    task: str
    row: str
    metric: str
    counts: np.ndarray
    examples: str = ""

    @property
    def seeds(self) -> int:
        """Number of runs."""
        return self.counts.shape[0]

    @property
    def documents(self) -> int:
        """Number of documents."""
        return self.counts.shape[1]

    def scores(self) -> np.ndarray:
        """Return the score of each seed, x100."""
        return score_of_sums(self.metric, self.counts.sum(axis=1))


@dataclass(frozen=True)
class SeedVariance:
    """The part of an estimate's variance that comes from the seeds.

    Attributes:
        variance: of the mean over seeds, beyond the noise that the documents cause. It is a difference of two
            estimates and may be negative; only the sum over all parts is cut off at 0, which biases it least.
        raw: the same with that noise.
        df: degrees of freedom, one less than there are seeds.
    """

    variance: float
    raw: float
    df: int


@dataclass(frozen=True)
class Estimate:
    """A score, a mean of scores or a difference of them, with what is known of its error.

    Attributes:
        value: the number, x100.
        documents: task -> deviations of the number in resampled test sets, shape (resamples).
        influence: task -> influence of each document on the number (its jackknife deviation), shape (documents).
        noise: deviations due to the seeds of each model and task, added up, shape (resamples).
        seeds: the variances due to the seeds of each model and task.
    """

    value: float
    documents: Mapping[str, np.ndarray]
    influence: Mapping[str, np.ndarray]
    noise: np.ndarray
    seeds: tuple[SeedVariance, ...]

    @property
    def variance(self) -> float:
        """Variance of the number."""
        return sum(float(part.var()) for part in self.documents.values()) + self.seed_variance

    @property
    def seed_variance(self) -> float:
        """The part of the variance that comes from the seeds."""
        return max(0.0, sum(part.variance for part in self.seeds))

    @property
    def df(self) -> float:
        """Degrees of freedom of the variance, by Satterthwaite's rule."""
        terms = sum(
            float(part.var()) ** 2 / max(1, len(self.influence[task]) - 1) for task, part in self.documents.items()
        )
        if self.seed_variance:
            terms += sum(part.raw**2 / part.df for part in self.seeds)
        return max(1.0, self.variance**2 / terms) if terms else math.inf

    def draws(self) -> np.ndarray:
        """Return the number in resampled experiments, shape (resamples)."""
        return self.value + sum(self.documents.values()) + self.seed_noise()

    def seed_noise(self) -> np.ndarray:
        """Return deviations due to the seeds, shape (resamples)."""
        drawn = sum(max(0.0, part.variance) for part in self.seeds)
        return self.noise * math.sqrt(self.seed_variance / drawn) if drawn else self.noise

    def interval(self) -> tuple[float, float] | None:
        """Return the 95% confidence interval; None if nothing varies, as when every answer is right.

        Quantiles of the draws, corrected for bias and skewness (BCa, Efron 1987) and stretched from a normal to a t
        distribution.
        """
        variance = self.variance
        if not variance > 0:
            return None
        draws = self.draws()
        below = (np.mean(draws < self.value) + np.mean(draws <= self.value)) / 2
        bias = stats.norm.ppf(np.clip(below, 1 / len(draws), 1 - 1 / len(draws)))
        cubes = sum(float((part**3).sum()) for part in self.influence.values())
        squares = sum(float((part**2).sum()) for part in self.influence.values())
        skewness = cubes / (6 * (squares + self.seed_variance) ** 1.5) if squares else 0.0
        z = np.array([-_Z, _Z]) + bias
        quantiles = np.quantile(draws, stats.norm.cdf(bias + z / (1 - skewness * z)))
        low, high = self.value + (quantiles - self.value) * stats.t.ppf((1 + LEVEL) / 2, self.df) / _Z
        return float(low), float(high)


def combine(terms: Iterable[tuple[float, Estimate]]) -> Estimate:
    """Return the weighted sum of estimates. Estimates of one task share the resampled documents, so they stay paired.

    Args:
        terms: (weight, estimate), at least one.
    """
    terms = list(terms)
    documents: dict[str, np.ndarray] = {}
    influence: dict[str, np.ndarray] = {}
    for weight, estimate in terms:
        for task, deviations in estimate.documents.items():
            documents[task] = documents.get(task, 0) + weight * deviations
            influence[task] = influence.get(task, 0) + weight * estimate.influence[task]
    return Estimate(
        value=sum(weight * estimate.value for weight, estimate in terms),
        documents=documents,
        influence=influence,
        noise=np.sum([weight * estimate.noise for weight, estimate in terms], axis=0),
        seeds=tuple(
            SeedVariance(weight**2 * part.variance, weight**2 * part.raw, part.df)
            for weight, estimate in terms
            for part in estimate.seeds
        ),
    )


def with_seed_variance(estimate: Estimate, part: SeedVariance, name: str) -> Estimate:
    """Return the estimate from one run with a variance between seeds that is known from elsewhere.

    Args:
        estimate: the estimate, without any.
        part: the variance of one run's score.
        name: what the random numbers depend on.
    """
    random = np.random.default_rng([crc32(name.encode()), 4])
    noise = math.sqrt(max(0.0, part.variance)) * random.standard_normal(len(estimate.noise))
    return replace(estimate, noise=noise, seeds=(part,))


def with_seeds_of(estimate: Estimate, other: Estimate, runs: int, name: str) -> Estimate:
    """Return the estimate from one run with the variance that the seeds of another row of several runs have.

    Args:
        estimate: the estimate from one run, of one task.
        other: that of the other row, on the same task.
        runs: number of the other row's runs.
        name: what the random numbers depend on.
    """
    (part,) = other.seeds
    return with_seed_variance(estimate, SeedVariance(part.variance * runs, part.raw * runs, part.df), name)


def clipped(
    interval: tuple[float, float] | None, low: float = -100.0, high: float = 100.0
) -> tuple[float, float] | None:
    """Return an interval without the part that no score can have."""
    return None if interval is None else (max(low, interval[0]), min(high, interval[1]))


def estimates(samples: Sequence[Sample], resamples: int = RESAMPLES) -> list[Estimate]:
    """Estimate the scores of several models on one test set, all on the same resampled documents.

    The random numbers depend on the task alone for documents, and on task and row for seeds. A row's estimate is
    therefore the same whatever other models are beside it.

    Args:
        samples: samples of one task, with the same documents.
        resamples: number of resampled test sets.
    """
    drawn = _resampled_scores(samples, resamples)
    return [_estimate(sample, scores) for sample, scores in zip(samples, drawn, strict=True)]


def _resampled_scores(samples: Sequence[Sample], resamples: int) -> list[np.ndarray]:
    """Return the scores of each sample's seeds in resampled test sets, arrays of shape (resamples, seeds)."""
    documents = samples[0].documents
    columns = np.concatenate([np.moveaxis(sample.counts, 1, 0).reshape(documents, -1) for sample in samples], axis=1)
    random = np.random.default_rng([crc32(samples[0].task.encode()), 0])
    drawn: list[list[np.ndarray]] = [[] for _ in samples]
    for rows in chunks(resamples, documents):
        chosen = random.integers(0, documents, (rows, documents)) + documents * np.arange(rows)[:, None]
        weights = np.bincount(chosen.ravel(), minlength=rows * documents).reshape(rows, documents)
        sums, position = weights.astype(np.float64) @ columns, 0
        for sample, found in zip(samples, drawn, strict=True):
            width = sample.seeds * sample.counts.shape[2]
            part = sums[:, position : position + width].reshape(rows, sample.seeds, -1)
            found.append(score_of_sums(sample.metric, part))
            position += width
    return [np.concatenate(found) for found in drawn]


def chunks(rows: int, width: int) -> Iterator[int]:
    """Yield numbers of rows that add up to `rows`, such that a chunk of this width fits comfortably into memory."""
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, rows, step):
        yield min(step, rows - start)


def _estimate(sample: Sample, drawn: np.ndarray) -> Estimate:
    scores, seeds, documents = sample.scores(), sample.seeds, sample.documents
    value = float(scores.mean())
    # A bootstrap of n documents has (n - 1) / n of the variance.
    scale = math.sqrt(documents / (documents - 1)) if documents > 1 else 1.0
    deviations = scale * (drawn.mean(axis=1) - value)
    parts: tuple[SeedVariance, ...] = ()
    noise = np.zeros(len(drawn))
    if seeds > 1:
        own = float(scores.var(ddof=1))
        # How much the seeds differ because each errs on other documents; the documents' part has this already.
        shared = float(deviations.var())
        interaction = max(0.0, (scale**2 * float(drawn.var(axis=0).mean()) - shared) * seeds / (seeds - 1))
        parts = (SeedVariance((own - interaction) / seeds, own / seeds, seeds - 1),)
        random = np.random.default_rng([crc32(sample.task.encode()), crc32(sample.row.encode()), 1])
        noise = math.sqrt(max(0.0, parts[0].variance)) * random.standard_normal(len(drawn))
    without = score_of_sums(sample.metric, sample.counts.sum(axis=1, keepdims=True) - sample.counts).mean(axis=0)
    return Estimate(value, {sample.task: deviations}, {sample.task: without.mean() - without}, noise, parts)
