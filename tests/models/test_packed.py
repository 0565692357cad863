"""Packed rows give the same logits and gradients as padded batches, and leave the model unchanged."""

import json
import shutil

import numpy as np
import pytest
import torch
from linkbert.models.first_tokens import narrowed_last_layer
from linkbert.models.heads import HEADS
from linkbert.models.kernels import Kernels
from linkbert.models.loading import load_model
from linkbert.models.packed import can_pack, running_packed
from linkbert.models.packed_row import pack, packed_inputs
from transformers import AutoConfig, AutoModel

LABELS = {
    "token": ("O", "B"),
    "sequence": ("a", "b", "c"),
    "regression": (),
    "multi-label": ("a", "b"),
    "choice": (),
    "span": (),
}
LENGTHS = (9, 3, 30, 1, 17, 5, 2, 12)
PACKABLE = ("bert", "roberta", "electra", "distilbert", "modernbert", "deberta-v2")


def load(folder, head):
    torch.manual_seed(0)
    return load_model(folder, HEADS[head], LABELS[head], fine_tuned=False).eval()


def tokens():
    return np.random.default_rng(0).integers(5, 100, sum(LENGTHS))


def sequences(head):
    return np.full(2, 4) if head == "choice" else np.ones(len(LENGTHS), dtype=int)


def padded_logits(model, head):
    ids, width = tokens(), max(LENGTHS)
    inside = np.arange(width) < np.array(LENGTHS)[:, None]
    padded = np.full(inside.shape, model.config.pad_token_id)
    padded[inside] = ids
    inputs = {"input_ids": torch.from_numpy(padded), "attention_mask": torch.from_numpy(inside).long()}
    if head == "choice":
        inputs = {name: tensor.view(2, 4, width) for name, tensor in inputs.items()}
    logits = HEADS[head].logits(model(**inputs), sequences(head))
    return logits[torch.from_numpy(inside)] if HEADS[head].every_token else logits


def packed_logits(model, head, kernels=None):
    row = pack(tokens(), None, np.array(LENGTHS), model.config.num_attention_heads, every_token=HEADS[head].every_token)
    with running_packed(model, kernels):
        logits = HEADS[head].logits(model(**packed_inputs(row, 4 if head == "choice" else None)), sequences(head))
    return logits[0, : sum(LENGTHS)] if HEADS[head].every_token else logits


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", PACKABLE)
def test_packed_rows_give_the_same_logits_as_padded_batches(make_model, kind, head):
    model = load(make_model(kind), head)
    with torch.inference_mode():
        packed, padded = packed_logits(model, head), padded_logits(model, head)
    assert packed.shape == padded.shape
    # Both sum a few dozen float32 numbers of size 1, in different orders.
    assert (packed - padded).abs().max() < 2e-6
    assert can_pack(model, HEADS[head])


@pytest.mark.parametrize("kind", ["bert", "modernbert", "deberta-v2"])
@pytest.mark.parametrize("head", HEADS)
def test_gradients_of_packed_rows_equal_those_of_padded_batches(make_model, kind, head):
    model = load(make_model(kind), head)
    found = []
    for logits in (packed_logits, padded_logits):
        model.zero_grad()
        logits(model, head).square().sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert (found[0] - found[1]).abs().max() < 1e-5 * found[1].abs().max()


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "distilbert"])
def test_the_last_layer_computes_only_first_tokens_if_the_head_reads_no_others(make_model, kind):
    for head, expected in (("sequence", len(LENGTHS)), ("choice", len(LENGTHS)), ("token", None)):
        model, seen = load(make_model(kind), head), []
        layers = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
        for layer in (layers[0], layers[-1]):
            layer.register_forward_hook(lambda module, arguments, output, seen=seen: seen.append(output.shape[1]))
        packed_logits(model, head)
        assert seen[0] >= sum(LENGTHS)
        assert seen[1] == (expected or seen[0])


def test_an_encoder_with_unknown_layer_names_is_packed_with_a_full_last_layer(tiny):
    model = load(tiny, "sequence")
    # With a second module named `key`, it is unknown which one computes the keys.
    model.bert.encoder.layer[-1].key = torch.nn.Identity()
    with narrowed_last_layer(model.bert) as narrowed:
        assert not narrowed
    with torch.inference_mode():
        assert (packed_logits(model, "sequence") - padded_logits(model, "sequence")).abs().max() < 2e-6


