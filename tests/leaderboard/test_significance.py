"""The tests of differences agree with the textbook, and err as often as they should."""

import numpy as np
import pytest
from linkbert.leaderboard.resampling import Sample, combine, estimates
from linkbert.leaderboard.significance import (
    Mean,
    detectable,
    exchange_p,
    exchanged,
    holm,
    mcnemar,
    weighted,
    welch,
)
from scipy import stats


def sample(hits, model="m"):
    hits = np.atleast_2d(np.array(hits, dtype=float))
    return Sample("t", model, "accuracy", np.stack([hits, np.ones_like(hits)], -1))


def compare(one, other):
    first, second = estimates([one, other])
    (null,) = exchanged([(one, other)])
    difference = combine([(1, first), (-1, second)])
    return difference, exchange_p(difference, null)


def test_mcnemar_is_the_exact_test_of_the_discordant_examples():
    one, other = sample([1] * 15 + [0] * 5 + [1] * 80), sample([0] * 15 + [1] * 5 + [1] * 80, "n")
    assert mcnemar(one, other) == pytest.approx(stats.binomtest(15, 20).pvalue)
    assert mcnemar(one, one) == 1
    two = sample([[1, 0], [1, 1]])
    assert mcnemar(two, two) is None


def test_exchange_agrees_with_mcnemar_for_one_run_each():
    one, other = sample([1] * 60 + [0] * 40 + [1] * 300), sample([0] * 60 + [1] * 40 + [1] * 300, "n")
    _, p = compare(one, other)
    assert p == pytest.approx(mcnemar(one, other), abs=0.01)


def test_a_clear_difference_is_found_and_an_absent_one_is_not():
    random = np.random.default_rng(0)
    good, bad, alike = (random.random((3, 500)) < rate for rate in (0.85, 0.7, 0.85))
    difference, p = compare(sample(good), sample(bad, "n"))
    assert p < 0.01 and difference.interval()[0] > 0
    assert compare(sample(good), sample(alike, "n"))[1] > 0.05


def test_runs_may_differ_in_number():
    random = np.random.default_rng(1)
    one, other = sample(random.random((3, 400)) < 0.8), sample(random.random((2, 400)) < 0.8, "n")
    difference, p = compare(one, other)
    assert difference.value == pytest.approx(one.scores().mean() - other.scores().mean()) and 0 < p <= 1


def test_seeds_that_vary_make_a_difference_uncertain():
    """The same mean difference, once with seeds that agree and once with seeds that do not."""
    random = np.random.default_rng(2)
    hits = random.random((3, 2000))
    steady = hits < 0.8
    wild = hits < np.array([[0.7], [0.8], [0.9]])
    other = sample(random.random((3, 2000)) < 0.77, "n")
    assert compare(sample(steady), other)[1] < 0.05 < compare(sample(wild), other)[1]


def test_holm_is_that_of_the_textbook():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == {
        "a": pytest.approx(0.03),
        "b": pytest.approx(0.06),
        "c": pytest.approx(0.06),
    }
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0} and holm({}) == {}


def test_welch_is_that_of_scipy():
    found = welch(weighted([(1, Mean.of(81.2, 3.9, 10)), (-1, Mean.of(80.9, 1.4, 5))]))
    expected = stats.ttest_ind_from_stats(81.2, 3.9, 10, 80.9, 1.4, 5, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert welch(Mean.of(80, None, 10)) is None and welch(Mean.of(80, 1.0, 1)) is None
    assert welch(weighted([(1, Mean.of(80, 1.0, 3)), (-1, Mean(79))])) is None


def test_the_detectable_difference_has_80_percent_power():
    random = np.random.default_rng(4)
    one, other = sample(random.random((1, 400)) < 0.8), sample(random.random((1, 400)) < 0.8, "n")
    difference, _ = compare(one, other)
    size = detectable(difference)
    assert size == pytest.approx((1.966 + 0.842) * np.sqrt(difference.variance), rel=0.01)
