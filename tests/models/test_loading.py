"""Models are loaded in float32, with all their weights, and without running code from their folder."""

import json
import pickle
import shutil

import pytest
import torch
from linkbert.errors import RequestError
from linkbert.models.heads import HEADS
from linkbert.models.loading import inspect_model, load_model
from linkbert.models.sources import ModelSource, find_model
from linkbert.models.tokenizer_loading import load_tokenizer
from safetensors.torch import load_file, save_file

LABELS = ("0", "1")


@pytest.fixture
def model_copy(tiny, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    return folder


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def change_weights(folder, change):
    weights = change(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_weights_are_loaded_as_float32_whatever_their_stored_type(model_copy):
    change_weights(model_copy, lambda weights: {key: value.to(torch.bfloat16) for key, value in weights.items()})
    change_config(model_copy, dtype="bfloat16")
    model = load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_fine_tuning_accepts_a_missing_head_and_no_other_missing_weight(model_copy):
    load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)
    change_weights(
        model_copy, lambda weights: {k: v for k, v in weights.items() if "layer.1.attention.self.query" not in k}
    )
    with pytest.raises(RequestError, match=r"not a whole encoder: .*layer\.1\.attention\.self\.query"):
        load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)


def test_encoder_weights_of_a_wrong_shape_are_refused(model_copy):
    change_weights(
        model_copy, lambda w: w | {"embeddings.word_embeddings.weight": w["embeddings.word_embeddings.weight"][:50]}
    )
    with pytest.raises(RequestError, match="word_embeddings"):
        load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)


def test_a_head_of_another_size_is_replaced_for_fine_tuning_and_refused_for_scoring(tiny, tmp_path):
    load_model(tiny, HEADS["sequence"], ("a", "b", "c"), fine_tuned=False).save_pretrained(tmp_path)
    assert load_model(tmp_path, HEADS["sequence"], LABELS, fine_tuned=False).classifier.out_features == 2
    with pytest.raises(RequestError, match="labels are not those of the task"):
        load_model(tmp_path, HEADS["sequence"], LABELS, fine_tuned=True)


def test_scoring_refuses_a_model_with_a_missing_weight(tiny):
    with pytest.raises(RequestError, match="not a fine-tuned model of this task: .*classifier"):
        load_model(tiny, HEADS["sequence"], LABELS, fine_tuned=True)


class RunsCodeWhenUnpickled:
    def __reduce__(self):
        import os

        return os.system, ("touch pwned",)


def test_a_pickle_that_runs_code_is_refused(model_copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (model_copy / "model.safetensors").unlink()
    torch.save({"x": RunsCodeWhenUnpickled()}, model_copy / "pytorch_model.bin")
    with pytest.raises(RequestError):
        load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)
    with (model_copy / "pytorch_model.bin").open("wb") as handle:
        pickle.dump(RunsCodeWhenUnpickled(), handle)
    with pytest.raises(RequestError):
        load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)
    assert not (tmp_path / "pwned").exists()


def test_a_pickle_that_holds_only_weights_is_loaded(model_copy):
    weights = load_file(model_copy / "model.safetensors")
    (model_copy / "model.safetensors").unlink()
    torch.save(weights, model_copy / "pytorch_model.bin")
    load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)


def test_custom_code_of_a_model_never_runs(model_copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (model_copy / "evil.py").write_text("open('pwned', 'w')\n", encoding="utf-8")
    change_config(model_copy, model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    with pytest.raises(RequestError):
        inspect_model(ModelSource("x", "x", model_copy))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"not a tensor file", b"\xff" * 64])
def test_damaged_weights_are_a_plain_error(model_copy, content):
    (model_copy / "model.safetensors").write_bytes(content)
    with pytest.raises(RequestError, match=str(model_copy)):
        load_model(model_copy, HEADS["sequence"], LABELS, fine_tuned=False)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_configuration_is_a_plain_error(model_copy, content):
    (model_copy / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(RequestError, match=str(model_copy)):
        inspect_model(ModelSource("x", "x", model_copy))


def test_dropout_rates_are_read_from_the_model_and_can_be_set(tiny):
    info = inspect_model(find_model(str(tiny)))
    assert (info.dropout, info.attention_dropout, info.hidden_size, info.max_positions) == (0.1, 0.1, 16, 64)
    model = load_model(tiny, HEADS["sequence"], LABELS, fine_tuned=False, dropout=0.3, attention_dropout=0.0)
    assert model.config.hidden_dropout_prob == 0.3 and model.config.attention_probs_dropout_prob == 0.0


def test_the_truncation_setting_of_a_tokenizer_is_removed(model_copy):
    path = model_copy / "tokenizer.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["truncation"] = {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    path.write_text(json.dumps(described), encoding="utf-8")
    assert len(load_tokenizer(model_copy, words=False)("the " * 20)["input_ids"]) == 22


def test_byte_level_tokenizers_see_a_space_before_each_word(make_model):
    for kind in ("roberta", "modernbert"):
        tokenizer = load_tokenizer(make_model(kind), words=True)
        encoded = tokenizer(["the", "pain"], is_split_into_words=True)
        pieces = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
        assert pieces.count("\u0120") == 2, kind


def test_parameters_are_counted_without_a_head(tiny):
    expected = sum(value.numel() for value in load_file(tiny / "model.safetensors").values())
    assert inspect_model(find_model(str(tiny))).parameters == expected
