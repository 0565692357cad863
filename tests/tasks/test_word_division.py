"""Raw text is divided into words as the training data were."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora.iob import read_iob
from linkbert.tasks.registry import get_task
from linkbert.tasks.word_division import Division, DivisionCounter, split_words
from linkbert.tasks.words import from_text


def words(raw, division=None):
    return [raw[start:end] for start, end in split_words(raw, division)]


def learnt(*sentences):
    counter = DivisionCounter()
    for sentence in sentences:
        counter.add(sentence.split())
    return counter.division()


def test_text_is_divided_at_white_space_and_punctuation_by_default():
    assert words("IL-2 (CD4+).") == ["IL", "-", "2", "(", "CD4", "+", ")", "."]
    assert words(" ") == []


def test_punctuation_is_a_part_of_words_where_the_training_data_have_it_so():
    division = Division(inside="-.", after="+", before="-")
    assert words("IL-2 (CD4+).", division) == ["IL-2", "(", "CD4+", ")", "."]
    assert words("a 0.5-fold -chain, beta-, and - alone", division) == [
        "a", "0.5-fold", "-chain", ",", "beta", "-", ",", "and", "-", "alone",
    ]  # fmt: skip


def test_each_position_counts_by_itself():
    assert learnt("IL-2 binds CD4+ cells .") == Division(inside="-", after="+")
    assert learnt("the -chain .") == Division(before="-")
    assert learnt("IL - 2 binds ( CD4 + ) cells .") == Division()


def test_the_more_frequent_way_decides():
    assert learnt("IL-2", "a - b", "NF-kappa") == Division(inside="-")
    assert learnt("IL-2", "a - b", "c - d") == Division()
    assert learnt("2.5", "it fell .", "it rose .") == Division(inside=".")


def test_punctuation_between_punctuation_says_nothing():
    assert learnt("( - )", "a-b") == Division(inside="-")
    assert learnt("(+)") == Division()


@given(st.lists(st.text(alphabet="ab-+. ", min_size=1, max_size=8), max_size=6), st.sampled_from(["", "-", "-+."]))
@settings(max_examples=200, deadline=None)
def test_no_character_is_lost_or_twice_in_a_word(parts, marks):
    raw = " ".join(parts)
    spans = split_words(raw, Division(marks, marks, marks))
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert "".join(raw[start:end] for start, end in spans) == raw.replace(" ", "")


@given(
    st.lists(st.lists(st.sampled_from(["IL-2", "CD4+", "-chain", "cells", "-", ".", "2.5"]), max_size=8), max_size=8)
)
@settings(max_examples=100, deadline=None)
def test_a_word_of_the_sentences_that_were_learnt_from_is_one_word_or_its_marks_stand_apart_more_often(sentences):
    counter = DivisionCounter()
    for sentence in sentences:
        counter.add(sentence)
    division = counter.division()
    for word, mark, position in (("IL-2", "-", "inside"), ("CD4+", "+", "after"), ("-chain", "-", "before")):
        assert (words(word, division) == [word]) == (mark in getattr(division, position))


def test_a_division_survives_json_and_a_malformed_one_is_refused():
    division = Division(inside="-", after="+")
    assert division.to_json() == {"inside": "-", "after": "+"}
    assert Division.from_json(json.loads(json.dumps(division.to_json()))) == division
    for wrong in ("-", {"inside": 1}, {"outside": "-"}):
        with pytest.raises(ValueError, match="malformed"):
            Division.from_json(wrong)


def test_a_task_divides_raw_text_in_its_own_way():
    row = from_text(get_task("jnlpba"), "IL-2 binds.")
    assert row["tokens"] == ["IL-2", "binds", "."] and row["spans"] == [(0, 4), (5, 10), (10, 11)]
    assert from_text(get_task("ncbi-disease"), "IL-2")["tokens"] == ["IL", "-", "2"]


@pytest.mark.parametrize(
    "task,file",
    [
        ("jnlpba", "jnlpba/blurb/train.tsv"),
        ("ebm-pico", "ebm_pico/blurb/dev.tsv"),
        ("ncbi-disease", "ncbi_disease/blurb/train.tsv"),
        ("bc5-chem", "bc5chem/blurb/train.tsv"),
    ],
)
def test_the_built_in_tasks_declare_what_their_data_hold(task, file, shared_data):
    counter = DivisionCounter()
    for row in read_iob(shared_data / file, str):
        counter.add(row["tokens"])
    assert counter.division() == get_task(task).division


def test_nearly_all_words_of_jnlpba_are_found_in_their_text(shared_data):
    """The figures of docs/own-data.md. Spaces are put between words, but not before closing punctuation."""
    found = {None: [0, 0, 0], get_task("jnlpba").division: [0, 0, 0]}
    for row in read_iob(shared_data / "jnlpba/blurb/test.tsv", str):
        raw, gold = "", set()
        for word in row["tokens"]:
            raw += " " if raw and raw[-1] not in "([" and word not in ").,;:%]'" else ""
            gold.add((len(raw), len(raw) + len(word)))
            raw += word
        for division, counts in found.items():
            spans = set(split_words(raw, division))
            for place, count in enumerate((len(gold & spans), len(gold), len(spans))):
                counts[place] += count
    (right, of_text, divided), (learnt_right, _, learnt_divided) = found.values()
    assert (round(right / of_text, 3), round(right / divided, 2)) == (0.934, 0.82)
    assert (round(learnt_right / of_text, 3), round(learnt_right / learnt_divided, 2)) == (0.996, 0.99)
