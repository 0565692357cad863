"""The classifier is computed in float32 when a model is scored in half precision."""

import numpy as np
import pytest
import torch
from linkbert.models.float32_head import float32_head
from linkbert.models.heads import HEADS
from linkbert.models.loading import load_model
from linkbert.tasks.data import encode_split, load_split
from linkbert.tasks.registry import TASKS
from linkbert.training.predictor import Predictor

ARCHITECTURES = ("bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert")


def logits_of(model, head, ids):
    return HEADS[head].logits(model(input_ids=ids), np.array([2, 2])[: len(ids)])


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("head", HEADS)
def test_logits_are_float32_and_the_model_is_unchanged_afterwards(make_model, kind, head):
    labels = ("a", "b") if HEADS[head].kind in ("token", "sequence", "multi-label") else ()
    model = load_model(make_model(kind), HEADS[head], labels, fine_tuned=False).eval()
    ids = torch.tensor([[5, 6, 7]]).expand(2, 3)
    ids = ids[None] if HEADS[head].per_option else ids
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = logits_of(model, head, ids)
        with float32_head(model):
            full = logits_of(model, head, ids)
        again = logits_of(model, head, ids)
    assert half.dtype == torch.bfloat16 and full.dtype == torch.float32
    assert torch.equal(half, again), "outside of the block, the model computes as before"
    assert (full - half.float()).abs().max() < 0.05


def test_rounding_to_bf16_does_not_give_two_options_the_same_logit(data_dir, tiny, tokenizer):
    """The logits of one question differ by less than bf16 can express."""
    task = TASKS["medqa"]
    encoded, _ = encode_split(task, load_split(task, "test", data_dir), tokenizer, 32)
    model = load_model(tiny, task.head, task.labels, fine_tuned=False)
    with torch.no_grad():
        for parameter in model.base_model.parameters():
            parameter.mul_(8)  # so that the options' vectors differ, also in bf16
        model.classifier.weight.mul_(0.02)
        model.classifier.bias.fill_(3.0)  # between 2 and 4, two numbers of bf16 differ by 1/64
    outputs = np.stack(list(Predictor(task.head, tokenizer, "bf16").predict(model, encoded)))
    assert all(len(set(row.tolist())) == row.size for row in outputs)
    assert np.ptp(outputs, axis=1).max() < 1 / 64
