"""Pretraining through the command line: what it saves, how it continues, and what it refuses."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from linkbert.errors import RequestError
from linkbert.pretraining.corpus import LinkedCorpus
from linkbert.pretraining.inspection import inspect_pretraining
from linkbert.pretraining.options import PretrainOptions
from linkbert.pretraining.run import pretrain
from linkbert.pretraining.vocabulary import make_vocabulary, tokenizer_of
from linkbert.training.reporters import Reporter
from linkbert.training.stopping import Stopped, obeying_signals
from safetensors.torch import load_file


def options(corpus, tmp_path, tiny, **changes):
    settings = {"start": str(tiny), "max_steps": 12, "batch_size": 8, "max_length": 48, "evaluate_every": 4,
                "runs_dir": tmp_path, "name": "x", "held_out": 0.2, "precision": "fp32"}  # fmt: skip
    return PretrainOptions(corpus, **(settings | changes))


class Stopping(Reporter):
    """Asks the run to stop after some updates."""

    def __init__(self, after):
        self.after = after

    def on_progress(self, progress):
        if progress.stage == "train" and progress.done == self.after:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_pretrained_model_opens_in_transformers_and_is_fine_tuned(cli, corpus, tiny, tmp_path, data_dir):
    from transformers import AutoModel, AutoModelForMaskedLM, pipeline

    done = cli(
        "pretrain", corpus, "--from", tiny, "--max-steps", 10, "--batch-size", 8, "--max-length", 48,
        "--held-out", 0.2, "--set", "warmup=0.2", "--runs-dir", tmp_path, "--json", "--track", "tensorboard",
    )  # fmt: skip
    record = json.loads(done.stdout)
    folder = record["run_dir"]
    assert folder == str(tmp_path / "pretrain" / "tiny-bert-corpus-seed-42") and record["status"] == "finished"
    scores = record["held_out"]["after"]
    names = ("contiguous", "random", "linked")
    each = {f"{what}_accuracy_{name}" for what in ("word", "relation") for name in names}
    assert set(scores) == {
        "word_accuracy",
        "perplexity",
        "unseen_word_accuracy",
        "unseen_perplexity",
        "relation_accuracy",
        *each,
    }
    assert record["relations"] == dict.fromkeys(("contiguous", "random", "linked"), 1 / 3)
    for kind, allowed in ((AutoModelForMaskedLM, "pooler"), (AutoModel, "cls.")):
        _, loaded = kind.from_pretrained(folder, output_loading_info=True)
        assert not loaded["missing_keys"] and all(allowed in key for key in loaded["unexpected_keys"])
    assert len(pipeline("fill-mask", folder)("the [MASK]")) == 5
    assert load_file(f"{folder}/relation-head.safetensors")["classifier.weight"].shape == (3, 16)
    assert [row for row in open(f"{folder}/training-log.jsonl") if "relation_accuracy" in row]
    assert list((tmp_path / "pretrain" / "tiny-bert-corpus-seed-42").rglob("events.out.tfevents.*"))
    found = json.loads(cli("pretrain", "eval", folder, corpus, "--pairs", 20, "--json").stdout)
    assert found["context_gain"]["low"] <= found["context_gain"]["gain"] <= found["context_gain"]["high"]
    assert "relation_accuracy_linked" in found["scores"]
    shutil.copytree(folder, tmp_path / "plain")
    (tmp_path / "plain" / "relation-head.safetensors").unlink()
    plain = cli("pretrain", "eval", tmp_path / "plain", corpus, "--pairs", 20)
    assert plain.exit_code == 0 and "relation" not in plain.stdout and "nats" in plain.stdout
    for flag, value, said in (("--max-length", 2, "--max-length should be from 16 to"), ("--held-out", 0, "above 0"),
                              ("--held-out", "nan", "above 0"), ("--max-length", 5000, "the model's 64 positions")):  # fmt: skip
        wrong = cli("pretrain", "eval", folder, corpus, flag, value)
        assert wrong.exit_code == 2 and said in wrong.stderr
    other = cli("pretrain", "eval", folder, corpus, "--pairs", 10, "--held-out", 0.5)
    assert other.exit_code == 0 and "may know these" in other.stderr
    encoder = cli("pretrain", "eval", tiny, corpus)
    assert encoder.exit_code == 2 and "has no head that fills masks" in encoder.stderr
    again = cli("pretrain", corpus, "--from", tiny, "--max-steps", 10, "--batch-size", 8, "--max-length", 48,
                "--held-out", 0.2, "--set", "warmup=0.2", "--runs-dir", tmp_path)  # fmt: skip
    assert again.exit_code == 0 and "finished already" in again.stderr and "held-out pairs" in again.stdout
    other = cli("pretrain", corpus, "--from", tiny, "--max-steps", 11, "--batch-size", 8, "--max-length", 48,
                "--held-out", 0.2, "--set", "warmup=0.2", "--runs-dir", tmp_path)  # fmt: skip
    assert other.exit_code == 2 and "steps was 10, is 11. Use --overwrite" in other.stderr
    shown = cli("show", folder)
    assert shown.exit_code == 0
    for said in ("learning_rate", "training loss by update", "relation accuracy", "tokens a second"):
        assert said in shown.stdout
    drawn = cli("show", folder, "--plot", "losses.svg")
    assert drawn.exit_code == 0 and Path("losses.svg").is_file()
    assert json.loads(cli("show", folder, "--json").stdout)["pretraining"]["status"] == "finished"
    tuned = cli("finetune", "gad", "--model", folder, "--max-steps", 3, "--max-length", 32, "--runs-dir", tmp_path / "r",
                "--data-dir", data_dir, "--results-dir", tmp_path / "results", "--set", "warmup=0", "--json")  # fmt: skip
    assert json.loads(tuned.stdout)["model"]["name"] == "tiny-bert-corpus-seed-42"


def test_a_pretraining_that_was_stopped_continues_with_the_same_bits(corpus, tiny, tmp_path):
    whole = pretrain(options(corpus, tmp_path / "whole", tiny))
    for after in (3, 6):
        with pytest.raises(Stopped), obeying_signals():
            pretrain(options(corpus, tmp_path / "parts", tiny), reporters=[Stopping(after)])
    parts = pretrain(options(corpus, tmp_path / "parts", tiny))
    found = [load_file(f"{record['run_dir']}/model.safetensors") for record in (whole, parts)]
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert whole["held_out"] == parts["held_out"]
    logs = [[json.loads(line) for line in open(f"{one['run_dir']}/training-log.jsonl")] for one in (whole, parts)]
    kept = [[(row.get("step"), row.get("loss"), row.get("relation_accuracy")) for row in log] for log in logs]
    assert kept[0] == kept[1]


def test_a_model_from_scratch_has_a_tokenizer_of_the_corpus(cli, corpus, tmp_path):
    done = cli("pretrain", "run", corpus, "--config", "tiny", "--vocabulary-size", 120, "--max-steps", 2, "--batch-size",
               8, "--held-out", 0.2, "--relations", "contiguous, random=3", "--set", "warmup=0", "--runs-dir", tmp_path,
               "--name", "new", "--whole-words")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    folder = tmp_path / "pretrain" / "new-seed-42"
    config = json.loads((folder / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (2, 128) and 100 < config["vocab_size"] <= 120
    record = json.loads((folder / "pretraining.json").read_text())
    assert record["relations"] == {"contiguous": 0.25, "random": 0.75, "linked": 0}
    assert "word_accuracy_linked" not in record["held_out"]["after"]
    # The paper's rate for LinkBERT-tiny belongs to 2048 pairs.
    assert record["recipe"]["learning_rate"] == pytest.approx(5e-3 * (8 / 2048) ** 0.5)


def test_a_pretraining_that_is_continued_keeps_its_heads(corpus, tiny, tmp_path, caplog):
    from linkbert.pretraining.objective import load_for_pretraining

    first = pretrain(options(corpus, tmp_path, tiny, name="first"))["run_dir"]
    assert "it begins at random" in caplog.text
    caplog.clear()
    model, stored = load_for_pretraining(Path(first)), load_file(f"{first}/relation-head.safetensors")
    assert stored and all(torch.equal(model.relation.state_dict()[name], value) for name, value in stored.items())
    second = pretrain(options(corpus, tmp_path, first, name="second", max_steps=1, learning_rate=1e-9))
    assert second["held_out"]["before"]["perplexity"] == pytest.approx(
        second["held_out"]["after"]["perplexity"], rel=1e-3
    )
    assert "at random" not in caplog.text


def test_dropout_and_the_configuration_are_those_that_are_asked_for(corpus, tmp_path):
    file = tmp_path / "small.json"
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 200,
    }
    file.write_text(json.dumps({"model_type": "bert", **sizes}))
    request = {"config": str(file), "vocabulary_size": 120, "max_steps": 1, "batch_size": 8, "held_out": 0.2,
               "max_length": 48, "runs_dir": tmp_path, "warmup": 0}  # fmt: skip
    run = pretrain(str(corpus), dropout=0.3, attention_dropout=0.0, **request)["run_dir"]
    config = json.loads(Path(run, "config.json").read_text())
    assert config["hidden_dropout_prob"] == 0.3 and config["attention_probs_dropout_prob"] == 0.0
    file.write_text(json.dumps({"model_type": "bert", **sizes, "num_hidden_layers": 2}))
    with pytest.raises(RequestError, match="a different pretraining is there: configuration was"):
        pretrain(str(corpus), dropout=0.3, attention_dropout=0.0, **request)


def test_python_callers_give_names_and_values(corpus, tmp_path):
    import linkbert

    record = linkbert.pretrain(
        str(corpus), config="tiny", vocabulary_size=120, max_steps=2, batch_size=8, warmup=0, held_out=0.2,
        relations={"contiguous": 1, "random": 1}, runs_dir=str(tmp_path), name="new", progress=False,
    )  # fmt: skip
    assert record["recipe"]["warmup"] == 0 and record["relations"]["linked"] == 0
    found = linkbert.score_pretrained(record["run_dir"], str(corpus), pairs=10)
    assert found["pairs"] == 10 and found["held_out"] == 0.2
    with pytest.raises(RequestError, match=r"^give either start=\.\.\., to continue"):
        linkbert.pretrain(str(corpus), max_steps=2)
    with pytest.raises(RequestError) as wrong:
        linkbert.pretrain(str(corpus), config="tiny", max_steps="5", held_out="0.2", seed=True, whole_words="yes",
                          relations=3, settings=[1])  # fmt: skip
    assert sorted(wrong.value.problems) == [
        "held_out should be a number, found '0.2'",
        "max_steps should be a whole number, found '5'",
        "relations should be a list of names, found 3",
        "seed should be a whole number, found True",
        "the settings should be a dictionary, found [1]",
        "whole_words should be true or false, found 'yes'",
    ]
    for value, said in (([1], "relations '1': "), ([], "name each relation once")):
        with pytest.raises(RequestError, match=said):
            linkbert.pretrain(str(corpus), config="tiny", relations=value)
    with pytest.raises(RequestError) as wrong:
        linkbert.score_pretrained(record["run_dir"], None, pairs="50")
    assert wrong.value.problems == (
        "the corpus should be a text or a path, found None", "pairs should be a whole number, found '50'"
    )  # fmt: skip
    with pytest.raises(RequestError, match="max_length should be from 16"):
        linkbert.score_pretrained(record["run_dir"], str(corpus), max_length=0)
    with pytest.raises(RequestError) as wrong:
        linkbert.write_corpus(3, str(tmp_path / "c"), links=None, neighbours="3")
    assert len(wrong.value.problems) == 3
    with pytest.raises(RequestError, match="vocabulary_size should be at least 100"):
        linkbert.pretrain(str(corpus), config="tiny", vocabulary_size=-1, weight_decay=None)
    with pytest.raises(RequestError, match="max_steps: give all options by name"):
        linkbert.pretrain(PretrainOptions(corpus, config="tiny"), max_steps=1)
    with pytest.raises(RequestError, match="did you mean max_steps"):
        linkbert.pretrain(str(corpus), config="tiny", maxsteps=2)


SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


@pytest.mark.parametrize(
    "further",
    [
        {"model_type": "roberta", "vocab_size": 200, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
        {"model_type": "roberta", "vocab_size": 200, "pad_token_id": None},
        {"model_type": "modernbert", "vocab_size": 150, "pad_token_id": 50283, "cls_token_id": 50281},
    ],
)
def test_a_configuration_of_another_tokenizer_gets_the_special_ids_of_this_one(corpus, tmp_path, further):
    file = tmp_path / "small.json"
    file.write_text(json.dumps(SIZES | further | {"max_position_embeddings": 64}))
    common = {"max_steps": 2, "batch_size": 8, "held_out": 0.2, "max_length": 48, "runs_dir": tmp_path, "warmup": 0,
              "precision": "fp32"}  # fmt: skip
    first = pretrain(corpus, config=str(file), vocabulary_size=120, **common)
    config = json.loads(Path(first["run_dir"], "config.json").read_text())
    # The padding, [CLS] and [SEP] of a tokenizer that is made.
    assert (config["pad_token_id"], config["bos_token_id"], config["eos_token_id"]) == (0, 2, 3)
    # What is saved is what was trained.
    second = pretrain(corpus, start=first["run_dir"], name="second", **common)
    assert second["held_out"]["before"] == pytest.approx(first["held_out"]["after"], rel=1e-5)


@pytest.mark.parametrize(
    ("further", "said"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 16}, "leaves 15 positions for a sequence; 16 are needed"),
        ({"model_type": "roberta-prelayernorm", "max_position_embeddings": 16}, "leaves 15 positions"),
        ({"model_type": "esm", "max_position_embeddings": 16}, "leaves 15 positions"),
        ({"model_type": "gpt2"}, "Unrecognized configuration class"),
        ({"model_type": "bert", "hidden_size": 33}, "hidden size .33. is not a multiple"),
    ],
)
def test_a_configuration_that_cannot_be_pretrained_is_refused(corpus, tmp_path, further, said):
    file = tmp_path / "small.json"
    file.write_text(json.dumps(SIZES | {"vocab_size": 200} | further))
    with pytest.raises(RequestError, match=rf"small\.json: .*{said}"):
        pretrain(corpus, config=str(file), vocabulary_size=120, max_steps=1, held_out=0.2, runs_dir=tmp_path)


def test_a_number_of_tokens_becomes_the_updates_that_train_on_them(corpus, tiny, tmp_path):
    record = pretrain(options(corpus, tmp_path, tiny, max_steps=None, max_tokens=5000))
    trained = record["cost"]["tokens_per_second"] * record["cost"]["seconds"]
    assert record["steps"] > 10 and trained == pytest.approx(5000, rel=0.1)


def test_evaluations_are_listed_with_their_updates(cli, corpus, tiny, tmp_path):
    record = pretrain(options(corpus, tmp_path, tiny, max_steps=11))
    found = inspect_pretraining(record["run_dir"]).evaluations()
    assert [updates for updates, _ in found] == [4, 8, 11]
    shown = cli("show", record["run_dir"])
    assert shown.exit_code == 0 and all(f" {updates}   " in shown.stdout for updates in (4, 8, 11)), shown.stdout


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"identity": 3}', '{"status": "finished"}'])
def test_a_damaged_record_is_refused(corpus, tiny, tmp_path, content):
    folder = tmp_path / "pretrain" / "x-seed-42"
    folder.mkdir(parents=True)
    (folder / "pretraining.json").write_text(content)
    for read in (inspect_pretraining, lambda folder: pretrain(options(corpus, tmp_path, tiny))):
        with pytest.raises(RequestError, match=r"pretraining\.json"):
            read(folder)
    assert pretrain(options(corpus, tmp_path, tiny, overwrite=True, max_steps=1))["status"] == "finished"


def test_two_models_from_one_corpus_start_from_the_same_held_out_pairs(corpus, tiny, tmp_path):
    found = [pretrain(options(corpus, tmp_path / str(seed), tiny, seed=seed, max_steps=1)) for seed in (1, 2)]
    before = [record["held_out"]["before"]["perplexity"] for record in found]
    assert before[0] != before[1]  # the head begins at random
    assert len({record["corpus"]["documents"] for record in found}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either --from MODEL"),
        (["--config", "tiny", "--relations", "linkd"], "did you mean linked"),
        (["--config", "tiny", "--relations", "linked,linked"], "name each relation once"),
        (["--config", "tiny", "--relations", "linked=0,random"], "expected NAME or NAME=WEIGHT"),
        (["--config", "tiny", "--relations", "linked=x"], "expected NAME or NAME=WEIGHT"),
        (["--config", "tiny", "--max-steps", "3", "--max-tokens", "9"], "exclude each other"),
        (["--config", "tiny", "--held-out", "1"], "--held-out should be above 0"),
        (["--config", "tiny", "--set", "epochs=3"], "is no setting of a pretraining"),
        (["--config", "tiny", "--set", "bta1=3"], "did you mean beta1"),
        (["--config", "tiny", "--batch-size", "4000"], "are fewer than a batch of 4000"),
        (["--config", "tiny", "--max-length", "600"], "tiny has 512 positions"),
        (["--config", "huge"], "neither tiny, base, large nor a file"),
    ],
)
def test_wrong_requests_are_refused(cli, corpus, tmp_path, arguments, said):
    done = cli("pretrain", corpus, *arguments, "--runs-dir", tmp_path, "--vocabulary-size", 120)
    assert done.exit_code == 2 and said in done.stderr, done.stderr


def test_links_are_needed_where_linked_pairs_are_asked_for(cli, tmp_path):
    records = [{"id": str(n), "text": f"w{n} " * 40, "links": []} for n in range(12)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    made = cli("pretrain", "data", tmp_path / "d.jsonl", "--output", tmp_path / "c")
    assert made.exit_code == 0 and "documents" in made.stdout
    common = ("pretrain", tmp_path / "c", "--config", "tiny", "--vocabulary-size", 120, "--batch-size", 4, "--max-steps",
              1, "--set", "warmup=0", "--held-out", 0.2, "--runs-dir", tmp_path / "r")  # fmt: skip
    refused = cli(*common, "--relations", "linked,random")
    assert refused.exit_code == 2 and "--links tfidf" in refused.stderr
    done = cli(*common)
    assert done.exit_code == 0 and "has no links, so that pairs are contiguous or random" in done.stderr
    assert cli("pretrain", tmp_path, "--config", "tiny").exit_code == 2


def test_the_demo_makes_its_corpus_and_a_model(cli, tmp_path):
    done = cli("pretrain", "demo", "--output", tmp_path / "demo", "--max-steps", 2, "--seed", 7, "--json")
    record = json.loads(done.stdout)
    assert record["corpus"]["documents"] == 1200 and record["corpus"]["links"] > 3000
    assert record["run_dir"].endswith("linkbert-tiny-seed-7")


def test_a_request_checks_itself():
    with pytest.raises(RequestError, match="--link-choice 'often'"):
        PretrainOptions(Path("x"), config="tiny", link_choice="often").require_valid()


def test_a_tokenizer_is_the_same_each_time(corpus):
    # The library's own order follows hashes with keys that are drawn for each table.
    made = [make_vocabulary(LinkedCorpus.open(corpus), 90).to_str() for _ in range(3)]
    assert made[0] == made[1] == made[2]


def test_a_tokenizer_is_made_once(corpus, monkeypatch):
    opened = LinkedCorpus.open(corpus)
    first = tokenizer_of(opened, 91).backend_tokenizer.to_str()
    monkeypatch.setattr("linkbert.pretraining.vocabulary.make_vocabulary", None)
    assert tokenizer_of(opened, 91).backend_tokenizer.to_str() == first
    tokenizer = json.loads(first)
    assert [item["content"] for item in tokenizer["added_tokens"]] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert set(tokenizer["model"]["vocab"].values()) == set(range(len(tokenizer["model"]["vocab"])))


def test_linked_and_random_pairs_are_looked_at_apart_from_contiguous_ones():
    from linkbert.pretraining.run import _apart_from_contiguous

    scores = {"relation_accuracy_contiguous": 100.0, "relation_accuracy_random": 2.0, "relation_accuracy_linked": 72.0}
    assert _apart_from_contiguous(scores) == 37.0
    del scores["relation_accuracy_linked"]
    assert _apart_from_contiguous(scores) == 100.0
