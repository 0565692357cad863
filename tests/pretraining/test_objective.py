"""The objective: packed and padded agree, sums do not depend on micro-batches, and what a batch holds."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from linkbert.models.kernels import Kernels
from linkbert.models.packed import running_packed
from linkbert.models.tokenizer_loading import load_tokenizer
from linkbert.pretraining.corpus import LinkedCorpus
from linkbert.pretraining.evaluation import are_of_first
from linkbert.pretraining.examples import PairExamples, PairFormat
from linkbert.pretraining.masking import Masking
from linkbert.pretraining.objective import (
    PRETRAINING,
    load_for_pretraining,
    losses,
    predicting_relations,
    take_relation_head,
)
from linkbert.pretraining.pairs import PairOptions, PairSampler
from linkbert.pretraining.segments import Segments, word_pieces

KINDS = ("bert", "roberta", "electra", "distilbert", "modernbert", "deberta-v2")
LENGTH, COUNT = 40, 12


def format_for(model, tokenizer, heads):
    if tokenizer.mask_token_id is not None:
        form = PairFormat.of(tokenizer, model.config, torch.device("cpu"), whole_words=True)
        return replace(form, heads=heads)
    masking = Masking(4, np.arange(5, len(tokenizer)), whole_words=True)  # the tiny ModernBERT has no mask
    return PairFormat(tokenizer.cls_token_id, tokenizer.sep_token_id, masking, types=False, heads=heads)


@pytest.fixture
def prepare(corpus, make_model):
    """Return a function that loads a model of an architecture, with examples for it."""

    def run(kind, heads=2):
        torch.manual_seed(0)
        folder = make_model(kind)
        model, tokenizer = load_for_pretraining(folder).eval(), load_tokenizer(folder, words=False)
        opened = LinkedCorpus.open(corpus)
        pieces = word_pieces(opened, tokenizer)
        segments = Segments.of(pieces.offsets, LENGTH)
        sampler = PairSampler(segments, opened.links, PairOptions())
        examples = PairExamples(pieces, segments, sampler, format_for(model, tokenizer, heads), COUNT, 5)
        examples.begin(0)
        return model, examples

    return run


def rows_of(batch):
    """Return the token ids, types and predicted places of each pair of a batch."""
    row = batch.inputs["packed"]
    offsets = row.layout.offsets.numpy()
    parts = np.split(row.input_ids[0].numpy(), offsets[1:])[:-1]
    types = None if row.token_type_ids is None else np.split(row.token_type_ids[0].numpy(), offsets[1:])[:-1]
    places = [row.read[(row.read >= a) & (row.read < b)].numpy() - a for a, b in pairwise(offsets)]
    return parts, types, places


@pytest.mark.parametrize("kind", KINDS)
def test_packed_logits_are_those_of_single_pairs(prepare, kind):
    model, examples = prepare(kind)
    batch = examples.batch(np.arange(COUNT))
    with torch.inference_mode():
        with predicting_relations(model), running_packed(model):
            logits = PRETRAINING.logits(model(**batch.inputs), batch.sequences)
        words, relations = [], []
        for index, (ids, places) in enumerate(zip(*rows_of(batch)[::2], strict=True)):
            inputs = {"input_ids": torch.from_numpy(ids)[None]}
            if (types := rows_of(batch)[1]) is not None:
                inputs["token_type_ids"] = torch.from_numpy(types[index])[None]
            output = model(**inputs, output_hidden_states=True)
            words.append(output.logits[0, places])
            first = output.hidden_states[-1][:, 0]
            relations.append(model.relation(first, getattr(model.base_model, "pooler", None)))
    if kind == "modernbert":  # its hidden states are not normalised yet
        relations = [logits.relations]
    assert torch.allclose(logits.words, torch.cat(words), atol=2e-5)
    assert torch.allclose(logits.relations, torch.cat(relations), atol=2e-5)


def test_gradients_do_not_depend_on_micro_batches(prepare):
    model, examples = prepare("bert")
    found = []
    for size in (COUNT, 5, 1):
        model.zero_grad()
        parts = [examples.batch(part) for part in np.split(np.arange(COUNT), range(size, COUNT, size))]
        count = sum(int(PRETRAINING.count(part.labels)) for part in parts)
        with predicting_relations(model), running_packed(model, Kernels(fused=False)):
            for part in parts:
                logits = PRETRAINING.logits(model(**part.inputs), part.sequences)
                (PRETRAINING.loss(logits, part.labels) / count).backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    for other in found[1:]:
        assert (found[0] - other).abs().max() < 1e-5 * found[0].abs().max()


def test_the_loss_is_the_sum_of_two_means(prepare):
    model, examples = prepare("bert")
    batch = examples.batch(np.arange(COUNT))
    with torch.inference_mode(), predicting_relations(model), running_packed(model):
        logits = PRETRAINING.logits(model(**batch.inputs), batch.sequences)
    of_words, of_pairs = losses(logits, batch.labels)
    weights = np.array([len(places) for places in rows_of(batch)[2]])
    wanted = of_words.mean() + torch.from_numpy(weights / weights.sum()) @ of_pairs.double()
    assert float(PRETRAINING.loss(logits, batch.labels) / PRETRAINING.count(batch.labels)) == pytest.approx(
        float(wanted)
    )


def test_a_batch_holds_both_segments_with_their_special_tokens_and_masks(prepare):
    _, examples = prepare("bert")
    batch, special = examples.batch(np.arange(COUNT)), examples.form
    ids, types, read = rows_of(batch)
    targets = np.split(batch.labels[1 : 1 + sum(map(len, read))].numpy(), np.cumsum([len(one) for one in read])[:-1])
    assert batch.labels[0] == sum(map(len, read))
    for index in range(COUNT):
        one, other = (pairs[index] for pairs in (examples.pairs.first, examples.pairs.second))
        sizes = examples.segments.lengths[[one, other]]
        row = ids[index].copy()
        assert len(row) == sizes.sum() + 3 <= LENGTH
        row[read[index]] = targets[index]
        starts = examples.segments.starts[[one, other]]
        a, b = (examples.pieces.ids[start : start + size] for start, size in zip(starts, sizes, strict=True))
        assert row.tolist() == [special.first, *a, special.separator, *b, special.separator]
        assert types[index].tolist() == [0] * (len(a) + 2) + [1] * (len(b) + 1)
        assert not {0, len(a) + 1, len(row) - 1} & set(read[index])
        # Whole words may leave a few tokens of the fifteen percent.
        assert 1 <= len(read[index]) <= max(round(0.15 * sizes.sum()), 8)


def test_words_of_the_first_segment_are_told_from_those_of_the_second(prepare):
    _, examples = prepare("bert")
    indices = np.array([4, 0, 7])
    batch = examples.batch(indices)
    _, types, read = rows_of(batch)
    found = are_of_first(batch, examples, indices, np.array([len(one) for one in read]))
    assert found.tolist() == np.concatenate([kinds[places] == 0 for kinds, places in zip(types, read)]).tolist()
    assert 0 < found.sum() < len(found)


def test_masks_are_drawn_anew_at_each_visit_and_again_from_the_seed(prepare):
    _, examples = prepare("bert")
    first = examples.batch(np.arange(COUNT)).labels.tolist()
    assert examples.batch(np.arange(COUNT)).labels.tolist() == first
    examples.begin(1)
    assert examples.batch(np.arange(COUNT)).labels.tolist() != first
    examples.begin(0)
    assert examples.batch(np.arange(COUNT)).labels.tolist() == first


def test_the_model_is_one_of_transformers_again_without_its_relation_head(prepare):
    model, _ = prepare("bert")
    weights = take_relation_head(model)
    assert {name: tuple(value.shape) for name, value in weights.items()} == {
        "classifier.weight": (3, 16),
        "classifier.bias": (3,),
    }
    assert not [name for name in model.state_dict() if "relation" in name]
    assert {"bert.pooler.dense.weight", "cls.predictions.bias"} <= set(model.state_dict())
