"""What constant predictions score."""

import pytest
from linkbert.metrics import METRICS
from linkbert.metrics.baselines import baseline
from linkbert.metrics.scores import score

CASES = {
    "entity_f1": ([["B-X", "O"], ["B-X", "I-X"]], ("O", "B-X", "I-X"), None, [["B-X", "B-X"]] * 2),
    "word_macro_f1": ([["B-P", "O"], ["B-P", "B-Q"]], ("O", "B-P", "B-Q"), "O", [["B-P", "B-P"]] * 2),
    "micro_f1": (["a", "0", "a", "b"], ("0", "a", "b"), "0", ["a"] * 4),
    "macro_f1": (["a", "0", "a", "b"], ("0", "a", "b"), "0", ["a"] * 4),
    "multi_label_micro_f1": ([[1, 0], [0, 0]], ("a", "b"), None, [[1, 1]] * 2),
    "pearson": ([1.0, 2.0, 4.0], (), None, [7 / 3] * 3),
    "spearman": ([1.0, 2.0, 4.0], (), None, [7 / 3] * 3),
    "accuracy": (["yes", "no", "yes"], ("yes", "no"), None, ["yes"] * 3),
    "squad_f1": ([["p53"], []], (), None, [""] * 2),
    "exact_match": ([["p53"], []], (), None, [""] * 2),
}


@pytest.mark.parametrize("metric", METRICS)
def test_the_baseline_is_the_score_of_its_constant(metric):
    gold, labels, negative, constant = CASES[metric]
    assert baseline(metric, gold, labels, negative).score == pytest.approx(
        score(metric, constant, gold, labels, negative).score
    )


def test_all_positive_is_what_it_says():
    assert baseline("micro_f1", ["1", "0", "1"], ("0", "1"), "0").name == "all positive"
    assert baseline("accuracy", ["yes", "no", "yes"], ("yes", "no")).name == "majority class (yes)"
    assert baseline("micro_f1", ["0", "0"], ("0", "1"), "0").score == 0
    with pytest.raises(ValueError, match="at least one"):
        baseline("accuracy", [])
