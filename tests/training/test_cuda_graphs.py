"""Updates that are captured as CUDA graphs are those that are computed kernel by kernel. These tests need a GPU."""

import pytest
import torch
from linkbert.models.loading import load_model
from linkbert.tasks.data import encode_split, load_split
from linkbert.tasks.recipe import Recipe
from linkbert.tasks.registry import TASKS
from linkbert.training import trainer as trainers
from linkbert.training.cuda_graphs import CudaGraphs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need an NVIDIA GPU")
RECIPE = Recipe(learning_rate=1e-3, batch_size=6, epochs=12, max_length=32)


@pytest.fixture
def train(data_dir, tokenizer, monkeypatch):
    """Return a function that trains, and returns the weights and how many updates were replayed."""

    def run(folder, name="gad", precision="bf16", *, graphs=True, **settings):
        made = []

        def make(compute):
            made.append(CudaGraphs(compute))
            made[0].usable = graphs
            return made[0]

        monkeypatch.setattr(trainers, "CudaGraphs", make)
        task = TASKS[name]
        rows, _ = encode_split(task, load_split(task, "train", data_dir), tokenizer, 32)
        trainer = trainers.Trainer(task.head, tokenizer, precision, **settings)
        trainer.seed(3)
        model = load_model(folder, task.head, task.labels, fine_tuned=False)
        model, _ = trainer.fit(model, rows, RECIPE, seed=3)
        weights = torch.cat([parameter.detach().flatten().cpu() for parameter in model.parameters()])
        return weights, made[0] if made else None

    return run


@pytest.mark.parametrize("name", ["ncbi-disease", "gad", "hoc", "biosses", "medqa"])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_replayed_updates_give_the_same_weights_with_dropout(train, tiny, name, precision):
    plain, _ = train(tiny, name, precision, graphs=False)
    replayed, graphs = train(tiny, name, precision)
    assert graphs.usable and graphs._captured
    # Matrix products may sum in another order. Masks of dropout that differed would change weights by far more.
    assert (plain - replayed).abs().max() < 1e-3


@pytest.mark.parametrize("kind", ["bert", "electra", "roberta", "distilbert", "modernbert"])
def test_each_architecture_that_can_be_captured_is(train, make_model, kind):
    folder = make_model(kind)
    plain, _ = train(folder, graphs=False)
    replayed, graphs = train(folder)
    assert graphs.usable and graphs._captured
    assert (plain - replayed).abs().max() < 1e-3


def test_an_architecture_that_cannot_be_captured_is_trained_kernel_by_kernel(train, make_model):
    folder = make_model("deberta-v2")
    plain, _ = train(folder, graphs=False)
    tried, graphs = train(folder)
    assert not graphs.usable and not graphs._captured
    assert (plain - tried).abs().max() < 1e-3


def test_a_pass_for_which_the_host_waits_is_not_captured(train, tiny, monkeypatch):
    compute = trainers.Trainer._gradients

    def waiting(self, model, batch, factor):
        loss = compute(self, model, batch, factor)
        loss.item()
        return loss

    monkeypatch.setattr(trainers.Trainer, "_gradients", waiting)
    _, graphs = train(tiny)
    assert not graphs.usable and not graphs._captured


def test_deterministic_trainings_and_fp16_are_not_captured(train, tiny):
    assert train(tiny, deterministic=True)[1] is None
    assert train(tiny, precision="fp16")[1] is None
