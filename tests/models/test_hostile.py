"""A gallery of hostile model folders: each is refused, and no code of theirs runs."""

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


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.fixture
def folder(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny, tmp_path / "model")
    return tmp_path / "model"


def change(folder, name="config.json", **changes):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def pickled(folder):
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as handle:
        pickle.dump(Evil(), handle)


def torch_pickle(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.ones(1), "evil": Evil()}, folder / "pytorch_model.bin")


def code_of_the_model(folder):
    (folder / "evil.py").write_text("open('pwned', 'w')\nclass Model: pass\n", encoding="utf-8")
    change(folder, model_type="evil", auto_map={"AutoConfig": "evil.Model", "AutoModel": "evil.Model"})


def shards(folder, names):
    (folder / "model.safetensors").rename(folder / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": {f"w{number}": name for number, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def deep_config(folder):
    (folder / "config.json").write_text("[" * 100_000, encoding="utf-8")


def other_weights(folder):
    shutil.copy(folder / "model.safetensors", folder / "other.safetensors")
    change(folder, transformers_weights="other.safetensors")


def tokenizer(folder, edit):
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def word_beyond_the_embeddings(document):
    document["model"]["vocab"]["evil"] = 4_000_000_000


GALLERY = {
    "a pickle": pickled,
    "a pickle inside of torch's format": torch_pickle,
    "code of its own": code_of_the_model,
    "a million layers": lambda folder: change(folder, num_hidden_layers=1_000_000),
    "layers under another name": lambda folder: change(folder, n_layer=5_000_000),
    "layers of a part": lambda folder: change(folder, text_config={"num_hidden_layers": 5_000_000}),
    "layers of layers": lambda folder: change(folder, num_hidden_groups=1_000, inner_group_num=1_000),
    "no layers": lambda folder: change(folder, num_hidden_layers=-1),
    "no attention heads": lambda folder: change(folder, num_attention_heads=0),
    "a size in words": lambda folder: change(folder, hidden_size="abc"),
    "padding beyond the embeddings": lambda folder: change(folder, pad_token_id=9_999_999),
    "weights that its checksum does not cover": other_weights,
    "attention from elsewhere": lambda folder: change(folder, attn_implementation="evil/kernel"),
    "attention from elsewhere, of a part": lambda folder: change(folder, x=[{"_attn_implementation": "evil/kernel"}]),
    "quantised by a library": lambda folder: change(folder, quantization_config={"quant_method": "fp8"}),
    "a word of which nothing is known": lambda folder: tokenizer(folder, word_beyond_the_embeddings),
    "a tokenizer that panics": lambda folder: tokenizer(
        folder, lambda it: it.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"})
    ),
    "a tokenizer without its unknown word": lambda folder: tokenizer(folder, lambda it: it["model"].update(vocab={})),
    "a tokenizer of a length in words": lambda folder: change(folder, "tokenizer_config.json", model_max_length="x"),
    "a layer of a billion units": lambda folder: change(folder, hidden_size=2**30),
    "a billion labels": lambda folder: change(folder, num_labels=10**9),
    "a vocabulary of ten million words": lambda folder: change(folder, vocab_size=10**7),
    "more parameters than weights": lambda folder: change(folder, intermediate_size=100_000),
    "a configuration without end": deep_config,
    "a configuration of many megabytes": lambda folder: change(folder, x="a" * 11_000_000),
    "shards outside of the folder": lambda folder: shards(folder, ["../model/elsewhere.safetensors"]),
    "shards by an absolute path": lambda folder: shards(folder, [str(folder / "elsewhere.safetensors")]),
    "shards that are not there": lambda folder: shards(folder, ["model-1.safetensors"]),
    "an index that is none": lambda folder: shards(folder, [["x"]]),
}


@pytest.mark.parametrize("exhibit", GALLERY)
def test_a_hostile_model_folder_is_refused(folder, exhibit):
    GALLERY[exhibit](folder)
    with pytest.raises(RequestError):
        source = find_model(str(folder))
        inspect_model(source)
        load_tokenizer(folder, words=False)
        load_model(folder, HEADS["sequence"], LABELS, fine_tuned=False)
    assert not (folder.parent / "pwned").exists()


def test_code_of_a_tokenizer_never_runs(folder):
    (folder / "evil.py").write_text("open('pwned', 'w')\nclass Tokenizer: pass\n", encoding="utf-8")
    change(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]})
    try:
        load_tokenizer(folder, words=False)
    except RequestError:
        pass
    assert not (folder.parent / "pwned").exists()


def test_a_chat_template_never_becomes_a_file(folder, tmp_path):
    change(folder, "tokenizer_config.json", chat_template=[{"name": "../../pwned", "template": "x"}])
    load_tokenizer(folder, words=False).save_pretrained(tmp_path / "saved")
    assert not list(tmp_path.rglob("pwned*"))


def test_the_library_prints_nothing_of_a_folder(folder, capfd):
    change(folder, use_return_dict="\u001b[2J")
    with pytest.raises(RequestError) as caught:
        inspect_model(find_model(str(folder)))
    assert "\x1b" not in capfd.readouterr().err
    assert str(folder) in str(caught.value)


def test_shards_in_the_folder_are_fine(folder):
    shards(folder, ["elsewhere.safetensors"])
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
def test_names_in_a_run_folder_never_become_paths(cli, trained, data_dir, tmp_path, changes):
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
def test_a_name_of_the_command_line_never_becomes_a_path(cli, tiny, data_dir, name):
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, f"--name={name}")
    assert done.exit_code == 2 and "--name" in done.stderr


def test_weights_that_were_exchanged_are_noticed(cli, trained, data_dir, tmp_path):
    shutil.copytree(trained / "runs" / "gad" / "tiny" / "seed-1", tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = cli("eval", "gad", "--model", tmp_path / "run", "--data-dir", data_dir)
    assert done.exit_code == 2 and "not those that were trained" in done.stderr
