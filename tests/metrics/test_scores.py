"""Each metric gives the values that were worked out by hand for small cases."""

import math

import pytest
from linkbert.metrics.scores import score


def test_entity_f1_counts_entities_and_not_words():
    gold = [["B-D", "I-D", "O", "B-D"], ["O", "B-D"]]
    predicted = [["B-D", "I-D", "O", "O"], ["B-D", "B-D"]]
    scored = score("entity_f1", predicted, gold)
    assert scored.metrics["precision"] == pytest.approx(200 / 3)
    assert scored.metrics["recall"] == pytest.approx(200 / 3)
    assert scored.score == scored.metrics["entity_f1"] == pytest.approx(200 / 3)
    assert scored.metrics["f1/D"] == pytest.approx(200 / 3) and scored.notes == ()


def test_entity_f1_interprets_tags_as_conlleval_does():
    # In the default mode, an I tag without a B tag before it begins an entity, and a B after a B begins another one.
    assert score("entity_f1", [["I-D", "I-D"]], [["B-D", "I-D"]]).score == 100
    assert score("entity_f1", [["B-D", "B-D"]], [["B-D", "I-D"]]).score == 0
    half = score("entity_f1", [["B-D", "I-D", "I-D"]], [["B-D", "B-D", "I-D"]])
    assert half.score == 0


def test_entity_f1_without_any_entity_is_zero_with_a_note():
    nothing = score("entity_f1", [["O", "O"]], [["O", "B-D"]])
    assert nothing.score == 0 and "no positive among the predictions" in nothing.notes[0]
    assert "no positive among the gold labels" in score("entity_f1", [["B-D"]], [["O"]]).notes[0]
    assert score("entity_f1", [["O"]], [["O"]]).score == 0


LABELS = ("O", "B-PAR", "B-INT", "B-OUT")


def test_the_pico_score_is_the_mean_of_three_word_level_f1_scores():
    gold = [["B-PAR", "B-PAR", "B-INT", "O", "B-OUT", "B-OUT"]]
    predicted = [["B-PAR", "O", "B-INT", "B-INT", "B-OUT", "B-OUT"]]
    scored = score("word_macro_f1", predicted, gold, LABELS, "O")
    assert scored.metrics["f1/B-PAR"] == pytest.approx(200 / 3)
    assert scored.metrics["f1/B-INT"] == pytest.approx(200 / 3)
    assert scored.metrics["f1/B-OUT"] == 100
    assert scored.score == pytest.approx((200 / 3 + 200 / 3 + 100) / 3)


def test_pico_classes_count_equally_and_a_class_that_is_never_predicted_scores_zero():
    scored = score("word_macro_f1", [["B-PAR"] * 98 + ["O", "O"]], [["B-PAR"] * 98 + ["B-INT", "B-OUT"]], LABELS, "O")
    assert scored.score == pytest.approx(100 / 3)


RELATIONS = ("0", "CPR:3", "CPR:4")


def test_micro_f1_ignores_the_negative_class():
    gold = ["0", "0", "CPR:3", "CPR:4", "CPR:4"]
    predicted = ["0", "CPR:3", "CPR:3", "CPR:3", "CPR:4"]
    scored = score("micro_f1", predicted, gold, RELATIONS, "0")
    assert scored.metrics["precision"] == 50 and scored.metrics["recall"] == pytest.approx(200 / 3)
    assert scored.score == pytest.approx(400 / 7)
    assert scored.metrics["recall/CPR:4"] == 50


@pytest.mark.parametrize("order", [("0", "CPR:3", "CPR:4"), ("CPR:4", "0", "CPR:3"), ("CPR:3", "CPR:4", "0")])
def test_class_order_does_not_change_f1(order):
    gold, predicted = ["0", "CPR:3", "CPR:4", "CPR:4"], ["CPR:4", "CPR:3", "CPR:4", "0"]
    assert score("micro_f1", predicted, gold, order, "0").score == pytest.approx(200 / 3)


def test_the_gad_score_is_the_f1_of_the_positive_class():
    scored = score("micro_f1", ["1", "1", "0", "0"], ["1", "0", "1", "0"], ("0", "1"), "0")
    assert scored.score == scored.metrics["f1/1"] == 50


def test_the_hoc_score_is_micro_f1_over_all_pairs_of_document_and_label():
    gold = [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    predicted = [[1, 0, 1], [1, 0, 0], [0, 0, 0]]
    scored = score("multi_label_micro_f1", predicted, gold, ("a", "b", "c"))
    assert scored.metrics["precision"] == pytest.approx(200 / 3) and scored.score == pytest.approx(200 / 3)
    assert scored.metrics["f1/a"] == 100 and scored.metrics["f1/c"] == 0


def test_a_pearson_correlation_of_nearly_constant_values_has_a_note(recwarn):
    scored = score("pearson", [1.0, 1.0 + 1e-15, 1.0], [1.0, 2.0, 3.0])
    assert scored.notes == ("Pearson's r is inexact: the values are nearly constant",) and not recwarn.list


def test_pearson_is_the_correlation_times_100():
    assert score("pearson", [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]).score == pytest.approx(100)
    assert score("pearson", [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]).score == pytest.approx(-100)
    assert score("pearson", [1.0, 2.0, 4.0], [1.0, 3.0, 2.0]).score == pytest.approx(100 * 0.5 / math.sqrt(7 / 3))


@pytest.mark.parametrize("values", [([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([1.0], [2.0])])
def test_an_undefined_pearson_correlation_is_zero_with_a_note(values):
    scored = score("pearson", *values)
    assert scored.score == 0 and "undefined" in scored.notes[0]


def test_accuracy_is_the_percentage_of_correct_labels():
    scored = score("accuracy", ["yes", "no", "maybe", "no"], ["yes", "yes", "maybe", "no"], ("yes", "no", "maybe"))
    assert scored.score == 75 and scored.metrics["recall/yes"] == 50 and scored.metrics["recall/maybe"] == 100


def test_predictions_that_differ_in_number_from_the_gold_labels_are_refused():
    with pytest.raises(ValueError):
        score("accuracy", ["yes"], ["yes", "no"])
    with pytest.raises(ValueError):
        score("word_macro_f1", [["O"]], [["O", "O"]], LABELS, "O")
