"""Hostile model and run folders are refused, and no code from them runs."""

import json
import os
import pickle
import shutil

import pytest
import torch
from linkbert.errors import RequestError
from linkbert.models.heads import HEADS
from linkbert.models.loading import inspect_model, load_model
from linkbert.models.sources import ModelSource, find_model, weight_files
from linkbert.models.tokenizer_loading import load_tokenizer

LABELS = ("a", "b")


class RunsCodeWhenUnpickled:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.fixture
def folder(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny, tmp_path / "model")
    return tmp_path / "model"


def change_json(folder, name="config.json", **changes):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def use_pickle(folder):
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as handle:
        pickle.dump(RunsCodeWhenUnpickled(), handle)


def use_torch_pickle(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.ones(1), "evil": RunsCodeWhenUnpickled()}, folder / "pytorch_model.bin")


def use_custom_code(folder):
    (folder / "evil.py").write_text("open('pwned', 'w')\nclass Model: pass\n", encoding="utf-8")
    change_json(folder, model_type="evil", auto_map={"AutoConfig": "evil.Model", "AutoModel": "evil.Model"})


def use_shards(folder, names):
    (folder / "model.safetensors").rename(folder / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": {f"w{number}": name for number, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def use_deep_config(folder):
    (folder / "config.json").write_text("[" * 100_000, encoding="utf-8")


def use_other_weights(folder):
    shutil.copy(folder / "model.safetensors", folder / "other.safetensors")
    change_json(folder, transformers_weights="other.safetensors")


def change_tokenizer(folder, edit):
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def add_token_beyond_the_embeddings(document):
    document["model"]["vocab"]["evil"] = 4_000_000_000


HOSTILE_FOLDERS = {
    "a pickle that runs code": use_pickle,
    "a file of torch that runs code": use_torch_pickle,
    "custom code": use_custom_code,
    "a million layers": lambda folder: change_json(folder, num_hidden_layers=1_000_000),
    "five million layers under another name": lambda folder: change_json(folder, n_layer=5_000_000),
    "five million layers in a nested configuration": lambda folder: change_json(
        folder, text_config={"num_hidden_layers": 5_000_000}
    ),
    "a million layers in groups of layers": lambda folder: change_json(
        folder, num_hidden_groups=1_000, inner_group_num=1_000
    ),
    "a negative number of layers": lambda folder: change_json(folder, num_hidden_layers=-1),
    "no attention heads": lambda folder: change_json(folder, num_attention_heads=0),
    "a hidden size that is not a number": lambda folder: change_json(folder, hidden_size="abc"),
    "a padding token beyond the embeddings": lambda folder: change_json(folder, pad_token_id=9_999_999),
    "a weights file that the checksum does not cover": use_other_weights,
    "attention code from the hub": lambda folder: change_json(folder, attn_implementation="evil/kernel"),
    "attention code from the hub in a nested configuration": lambda folder: change_json(
        folder, x=[{"_attn_implementation": "evil/kernel"}]
    ),
    "weights quantised by another library": lambda folder: change_json(
        folder, quantization_config={"quant_method": "fp8"}
    ),
    "a token id beyond the embeddings": lambda folder: change_tokenizer(folder, add_token_beyond_the_embeddings),
    "a tokenizer that makes its library panic": lambda folder: change_tokenizer(
        folder, lambda it: it.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"})
    ),
    "a tokenizer without its unknown token": lambda folder: change_tokenizer(
        folder, lambda it: it["model"].update(vocab={})
    ),
    "a tokenizer with a maximum length that is not a number": lambda folder: change_json(
        folder, "tokenizer_config.json", model_max_length="x"
    ),
    "a layer of a billion units": lambda folder: change_json(folder, hidden_size=2**30),
    "a billion labels": lambda folder: change_json(folder, num_labels=10**9),
    "a vocabulary of ten million words": lambda folder: change_json(folder, vocab_size=10**7),
    "a configuration with more parameters than the weights file": lambda folder: change_json(
        folder, intermediate_size=100_000
    ),
    "a configuration nested too deeply to parse": use_deep_config,
    "a configuration of many megabytes": lambda folder: change_json(folder, x="a" * 11_000_000),
    "shards outside of the folder": lambda folder: use_shards(folder, ["../model/elsewhere.safetensors"]),
    "shards with an absolute path": lambda folder: use_shards(folder, [str(folder / "elsewhere.safetensors")]),
    "missing shards": lambda folder: use_shards(folder, ["model-1.safetensors"]),
    "a malformed index of shards": lambda folder: use_shards(folder, [["x"]]),
}


@pytest.mark.parametrize("case", HOSTILE_FOLDERS)
def test_a_hostile_model_folder_is_refused(folder, case):
    HOSTILE_FOLDERS[case](folder)
    with pytest.raises(RequestError):
        source = find_model(str(folder))
        inspect_model(source)
        load_tokenizer(folder, words=False)
        load_model(folder, HEADS["sequence"], LABELS, fine_tuned=False)
    assert not (folder.parent / "pwned").exists()


def test_custom_code_of_a_tokenizer_never_runs(folder):
    (folder / "evil.py").write_text("open('pwned', 'w')\nclass Tokenizer: pass\n", encoding="utf-8")
    change_json(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]})
    try:
        load_tokenizer(folder, words=False)
    except RequestError:
        pass
    assert not (folder.parent / "pwned").exists()


