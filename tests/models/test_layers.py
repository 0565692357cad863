"""Layers by their depth: what is frozen stays, what begins anew differs, and learning rates fall from layer to layer."""

import pytest
import torch
from linkbert.errors import RequestError
from linkbert.models.heads import HEADS
from linkbert.models.layers import depths, freeze_layers, reinitialise_layers
from linkbert.models.loading import load_model
from linkbert.tasks.recipe import Recipe
from linkbert.training.optimization import make_optimizer

KINDS = ("bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert")


def load(folder):
    torch.manual_seed(0)
    return load_model(folder, HEADS["sequence"], ("a", "b"), fine_tuned=False)


@pytest.mark.parametrize("kind", KINDS)
def test_depth_rises_from_the_embeddings_to_the_head(make_model, kind):
    model = load(make_model(kind))
    depth = depths(model)
    named = {name: depth[parameter] for name, parameter in model.named_parameters()}
    assert depth[model.get_input_embeddings().weight] == 0
    assert set(named.values()) == {0, 1, 2, 3} and len(depth) == len(list(model.parameters()))
    assert {level for name, level in named.items() if name.startswith("classifier")} == {3}
    for name, level in named.items():
        for number in (0, 1):
            if f".{number}." in name and ("layer" in name):
                assert level == number + 1, name


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_layers_and_embeddings_get_no_gradient_and_the_others_do(make_model, kind):
    model = load(make_model(kind))
    freeze_layers(model, 1)
    model(input_ids=torch.tensor([[5, 6, 7, 8]])).logits.square().sum().backward()
    depth = depths(model)
    assert all(p.grad is None for p, level in depth.items() if level <= 1)
    assert any(p.grad is not None for p, level in depth.items() if level == 2)
    left_out = {id(p) for p, level in depth.items() if level <= 1}
    optimizer = make_optimizer(model, Recipe(1e-3, 4, 1, 32), torch.device("cpu"))
    assert not left_out & {id(p) for group in optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_highest_layers_begin_anew(make_model, kind):
    model, before = load(make_model(kind)), load(make_model(kind))
    torch.manual_seed(1)
    reinitialise_layers(model, 1)
    same = {name: torch.equal(p, dict(before.named_parameters())[name]) for name, p in model.named_parameters()}
    depth = depths(model)
    matrices = {name: depth[p] for name, p in model.named_parameters() if p.ndim == 2}
    assert all(same[name] for name, level in matrices.items() if level < 2)
    assert all(not same[name] for name, level in matrices.items() if level == 2)
    assert same["classifier.weight" if "classifier.weight" in same else "classifier.out_proj.weight"]


def test_the_learning_rate_falls_by_the_factor_from_layer_to_layer(tiny):
    model = load(tiny)
    optimizer = make_optimizer(model, Recipe(1e-3, 4, 1, 32, weight_decay=0.1, layer_decay=0.5), torch.device("cpu"))
    depth = depths(model)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(1e-3 * 0.5 ** (3 - depth[parameter]))
            assert group["weight_decay"] == (0.1 if parameter.ndim >= 2 else 0)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(depth)


def test_more_layers_than_there_are_is_refused_before_the_run(tiny, data_dir, tmp_path):
    from linkbert.experiments.plan import plan_finetune

    with pytest.raises(RequestError, match="--frozen-layers 3: .* has 2 layers"):
        plan_finetune("gad", model=str(tiny), frozen_layers=3, data_dir=data_dir, max_length=32)
    with pytest.raises(RequestError, match="--layer-decay: .*above 0 and at most 1"):
        plan_finetune("gad", model=str(tiny), layer_decay=1.5, data_dir=data_dir, max_length=32)
