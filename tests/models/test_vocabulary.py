"""Training the words in use is training all of them."""

import copy

import numpy as np
import torch
from linkbert.models.heads import HEADS
from linkbert.models.loading import load_model
from linkbert.models.vocabulary import Vocabulary


def train_words(model, ids, vocabulary):
    with vocabulary.in_use(model):
        with vocabulary.in_use(model):  # inside of itself it does nothing
            pass
        return train(model, torch.from_numpy(vocabulary.renumbered)[ids], vocabulary)


def train(model, ids, vocabulary=None):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    for row in ids:
        model(input_ids=row[None]).logits.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if vocabulary is not None:
            vocabulary.clear_gradient()
    return model


def test_updates_are_those_of_the_whole_embedding(tiny):
    torch.manual_seed(0)
    model = load_model(tiny, HEADS["sequence"], ("a", "b"), fine_tuned=False, dropout=0.0, attention_dropout=0.0).eval()
    ids = torch.tensor([[2, 7, 9, 3], [2, 30, 31, 3], [2, 9, 50, 3]])
    whole = train(copy.deepcopy(model), ids)
    for keep_gradient in (True, False):
        small = copy.deepcopy(model)
        small = train_words(small, ids, Vocabulary(small, np.unique(ids.numpy()), keep_gradient=keep_gradient))
        assert small.get_input_embeddings().num_embeddings == model.get_input_embeddings().num_embeddings
        for (name, one), (_, other) in zip(small.named_parameters(), whole.named_parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-6), name


def test_words_that_do_not_occur_stay_exactly_as_they_were(tiny):
    model = load_model(tiny, HEADS["sequence"], ("a", "b"), fine_tuned=False)
    before = model.get_input_embeddings().weight.detach().clone()
    vocabulary = Vocabulary(model, np.array([7, 9]), keep_gradient=True)
    with vocabulary.in_use(model):
        assert model.get_input_embeddings().num_embeddings == 3  # with the padding token
        with torch.no_grad():
            vocabulary.small.weight += 1
    changed = (model.get_input_embeddings().weight != before).any(1).nonzero().flatten().tolist()
    assert changed == [0, 7, 9]


def test_a_gradient_is_added_to_the_one_that_stays(tiny):
    model = load_model(tiny, HEADS["sequence"], ("a", "b"), fine_tuned=False)
    vocabulary = Vocabulary(model, np.array([7, 9]), keep_gradient=True)
    kept = vocabulary.small.weight.grad
    for _ in range(2):
        vocabulary.small(torch.tensor([1, 1, 2])).sum().backward()
    assert vocabulary.small.weight.grad is kept and not kept.is_sparse
    assert kept[:, 0].tolist() == [0, 4, 2]
    vocabulary.clear_gradient()
    assert vocabulary.small.weight.grad is kept and not kept.any()