def test_the_name_of_a_chat_template_never_becomes_a_file_path(folder, tmp_path):
    change_json(folder, "tokenizer_config.json", chat_template=[{"name": "../../pwned", "template": "x"}])
    load_tokenizer(folder, words=False).save_pretrained(tmp_path / "saved")
    assert not list(tmp_path.rglob("pwned*"))


def test_control_characters_in_a_configuration_are_never_printed(folder, capfd):
    change_json(folder, use_return_dict="\u001b[2J")
    with pytest.raises(RequestError) as caught:
        inspect_model(find_model(str(folder)))
    assert "\x1b" not in capfd.readouterr().err
    assert str(folder) in str(caught.value)


def test_shards_inside_the_folder_are_accepted(folder):
    use_shards(folder, ["elsewhere.safetensors"])
    assert weight_files(folder) == [folder / "elsewhere.safetensors"]
    inspect_model(ModelSource("x", "x", folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"name": "../../../escaped"}},
        {"model": {"name": "/escaped"}},
        {"model": {"name": ""}},
        {"seed": "../../escaped"},
        {"seed": True},
        {"seed": 2**40},
        {"recipe": []},
        {"recipe": {}},
        {"recipe": {"max_length": {"value": 10**12}}},
        {"recipe": {"max_length": {"value": 1}}},
        {"cost": None},
        {"cost": {}},
        {"dev": 1},
        {"data": {"test": 1}},
        {"truncation": {"a": 1}},
        {"departures": [1]},
    ],
)
def test_an_edited_run_record_is_refused_and_its_values_never_become_paths(cli, trained, data_dir, tmp_path, changes):
    shutil.copytree(trained / "runs" / "gad" / "tiny" / "seed-1", tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    run = json.loads(path.read_text())
    if "model" in changes:
        changes = {"model": run["model"] | changes["model"]}
    path.write_text(json.dumps(run | changes), encoding="utf-8")
    done = cli("eval", "gad", "--model", tmp_path / "run", "--data-dir", data_dir)
    assert done.exit_code == 2 and "not what `linkbert finetune` wrote" in done.stderr
    assert not list(tmp_path.rglob("*escaped*")) and not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["../x", "/x", ".", "..", "a/b", "a\\b", "", "x" * 200, "-x", "a\nb", "\u202ex"])
def test_a_model_name_that_is_not_a_safe_file_name_is_refused(cli, tiny, data_dir, name):
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, f"--name={name}")
    assert done.exit_code == 2 and "--name" in done.stderr


def test_changed_weights_in_a_run_folder_are_detected(cli, trained, data_dir, tmp_path):
    shutil.copytree(trained / "runs" / "gad" / "tiny" / "seed-1", tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = cli("eval", "gad", "--model", tmp_path / "run", "--data-dir", data_dir)
    assert done.exit_code == 2 and "not those that were trained" in done.stderr
