"""Questions and contexts in windows: spans are found again, windows cover the context, and the best span is decoded."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.errors import RequestError
from linkbert.models.head_functions import ENDS_ANSWER, STARTS_ANSWER, STARTS_SEQUENCE
from linkbert.tasks.answer_spans import MAX_ANSWER, decode_answer, encode_answers
from linkbert.tasks.task import Truncation

WORDS = st.sampled_from(["the", "renal", "pain", "xyz", "q", "fever,", "\u00e9", "12", "\U0001f600", "women"])
TEXTS = st.lists(WORDS, min_size=1, max_size=90).map(" ".join)


@pytest.fixture(scope="module")
def plain(tiny):
    from linkbert.models.tokenizer_loading import load_tokenizer

    return load_tokenizer(tiny, words=False)


def encode(tokenizer, context, *, question="which drug?", answer=None, max_length=24, lost=None):
    example = {"id": "1", "question": question, "context": context}
    if answer is not None:
        starts = [answer[0]] if answer else []
        example |= {"label": [context[slice(*answer)]] if answer else [], "answer_starts": starts}
    truncation = lost or Truncation()
    (row,) = encode_answers(SimpleNamespace(), tokenizer, [example], max_length, truncation)
    spans = [list(zip(window[::2], window[1::2], strict=True)) for window in row["token_spans"]]
    return row, spans, truncation


def tokens_of(context, tokenizer):
    encoded = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [tuple(span) for span in encoded["offset_mapping"]]


# --- encoding ------------------------------------------------------------------------------------------------------


@given(TEXTS, st.integers(10, 40), st.lists(WORDS, min_size=1, max_size=30).map(" ".join))
@settings(max_examples=40, deadline=None)
def test_windows_cover_the_context_overlap_and_are_not_too_long(plain, context, max_length, question):
    row, spans, _ = encode(plain, context, question=question, max_length=max_length)
    tokens = tokens_of(context, plain)
    inside = [[span for span in window if span[0] >= 0] for window in spans]
    assert all(len(ids) == len(window) <= max_length for ids, window in zip(row["input_ids"], spans, strict=True))
    assert sorted({span for window in inside for span in window}) == sorted(set(tokens))
    questions = {tuple(ids[: ids.index(plain.sep_token_id)]) for ids in row["input_ids"]}
    assert len(questions) == 1, "every window has the same question"
    for one, after in itertools.pairwise(inside):
        assert one[0] < after[0] <= (one[-1][1], one[-1][1] + 2), "no token stands between two windows"


@given(TEXTS, st.data(), st.integers(12, 40))
@settings(max_examples=60, deadline=None)
def test_a_span_that_lies_in_a_window_is_found_again(plain, context, data, max_length):
    tokens = tokens_of(context, plain)
    first = data.draw(st.integers(0, len(tokens) - 1))
    last = data.draw(st.integers(first, min(len(tokens) - 1, first + 4)))
    answer = tokens[first][0], tokens[last][1]
    row, spans, truncation = encode(plain, context, answer=answer, max_length=max_length)
    found = 0
    for labels, window in zip(row["labels"], spans, strict=True):
        (start,) = (index for index, label in enumerate(labels) if label & STARTS_ANSWER)
        (end,) = (index for index, label in enumerate(labels) if label & ENDS_ANSWER)
        assert [bool(label & STARTS_SEQUENCE) for label in labels] == [True] + [False] * (len(labels) - 1)
        holds = {answer[0], answer[1]} <= {place for span in window if span[0] >= 0 for place in span} and (
            min(span[0] for span in window if span[0] >= 0) <= answer[0]
        )
        if holds:
            assert (window[start][0], window[end][1]) == answer
            found += 1
        else:
            assert start == end == 0, "a window without the whole answer says that there is none"
    assert truncation.gold_labels_lost == (found == 0)


def test_an_answer_at_the_border_of_a_window_is_whole_in_another_one(plain):
    context = " ".join(f"{'abcdefgh'[n % 8]}" for n in range(60))
    starts = range(0, len(context), 2)
    for start in starts:
        truncation = encode(plain, context, answer=(start, min(start + 5, len(context))), max_length=32)[2]
        assert truncation.gold_labels_lost == 0 and truncation.windowed == 1


def test_an_answer_inside_a_word_is_extended_to_its_word_pieces(plain):
    row, spans, _ = encode(plain, "the renal pain", answer=(5, 8))  # "ena" in the piece "renal"
    (start,) = (index for index, label in enumerate(row["labels"][0]) if label & STARTS_ANSWER)
    assert spans[0][start] == (4, 9)


def test_no_answer_is_labelled_at_the_first_token_and_unlabelled_questions_have_no_labels(plain):
    row, _, truncation = encode(plain, "the renal pain", answer=())
    assert row["labels"] == [[STARTS_SEQUENCE + STARTS_ANSWER + ENDS_ANSWER] + [0] * (len(row["input_ids"][0]) - 1)]
    assert truncation.gold_labels_lost == 0
    assert encode(plain, "the renal pain")[0]["labels"] is None


def test_a_question_beyond_the_limit_is_cut_and_counted(plain):
    row, spans, truncation = encode(plain, "the renal pain", question="drug " * 100, max_length=40)
    assert truncation.examples_cut == 1 and truncation.tokens_cut == 80
    assert row["input_ids"][0].count(plain.convert_tokens_to_ids("drug")) == 20 and len(spans) == 1


@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert"])
@pytest.mark.parametrize("max_length", range(4, 17))
def test_the_shortest_limits_work_or_are_refused(make_model, kind, max_length):
    """The tokenizer panicked where the overlap was as long as the window."""
    from linkbert.models.tokenizer_loading import load_tokenizer

    tokenizer = load_tokenizer(make_model(kind), words=False)
    try:
        encode(tokenizer, "pain and fever " * 9, question="is it the renal pain of women ?", max_length=max_length)
    except RequestError as error:
        assert max_length <= 8 and "leaves no room for a context beside the question; raise it" in str(error)


# --- decoding ------------------------------------------------------------------------------------------------------

CONTEXT = "".join(chr(ord("a") + n % 26) for n in range(80))


def output_of(windows, question=3):
    """Make the output of a model for windows of (first, last) characters, one token per character, all logits 0."""
    rows = []
    for number, (first, after) in enumerate(windows):
        rows += [[number, 0.0, 0.0, -1, -1]] * question
        rows += [[number, 0.0, 0.0, place, place + 1] for place in range(first, after)]
        rows += [[number, 0.0, 0.0, -1, -1]]
    return np.array(rows, dtype=np.float64)


def decode(output, *, unanswerable=False):
    return decode_answer(SimpleNamespace(unanswerable=unanswerable), output, {"context": CONTEXT})


WINDOWS = [(0, 40), (20, 60), (40, 80)]


@given(st.sampled_from(range(3)), st.data(), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_the_planted_best_span_is_found(window, data, seed):
    low, high = WINDOWS[window]
    first = data.draw(st.integers(low, high - 1))
    last = data.draw(st.integers(first, min(high, first + MAX_ANSWER) - 1))
    output = output_of(WINDOWS)
    output[:, 1:3] = np.random.default_rng(seed).normal(size=(len(output), 2))
    chosen = output[:, 0] == window
    output[chosen & (output[:, 3] == first), 1] = 50
    output[chosen & (output[:, 4] == last + 1), 2] = 50
    for unanswerable in (False, True):
        text, scores = decode(output, unanswerable=unanswerable)
        assert (text, scores["start"], scores["end"]) == (CONTEXT[first : last + 1], first, last + 1)
        assert scores["score"] > 0.99


@given(st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_the_answer_is_that_of_a_search_through_all_spans(seed):
    output = output_of(WINDOWS)
    output[:, 1:3] = np.random.default_rng(seed).normal(size=(len(output), 2)) * 3
    best = max(
        (output[i, 1] + output[j, 2], output[i, 3], output[j, 4])
        for i in range(len(output)) for j in range(i, min(i + MAX_ANSWER, len(output)))
        if output[i, 0] == output[j, 0] and output[i, 3] >= 0 and output[j, 3] >= 0
    )  # fmt: skip
    _, scores = decode(output)
    assert (scores["start"], scores["end"]) == best[1:]
    nothing = min(output[output[:, 0] == number][0, 1:3].sum() for number in range(3))
    assert (decode(output, unanswerable=True)[0] == "") == (nothing > best[0])


def test_the_question_an_end_before_the_start_and_a_long_answer_are_never_chosen():
    output = output_of([(0, 80)])
    output[1, 1:3] = 99  # a token of the question
    output[output[:, 3] == 50, 1] = 20
    output[output[:, 3] == 10, 2] = 20  # before the start
    output[output[:, 3] == 50 + MAX_ANSWER, 2] = 20  # too far from it
    output[output[:, 3] == 50 + MAX_ANSWER - 1, 2] = 5
    assert decode(output)[1]["start"] == 50 and decode(output)[1]["end"] == 50 + MAX_ANSWER


def test_the_answer_is_empty_only_if_every_window_says_so_and_the_task_allows_it():
    output = output_of(WINDOWS)
    first = [int(np.flatnonzero(output[:, 0] == number)[0]) for number in range(3)]
    output[first, 1:3] = 9
    assert decode(output, unanswerable=True)[0] == "" and decode(output)[0] != ""
    assert decode(output, unanswerable=True)[1]["start"] is None
    output[first[1], 1:3] = -9
    assert decode(output, unanswerable=True)[0] != ""
