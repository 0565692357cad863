"""Training only the word embeddings in use gives the same model as training all of them."""

import copy

import numpy as np
import torch
from linkbert.models.heads import HEADS
from linkbert.models.loading import load_model
from linkbert.models.vocabulary import Vocabulary


def train_with_vocabulary(model, ids, vocabulary):
    with vocabulary.in_use(model):
        with vocabulary.in_use(model):  # a nested call has no effect
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


def test_training_with_the_small_embedding_gives_the_weights_of_training_the_full_one(tiny):
    torch.manual_seed(0)
    model = load_model(tiny, HEADS["sequence"], ("a", "b"), fine_tuned=False, dropout=0.0, attention_dropout=0.0).eval()
    ids = torch.tensor([[2, 7, 9, 3], [2, 30, 31, 3], [2, 9, 50, 3]])
    whole = train(copy.deepcopy(model), ids)
    for keep_gradient in (True, False):
        small = copy.deepcopy(model)
        small = train_with_vocabulary(
            small, ids, Vocabulary(small, np.unique(ids.numpy()), keep_gradient=keep_gradient)
        )
        assert small.get_input_embeddings().num_embeddings == model.get_input_embeddings().num_embeddings
        for (name, one), (_, other) in zip(small.named_parameters(), whole.named_parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-6), name


def test_embeddings_of_tokens_that_are_not_in_use_stay_exactly_as_they_were(tiny):
    model = load_model(tiny, HEADS["sequence"], ("a", "b"), fine_tuned=False)
    before = model.get_input_embeddings().weight.detach().clone()
    vocabulary = Vocabulary(model, np.array([7, 9]), keep_gradient=True)
    with vocabulary.in_use(model):
        assert model.get_input_embeddings().num_embeddings == 3  # two tokens in use and the padding token
        with torch.no_grad():
            vocabulary.small.weight += 1
    changed = (model.get_input_embeddings().weight != before).any(1).nonzero().flatten().tolist()
    assert changed == [0, 7, 9]


def test_gradients_are_added_in_place_to_the_gradient_that_stays_in_memory(tiny):
    model = load_model(tiny, HEADS["sequence"], ("a", "b"), fine_tuned=False)
    vocabulary = Vocabulary(model, np.array([7, 9]), keep_gradient=True)
    kept = vocabulary.small.weight.grad
    for _ in range(2):
        vocabulary.small(torch.tensor([1, 1, 2])).sum().backward()
    assert vocabulary.small.weight.grad is kept and not kept.is_sparse
    assert kept[:, 0].tolist() == [0, 4, 2]
    vocabulary.clear_gradient()
    assert vocabulary.small.weight.grad is kept and not kept.any()