def changed(folder, tmp_path, **settings):
    """A copy of a model whose configuration has other settings, with new random weights where they change shapes."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text()) | settings
    (copy / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(copy)).save_pretrained(copy)
    return copy


def test_rotary_positions_in_float32_are_packed_under_autocast(tmp_path):
    """EuroBERT computes queries and keys in float32 there, and values in bf16."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    config = AutoConfig.for_model("eurobert", vocab_size=120, pad_token_id=0, max_position_embeddings=64, **sizes)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    model = load(tmp_path, "token")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        packed, padded = packed_logits(model, "token"), padded_logits(model, "token")
    assert (packed - padded).abs().max() < 0.05 * padded.abs().max()


@pytest.mark.parametrize(
    "settings",
    [
        {"pos_att_type": ["c2p"]},
        {"pos_att_type": ["p2c"], "share_att_key": True},
        {"share_att_key": True, "position_buckets": 4, "norm_rel_ebd": "layer_norm", "position_biased_input": False},
        {"relative_attention": False},
    ],
)
def test_every_kind_of_relative_attention_is_packed(make_model, tmp_path, settings):
    model = load(changed(make_model("deberta-v2"), tmp_path, **settings), "token")
    with torch.inference_mode():
        assert (packed_logits(model, "token") - padded_logits(model, "token")).abs().max() < 1e-5


def test_a_deberta_whose_convolution_crosses_the_ends_of_sequences_is_recognised(make_model, tmp_path):
    settings = {"conv_kernel_size": 3, "conv_act": "gelu"}
    assert not can_pack(load(changed(make_model("deberta-v2"), tmp_path, **settings), "token"), HEADS["token"])


def test_a_head_that_reads_the_mean_of_all_tokens_is_packed(make_model, tmp_path):
    model = load(changed(make_model("modernbert"), tmp_path, classifier_pooling="mean"), "sequence")
    assert model.config.classifier_pooling == "mean"
    with torch.inference_mode():
        assert (packed_logits(model, "sequence") - padded_logits(model, "sequence")).abs().max() < 2e-6
    assert can_pack(model, HEADS["sequence"])


def test_the_trial_reaches_beyond_the_window_of_a_model(make_model, monkeypatch):
    """A window that packing ignored would be noticed, although the first sequences of the trial are short."""
    model = load(make_model("modernbert"), "token")
    from linkbert.models import packed_layout

    monkeypatch.setattr(packed_layout.Group, "masked", lambda self, window, firsts_only: self.beyond)
    assert not can_pack(model, HEADS["token"])


def test_a_model_that_gives_other_logits_when_packed_is_recognised(tiny):
    model = load(tiny, "sequence")
    embeddings = model.bert.embeddings
    # These embeddings ignore the position ids that they are given, and count through the whole row.
    original = embeddings.forward
    embeddings.forward = lambda *args, position_ids=None, **kw: original(
        *args, position_ids=torch.arange(kw["input_ids"].shape[1])[None], **kw
    )
    assert not can_pack(model, HEADS["sequence"])


@pytest.mark.parametrize("training", [True, False])
def test_a_model_is_unchanged_after_it_ran_packed_even_after_an_error(tiny, training):
    model = load(tiny, "sequence").train(training)

    def described():
        hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
        modules = [(name, type(m), m.training) for name, m in model.named_modules()]
        return list(model.state_dict()), modules, hooks, model.config._attn_implementation

    before = described()
    packed_logits(model, "sequence", Kernels(fused=False))
    assert described() == before
    with pytest.raises(ZeroDivisionError), running_packed(model, Kernels(fused=False)):
        raise ZeroDivisionError
    assert described() == before


def test_padding_tokens_inside_a_text_are_treated_like_other_tokens(tiny):
    """Positions are counted within each sequence; they do not depend on the token ids."""
    model = load(tiny, "token")
    ids = np.array([2, 0, 0, 3, 2, 3])
    row = pack(ids, None, np.array([4, 2]), 2, every_token=True)
    assert row.position_ids[0, :6].tolist() == [0, 1, 2, 3, 0, 1]
    with torch.inference_mode(), running_packed(model):
        packed = model(**packed_inputs(row, None)).logits[0, :4]
        alone = pack(ids[:4], None, np.array([4]), 2, every_token=True)
        assert torch.allclose(packed, model(**packed_inputs(alone, None)).logits[0, :4], atol=1e-6)
