"""What a linked document tells about a held-out one: which words are masked, and what is compared."""

import numpy as np
import pytest
import torch
from linkbert.models.tokenizer_loading import load_tokenizer
from linkbert.pretraining import evaluation
from linkbert.pretraining.corpus import LinkedCorpus
from linkbert.pretraining.evaluation import PairScores, context_gain
from linkbert.pretraining.examples import PairExamples, PairFormat
from linkbert.pretraining.objective import load_for_pretraining
from linkbert.pretraining.pairs import PairOptions, PairSampler
from linkbert.pretraining.segments import Segments, word_pieces

LENGTH, COUNT = 40, 30


@pytest.fixture
def linked(corpus, tiny):
    """Linked pairs with masks in A alone, and the links between all documents."""
    tokenizer, opened = load_tokenizer(tiny, words=False), LinkedCorpus.open(corpus)
    pieces = word_pieces(opened, tokenizer)
    segments = Segments.of(pieces.offsets, LENGTH)
    sampler = PairSampler(segments, opened.links, PairOptions((0.0, 0.0, 1.0)))
    form = PairFormat.of(tokenizer, load_for_pretraining(tiny).config, torch.device("cpu"))
    links = {(source, target) for source in range(len(opened)) for target in targets_of(opened.links, source)}
    return PairExamples(pieces, segments, sampler, form, COUNT, 5, first_only=True), links


def targets_of(links, source):
    return links.targets[links.offsets[source] : links.offsets[source + 1]].tolist()


def test_the_same_words_of_a_are_masked_beside_another_b(linked):
    examples, links = linked
    examples.begin(0)
    before = [examples.pair(index) for index in range(COUNT)]
    lengths = examples.swap_second()
    after = [examples.pair(index) for index in range(COUNT)]
    assert [len(pair[0]) for pair in after] == lengths.tolist()
    for one, other, first in zip(before, after, examples.pairs.first, strict=True):
        size = examples.segments.lengths[first]
        assert one[2].tolist() == other[2].tolist() and max(one[2]) <= size
        assert one[0][: size + 2].tolist() == other[0][: size + 2].tolist() and one[3].tolist() == other[3].tolist()
    documents = examples.segments.documents
    pairs = list(zip(documents[examples.pairs.first].tolist(), documents[examples.pairs.second].tolist(), strict=True))
    assert examples.may_be_random().tolist() == [a != b and (a, b) not in links for a, b in pairs]


def test_the_gain_is_that_of_a_word_over_pairs_whose_other_b_is_not_linked(linked, monkeypatch):
    """Each word costs 2 nats beside a linked document, and 3 beside another one."""
    examples, links = linked
    documents = examples.segments.documents

    def pretend(trainer, model, examples, lengths):
        found = zip(documents[examples.pairs.first].tolist(), documents[examples.pairs.second].tolist(), strict=True)
        words = np.arange(1.0, COUNT + 1)
        costs = np.array([2.0 if pair in links else 100.0 if pair[0] == pair[1] else 3.0 for pair in found])
        return PairScores(words, words, costs * words, np.zeros((3, COUNT)), np.full(COUNT, 2))

    monkeypatch.setattr(evaluation, "score_pairs", pretend)
    found = context_gain(None, None, examples)
    assert found["gain"] == found["low"] == found["high"] == 1.0
    compared = examples.may_be_random()
    assert found["documents"] == len(set(documents[examples.pairs.first][compared].tolist())) > 1
    # One document gives no interval.
    only = compared & (documents[examples.pairs.first] == documents[examples.pairs.first][compared][0])
    monkeypatch.setattr(PairExamples, "may_be_random", lambda examples: only)
    found = context_gain(None, None, examples)
    assert (found["gain"], found["low"], found["high"], found["documents"]) == (1.0, None, None, 1)
    monkeypatch.setattr(PairExamples, "may_be_random", lambda examples: np.zeros(COUNT, dtype=bool))
    assert context_gain(None, None, examples) == {}
