"""Intervals cover what they should, and do not depend on what else is computed."""

import numpy as np
import pytest
from linkbert.leaderboard.resampling import Sample, combine, estimates
from linkbert.leaderboard.simulation import WORLDS, World, simulate


def sample(task="t", model="m", seeds=3, documents=200, rate=0.8, random=0):
    hits = (np.random.default_rng(random).random((seeds, documents)) < rate).astype(float)
    return Sample(task, model, "accuracy", np.stack([hits, np.ones_like(hits)], -1))


def test_the_interval_of_an_accuracy_is_about_that_of_the_binomial():
    one = sample(seeds=1, documents=500)
    (found,) = estimates([one])
    low, high = found.interval()
    error = 100 * np.sqrt(0.8 * 0.2 / 500)
    assert found.value == pytest.approx(one.scores()[0])
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_an_estimate_does_not_depend_on_its_neighbours():
    one, other = sample(random=1), sample(model="n", random=2)
    assert estimates([one, other])[0].interval() == estimates([one])[0].interval()


def test_equal_models_have_no_difference_and_no_interval():
    one = sample(seeds=1)
    first, second = estimates([one, Sample("t", "n", "accuracy", one.counts)])
    difference = combine([(1, first), (-1, second)])
    assert difference.value == 0 and difference.interval() is None


def test_scores_of_several_tasks_are_averaged_draw_by_draw():
    first = estimates([sample("a", random=1)])[0]
    second = estimates([sample("b", random=2)])[0]
    mean = combine([(0.5, first), (0.5, second)])
    assert mean.value == pytest.approx((first.value + second.value) / 2)
    # Independent errors: the variances add up, with the squares of the weights.
    assert mean.variance == pytest.approx((first.variance + second.variance) / 4, rel=0.05)


def test_seeds_widen_the_interval_and_few_of_them_widen_it_more():
    hits = np.random.default_rng(0).random((6, 400))
    skilled = (hits < np.array([0.6, 0.7, 0.8, 0.9, 0.75, 0.65])[:, None]).astype(float)
    counts = np.stack([skilled, np.ones_like(skilled)], -1)
    widths = []
    for seeds in (6, 3):
        low, high = estimates([Sample("t", "m", "accuracy", counts[:seeds])])[0].interval()
        widths.append(high - low)
    (alone,) = estimates([Sample("t", "m", "accuracy", counts[:1])])
    low, high = alone.interval()
    assert widths[1] > widths[0] > high - low


def test_documents_and_not_examples_are_resampled():
    """Ten examples that always agree are one document: the interval is wider than if they were ten."""
    hits = np.repeat((np.random.default_rng(3).random(50) < 0.8).astype(float), 10)
    each = np.stack([hits, np.ones(500)], -1)
    grouped = each.reshape(50, 10, 2).sum(1)
    widths = [np.ptp(estimates([Sample("t", "m", "accuracy", c[None])])[0].interval()) for c in (each, grouped)]
    assert widths[1] > 2.5 * widths[0]


@pytest.mark.slow
def test_the_intervals_cover_the_truth_and_the_tests_err_as_often_as_they_should():
    for found in simulate(500):
        if found.seeds >= 3 or found.world.endswith("this run"):
            assert 91 <= found.coverage <= 98.5 and 92 <= found.difference <= 99.5, found
            assert found.rejected <= 7.5, found


def test_a_world_knows_its_truth():
    assert isinstance(WORLDS[0], World)
    assert WORLDS[0].truth == pytest.approx(80.2, abs=1)  # the normal distribution at 1.2 / sqrt(1 + 1 + 0.01)
