"""Exact match and F1 of answers, beside an independent implementation of the rules of SQuAD's official script."""

import collections
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.metrics.answer_texts import exact_match, normalise, word_f1
from linkbert.metrics.scores import score

TEXT = st.lists(
    st.sampled_from(["the", "a", "An", "cat", "Cat", "dog.", "-", "\u2019", "x-y", "the-cat", "\u00e9", "1,000"]),
    max_size=5,
).map(" ".join)
TEXTS = st.one_of(TEXT, st.text(max_size=12))


def official(prediction, answers):
    """The rules of `evaluate-v2.0.py`, written from their description: (exact match, F1)."""

    def tokens(text):
        kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return re.compile(r"\b(a|an|the)\b", re.UNICODE).sub(" ", kept).split()

    gold = [answer for answer in answers if tokens(answer)] or [""]
    exact = max(int(tokens(answer) == tokens(prediction)) for answer in gold)

    def f1(answer):
        true, given_ = tokens(answer), tokens(prediction)
        if not true or not given_:
            return float(true == given_)
        same = sum((collections.Counter(true) & collections.Counter(given_)).values())
        if same == 0:
            return 0.0
        precision, recall = same / len(given_), same / len(true)
        return 2 * precision * recall / (precision + recall)

    return exact, max(map(f1, gold))


@given(TEXTS, st.lists(TEXTS, max_size=4))
@settings(max_examples=100, deadline=None)
def test_the_scores_are_those_of_the_official_script(prediction, answers):
    exact, f1 = official(prediction, answers)
    assert exact_match(prediction, answers) == exact
    assert word_f1(prediction, answers) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("The cat.", ["cat"], 1, 1), ("cat dog", ["cat"], 0, 2 / 3), ("cat", ["dog", "a cat"], 1, 1),
        ("", [], 1, 1), ("cat", [], 0, 0), ("", ["cat"], 0, 0), ("the", [], 1, 1), ("", ["the", "cat"], 0, 0),
        ("x y", ["x-y"], 0, 0), ("xy", ["x-y"], 1, 1), ("1000", ["1,000"], 1, 1),
    ],
)  # fmt: skip
def test_known_cases(prediction, answers, exact, f1):
    assert (exact_match(prediction, answers), word_f1(prediction, answers)) == (exact, pytest.approx(f1))
    assert official(prediction, answers) == (exact, pytest.approx(f1))


def test_normalising_twice_changes_nothing_of_plain_text():
    assert normalise("The  U.S. (a country)") == "us country"


def test_scores_are_means_and_divided_by_whether_there_is_an_answer():
    found = score("squad_f1", ["cat", "", "dog"], [["cat"], [], []], ())
    assert found.score == pytest.approx(200 / 3)
    metrics = found.metrics
    assert metrics["exact_match"] == pytest.approx(200 / 3)
    assert metrics["squad_f1/answerable"] == 100 and metrics["squad_f1/unanswerable"] == 50
    # The official script asks whether an answer is listed, not whether a word is left of it.
    only = score("exact_match", ["x", ""], [["the"], []], ())
    assert (only.metrics["exact_match/answerable"], only.metrics["exact_match/unanswerable"]) == (0, 100)
    assert "squad_f1/unanswerable" not in score("squad_f1", ["cat"], [["cat"]], ()).metrics
