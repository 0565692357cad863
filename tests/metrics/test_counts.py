"""A score from sums equals the score from predictions, on the whole test set and on any resampled one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.metrics import METRICS
from linkbert.metrics.counts import counts, score_of_sums
from linkbert.metrics.scores import score

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")
WORDS = ("O", "B-PAR", "B-INT", "B-OUT")
CLASSES = ("0", "a", "b")
ANSWERS = st.sampled_from(["", "The p53 gene", "p53", "gene p53", "a", "BRCA1, p53"])


def pairs(of_one):
    return st.lists(of_one, min_size=1, max_size=8)


def sentences(tags):
    length = st.integers(1, 7)
    return length.flatmap(lambda n: st.tuples(*[st.lists(st.sampled_from(tags), min_size=n, max_size=n)] * 2))


CASES = {
    "entity_f1": (sentences(TAGS), TAGS, None),
    "word_macro_f1": (sentences(WORDS), WORDS, "O"),
    "micro_f1": (st.tuples(*[st.sampled_from(CLASSES)] * 2), CLASSES, "0"),
    "macro_f1": (st.tuples(*[st.sampled_from(CLASSES)] * 2), CLASSES, "0"),
    "multi_label_micro_f1": (st.tuples(*[st.lists(st.integers(0, 1), min_size=3, max_size=3)] * 2), ("a", "b", "c"), None),
    "pearson": (st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 2.5, 4.0])] * 2), (), None),
    "spearman": (st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 2.5, 4.0])] * 2), (), None),
    "accuracy": (st.tuples(*[st.sampled_from(CLASSES)] * 2), CLASSES, None),
    "squad_f1": (st.tuples(ANSWERS, st.lists(ANSWERS, max_size=2)), (), None),
    "exact_match": (st.tuples(ANSWERS, st.lists(ANSWERS, max_size=2)), (), None),
}  # fmt: skip


def test_every_metric_has_sums():
    assert tuple(CASES) == METRICS


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_score_of_sums_is_the_score_of_the_predictions(metric, data):
    of_one, labels, negative = CASES[metric]
    examples = data.draw(pairs(of_one))
    chosen = data.draw(st.lists(st.integers(0, len(examples) - 1), min_size=1, max_size=8))
    predictions, gold = map(list, zip(*examples))
    summands = counts(metric, predictions, gold, labels, negative)
    assert summands.shape[0] == len(gold)
    # The test set, and a resampled one. Ranks are those in the whole test set, also where a part of it is drawn.
    for members in (range(len(gold)), range(len(gold)) if metric == "spearman" else chosen):
        given_, true = [predictions[i] for i in members], [gold[i] for i in members]
        expected = score(metric, given_, true, labels, negative).score
        found = float(score_of_sums(metric, summands[list(members)].sum(0)))
        assert found == pytest.approx(expected, abs=1e-6)


def test_constant_predictions_have_no_correlation():
    summands = counts("pearson", [1.0, 1.0, 1.0], [0.1, 0.2, 0.7])
    assert score_of_sums("pearson", summands.sum(0)) == 0


def test_a_resample_in_which_one_side_is_constant_has_no_correlation():
    # Gold is 0.5 in examples 0 and 3; its sums differ from those of a constant by rounding.
    summands = counts("pearson", [0.5, 0.0, 0.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.5, 0.0, 0.0])
    assert score_of_sums("pearson", summands[[0, 0, 3]].sum(0)) == 0


def test_many_sums_are_scored_at_once():
    summands = counts("accuracy", ["a", "b", "a"], ["a", "a", "a"], CLASSES)
    weights = np.array([[1, 1, 1], [3, 0, 0], [0, 3, 0]])
    assert score_of_sums("accuracy", weights @ summands).tolist() == pytest.approx([200 / 3, 100, 0])


def test_predictions_of_another_number_are_refused():
    with pytest.raises(ValueError, match="2 predictions for 1 gold"):
        counts("accuracy", ["a", "b"], ["a"])
    with pytest.raises(ValueError, match="another number of predicted tags"):
        counts("entity_f1", [["O"]], [["O", "O"]], TAGS)
