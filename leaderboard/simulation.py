"""Simulations with a known truth: do 95% intervals cover it, and how often do the tests err without a difference?

In each simulated experiment the seeds and the documents of a test set are drawn anew. Seeds shift the skill of a model,
documents differ in difficulty, and what is left is chance. Two models are equal if both are drawn from the same world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import stats

from ..metrics.counts import counts, score_of_sums
from .resampling import Sample, combine, estimates, with_seeds_of
from .significance import ALPHA, exchange_p, exchanged, mcnemar

RESAMPLES = 1000  # per simulated experiment; the leaderboard uses ten times as many
_TRUTH = 400_000  # documents, or seeds, from which the true score is computed


@dataclass(frozen=True)
class World:
    """A kind of experiment.

    Attributes:
        name: what is simulated.
        metric: name of the metric.
        documents: number of documents of the test set.
        seed_spread: standard deviation of the seeds' skill.
        draw: (random generator, skill of each seed of each model, shape (models, seeds), number of documents) ->
            counts of shape (models, seeds, documents, sums). The models see the same documents.
    """

    name: str
    metric: str
    documents: int
    seed_spread: float
    draw: Callable[[np.random.Generator, np.ndarray, int], np.ndarray]

    def samples(self, random: np.random.Generator, models: int, seeds: int) -> list[Sample]:
        """Draw one experiment: the runs of equally good models on one test set."""
        skill = self.seed_spread * random.standard_normal((models, seeds))
        drawn = self.draw(random, skill, self.documents)
        return [Sample(self.name, f"model {number}", self.metric, part) for number, part in enumerate(drawn)]

    @cached_property
    def truth(self) -> float:
        """The expected score of a new seed on an endless test set, x100."""
        random = np.random.default_rng(11)
        scores = []
        for _ in range(400):
            skill = self.seed_spread * random.standard_normal((1, 1))
            scores.append(score_of_sums(self.metric, self.draw(random, skill, _TRUTH // 20)[0, 0].sum(axis=0)))
        return float(np.mean(scores))


def _accuracy(random: np.random.Generator, skill: np.ndarray, documents: int) -> np.ndarray:
    """Answers whose probability of being right depends on seed and question: about 80% are right."""
    probability = stats.norm.cdf(1.2 + skill[..., None] + random.standard_normal(documents))
    hits = (random.random(probability.shape) < probability).astype(np.float64)
    return np.stack([hits, np.ones_like(hits)], axis=-1)


def _f1(random: np.random.Generator, skill: np.ndarray, documents: int) -> np.ndarray:
    """Documents of zero to some twenty entities, of which about 75% are found, and some false ones."""
    gold = random.negative_binomial(2, 2 / 7, documents)
    shift = skill[..., None] + 0.7 * random.standard_normal(documents)
    found = random.binomial(np.broadcast_to(gold, shift.shape), stats.norm.cdf(0.9 + shift))
    false = random.poisson(gold * 0.25 * np.exp(-shift) + 0.1)
    return np.stack([found, found + false, np.broadcast_to(gold, shift.shape)], axis=-1).astype(np.float64)


def _pearson(random: np.random.Generator, skill: np.ndarray, documents: int) -> np.ndarray:
    """Gold scores from 0 to 4 and predictions with errors that belong to the pair and to the run: r of about 0.9."""
    gold = random.uniform(0, 4, documents)
    error = 0.35 * np.exp(skill)[..., None] * random.standard_normal((*skill.shape, documents))
    given = gold + 0.45 * random.standard_normal(documents) + error
    drawn = [counts("pearson", list(run), list(gold)) for run in given.reshape(-1, documents)]
    return np.stack(drawn).reshape(*skill.shape, documents, -1)


WORLDS = (
    World("accuracy, 500 questions", "accuracy", 500, 0.1, _accuracy),
    World("accuracy, 140 questions", "accuracy", 140, 0.1, _accuracy),
    World("F1, 190 documents", "entity_f1", 190, 0.1, _f1),
    World("Pearson, 20 pairs", "pearson", 20, 0.15, _pearson),
)
SEEDS = (1, 2, 3, 5)
UNEQUAL = ((3, 1), (5, 1), (5, 2))  # seeds of one model and of the other


@dataclass(frozen=True)
class Outcome:
    """What a simulation found for one kind of experiment.

    Attributes:
        world: what was simulated.
        seeds: number of runs per model.
        others: number of runs of the second model.
        coverage: share of the intervals of a score that hold the truth, in percent.
        difference: the same for intervals of the difference of two equally good models, which is 0.
        naive: coverage of a score by plain percentiles after resampling seeds and documents with replacement.
        rejected: share of the experiments without a difference in which the paired test finds one at the 5% level.
        mcnemar: the same for McNemar's exact test; None where it does not apply.
    """

    world: str
    seeds: int
    others: int
    coverage: float
    difference: float
    naive: float
    rejected: float
    mcnemar: float | None


def simulate(repetitions: int = 500) -> Iterator[Outcome]:
    """Simulate every kind of experiment, with each number of seeds.

    One seed is simulated twice. First, what an interval is for then: the score that this very model has on an endless
    test set (a world without spread of seeds). Second, what it is not for: the score of a new seed.

    Args:
        repetitions: number of experiments of each kind.
    """
    for world in WORLDS:
        yield _outcome(replace(world, name=f"{world.name}, this run", seed_spread=0.0), 1, repetitions)
        for seeds in SEEDS:
            yield _outcome(world, seeds, repetitions)
        for seeds, others in UNEQUAL:
            yield _outcome(world, seeds, repetitions, others)


def _outcome(world: World, seeds: int, repetitions: int, others: int | None = None) -> Outcome:
    random, level = np.random.default_rng([seeds, world.documents]), 100 / repetitions
    covered = equal = naive = rejected = by_mcnemar = 0
    for _ in range(repetitions):
        pair = world.samples(random, 2, seeds)
        pair[1] = replace(pair[1], counts=pair[1].counts[:others])
        first, second = estimates(pair, RESAMPLES)
        if others == 1:
            second = with_seeds_of(second, first, seeds, "simulation")
        low, high = first.interval() or (first.value, first.value)
        covered += low <= world.truth <= high
        low, high = naive_interval(pair[0], random)
        naive += low <= world.truth <= high
        (null,) = exchanged([(pair[0], pair[1])], RESAMPLES)
        difference = combine([(1, first), (-1, second)])
        low, high = difference.interval() or (0.0, 0.0)
        equal += low <= 0 <= high
        rejected += exchange_p(difference, null) < ALPHA
        exact = mcnemar(*pair)
        by_mcnemar += exact is not None and exact < ALPHA
    applies = world.metric == "accuracy" and seeds == 1
    return Outcome(
        world=world.name,
        seeds=seeds,
        others=others or seeds,
        coverage=level * covered,
        difference=level * equal,
        naive=level * naive,
        rejected=level * rejected,
        mcnemar=level * by_mcnemar if applies else None,
    )


def naive_interval(sample: Sample, random: np.random.Generator) -> tuple[float, float]:
    """Return plain percentiles of the score after resampling seeds and documents with replacement, for comparison."""
    runs = random.integers(0, sample.seeds, (RESAMPLES, sample.seeds))
    weights = random.multinomial(sample.documents, np.full(sample.documents, 1 / sample.documents), RESAMPLES)
    flat = np.moveaxis(sample.counts, 1, 0).reshape(sample.documents, -1)
    sums = (weights.astype(np.float64) @ flat).reshape(RESAMPLES, sample.seeds, -1)
    scores = np.take_along_axis(score_of_sums(sample.metric, sums), runs, axis=1).mean(axis=1)
    low, high = np.quantile(scores, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)
