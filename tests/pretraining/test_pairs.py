"""Pairs: exact shares, linked documents in proportion to 1 / in-degree, and what B may never be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.errors import RequestError
from linkbert.pretraining.corpus import Links
from linkbert.pretraining.masking import Masking
from linkbert.pretraining.pairs import CONTIGUOUS, LINKED, RANDOM, PairOptions, PairSampler
from linkbert.pretraining.segments import Segments

sizes_of_documents = st.lists(st.integers(0, 90), min_size=3, max_size=12)


def links_of(targets):
    offsets = np.cumsum([0, *map(len, targets)])
    return Links(offsets, np.array([t for of in targets for t in sorted(of)], dtype=np.int32))


def segments_of(sizes, max_length=35):
    return Segments.of(np.cumsum([0, *sizes]), max_length)


@given(sizes_of_documents, st.integers(10, 64))
def test_segments_cover_each_document_once_and_two_fit_into_a_sequence(sizes, max_length):
    segments = segments_of(sizes, max_length)
    offsets = np.cumsum([0, *sizes])
    assert segments.lengths.sum() == sum(sizes) and (segments.lengths > 0).all()
    assert (2 * segments.lengths <= max_length - 3).all()
    for document, size in enumerate(sizes):
        own = slice(segments.firsts[document], segments.firsts[document + 1])
        assert (segments.documents[own] == document).all()
        ends = segments.starts[own] + segments.lengths[own]
        if size:
            assert segments.starts[own][0] == offsets[document] and ends[-1] == offsets[document + 1]
            assert (segments.starts[own][1:] == ends[:-1]).all()
            assert np.ptp(segments.lengths[own]) <= 1
        assert segments.counts[document] >= (2 if size >= 16 else size > 0)


@st.composite
def graphs(draw):
    count = draw(st.integers(3, 9))
    targets = [draw(st.sets(st.integers(0, count - 1), max_size=4)) - {number} for number in range(count)]
    return draw(st.lists(st.integers(20, 90), min_size=count, max_size=count)), targets


@given(graphs(), st.integers(0, 200), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_b_is_what_the_relation_says(graph, count, seed):
    sizes, targets = graph
    segments, linked = segments_of(sizes), any(targets)
    shares = (0.5, 0.25, 0.25) if linked else (0.5, 0.5, 0.0)
    sampler = PairSampler(segments, links_of(targets), PairOptions(shares))
    pairs = sampler.draw(count, seed)
    assert len(pairs) == count
    assert (np.abs(np.bincount(pairs.relation, minlength=3) - np.array(shares) * count) < 1).all()
    one, other = segments.documents[pairs.first], segments.documents[pairs.second]
    for a, b, first, second, relation in zip(one, other, pairs.first, pairs.second, pairs.relation, strict=True):
        if relation == CONTIGUOUS:
            assert a == b and second == first + 1
        if relation == RANDOM:
            assert a != b and (b not in targets[a] or len(targets[a]) == len(sizes) - 1)
        if relation == LINKED:
            assert b in targets[a]
    again = sampler.draw(count, seed)
    assert (again.first == pairs.first).all() and (again.second == pairs.second).all()


def test_linked_documents_are_drawn_in_proportion_to_one_over_their_in_degree():
    # All six others link to document 1; document 2 has two links, document 3 has one.
    targets = [{1, 2, 3}, set(), {1}, {1}, {1, 2}, {1}, {1}]
    segments, links = segments_of([20] * 7), links_of(targets)
    assert links.in_degrees.tolist() == [0, 6, 2, 1, 0, 0, 0]
    for choice, expected in (
        ("inverse-in-degree", np.array([1 / 6, 1 / 2, 1]) / (1 / 6 + 1 / 2 + 1)),
        ("uniform", np.full(3, 1 / 3)),
    ):
        options = PairOptions((0.0, 0.0, 1.0), link_choice=choice)
        only_first = np.arange(7) == 0
        sampler = PairSampler(segments, links, options, only_first)
        pairs = sampler.draw(60_000, 1)
        found = np.bincount(segments.documents[pairs.second], minlength=7)[1:4] / 60_000
        # Four standard deviations of a share of 60,000 draws.
        assert (np.abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / 60_000)).all()


def test_any_or_the_first_segment_of_a_linked_document_is_b():
    segments, links = segments_of([80, 80]), links_of([{1}, {0}])
    for where, kinds in (("any", 5), ("first", 1)):
        sampler = PairSampler(segments, links, PairOptions((0.0, 0.0, 1.0), linked_segment=where))
        second = sampler.draw(400, 0).second
        assert len(set(second[segments.documents[second] == 1])) == kinds


def test_segments_of_a_relation_take_turns():
    segments, links = segments_of([80] * 4), links_of([{1}, {0}, set(), set()])
    pairs = PairSampler(segments, links, PairOptions()).draw(300, 0)
    for relation, possible in ((CONTIGUOUS, 16), (RANDOM, 20), (LINKED, 10)):
        times = np.bincount(pairs.first[pairs.relation == relation])
        assert (times > 0).sum() == possible and np.ptp(times[times > 0]) <= 1


def test_held_out_documents_are_neither_a_nor_b():
    targets = [{1, 2}, {0, 3}, {3}, {0}]
    allowed = np.array([True, True, True, False])
    sampler = PairSampler(segments_of([60] * 4), links_of(targets), PairOptions(), allowed, allowed)
    pairs = sampler.draw(300, 0)
    documents = segments_of([60] * 4).documents
    assert 3 not in documents[pairs.first] and 3 not in documents[pairs.second]


@pytest.mark.parametrize(
    ("sizes", "targets", "shares", "said"),
    [
        ([40, 40], [set(), set()], (0.5, 0.0, 0.5), "'linked' are possible: no document links"),
        ([5, 5], [{1}, set()], (1.0, 0.0, 0.0), "'contiguous' are possible: no document is long enough"),
        ([40, 0], [set(), set()], (0.5, 0.5, 0.0), "'random' are possible: there is no other document"),
    ],
)
def test_a_relation_that_is_not_possible_is_refused(sizes, targets, shares, said):
    with pytest.raises(RequestError, match=said):
        PairSampler(segments_of(sizes), links_of(targets), PairOptions(shares))


def test_segments_a_are_taken_in_turn_over_several_draws():
    segments = segments_of([40] * 9)
    sampler = PairSampler(segments, links_of([{(i + 1) % 9} for i in range(9)]), PairOptions())
    drawn = [sampler.draw(12, 3, number) for number in range(9)]  # 4 of each relation, 36 in all
    for relation in (CONTIGUOUS, RANDOM, LINKED):
        firsts = np.concatenate([pairs.first[pairs.relation == relation] for pairs in drawn])
        times = np.bincount(firsts, minlength=len(segments))
        last = segments.firsts[segments.documents + 1] - 1 == np.arange(len(segments))
        possible = times[~last] if relation == CONTIGUOUS else times
        assert possible.max() - possible.min() <= 1 and times.sum() == 36
    assert (drawn[0].first != drawn[1].first).any()


def test_relations_that_are_not_possible_may_be_left_out():
    options = PairOptions((0.2, 0.3, 0.5))
    sampler = PairSampler(segments_of([40, 40]), links_of([set(), set()]), options, if_possible=True)
    assert sampler.shares == pytest.approx((0.4, 0.6, 0.0))
    assert np.bincount(sampler.draw(10, 0).relation, minlength=3).tolist() == [4, 6, 0]
    with pytest.raises(RequestError, match="no pairs of these documents are possible; hold out more"):
        PairSampler(segments_of([5, 40]), links_of([set(), set()]), options, np.zeros(2, dtype=bool), if_possible=True)


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.booleans(), st.integers(0, 9))
def test_fifteen_percent_of_the_tokens_are_masked(begins, whole_words, seed):
    begins = np.array(begins)
    masking = Masking(103, np.arange(200, 300), whole_words)
    chosen = masking.choose(begins, np.random.default_rng(seed))
    wanted = max(1, round(0.15 * len(begins)))
    assert len(chosen) == len(set(chosen)) and (np.diff(chosen) > 0).all()
    if not whole_words:
        assert len(chosen) == wanted
        return
    starts = np.flatnonzero(np.concatenate([[True], begins[1:]]))
    words = np.searchsorted(starts, np.arange(len(begins)), side="right")
    assert set(np.flatnonzero(np.isin(words, words[chosen]))) == set(chosen)
    assert len(chosen) <= wanted or len(set(words[chosen])) == 1


def test_of_masked_tokens_80_percent_become_the_mask_and_10_percent_a_random_token():
    masking = Masking(103, np.arange(200, 300))
    replaced = masking.replace(np.full(50_000, 7), np.random.default_rng(0))
    shares = [(replaced == 103).mean(), ((replaced >= 200) & (replaced < 300)).mean(), (replaced == 7).mean()]
    assert np.abs(np.array(shares) - [0.8, 0.1, 0.1]).max() < 0.01
