"""Every supported architecture can be fine-tuned, saved and scored with every kind of head."""

import json

import pytest

ARCHITECTURES = ("bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert")
TASKS = {"ncbi-disease": "token", "gad": "sequence", "hoc": "multi-label", "biosses": "regression", "medqa": "choice"}
SMALL = ("--max-steps", 1, "--max-length", 64, "--batch-size", 4, "--set", "warmup=0", "--precision", "fp32")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_each_architecture_is_fine_tuned_and_scored_with_each_head(cli, kind, task, data_dir, make_model):
    model = make_model(kind)
    done = cli("finetune", task, "--model", model, "--data-dir", data_dir, *SMALL, "--json", "-q")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    again = cli("eval", task, "--model", result["run_dir"], "--data-dir", data_dir, "--json", "-q")
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["score"] == result["score"]


def test_dropout_rates_of_the_pretrained_model_are_kept_unless_they_are_set(cli, data_dir, make_model, tmp_path):
    import shutil

    folder = tmp_path / "own"
    shutil.copytree(make_model("distilbert"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"seq_classif_dropout": 0.2}))
    done = cli("finetune", "gad", "--model", folder, "--data-dir", data_dir, *SMALL, "-q", "--json")
    saved = json.loads((tmp_path / json.loads(done.stdout)["run_dir"] / "config.json").read_text())
    assert (saved["seq_classif_dropout"], saved["dropout"]) == (0.2, 0.1)
    done = cli("finetune", "gad", "--model", folder, "--name", "x", "--data-dir", data_dir, *SMALL, "-q", "--json",
               "--set", "dropout=0")  # fmt: skip
    saved = json.loads((tmp_path / json.loads(done.stdout)["run_dir"] / "config.json").read_text())
    assert (saved["seq_classif_dropout"], saved["dropout"]) == (0, 0)


def test_roberta_uses_512_of_514_positions(make_model):
    from linkbert.models.loading import inspect_model
    from linkbert.models.sources import find_model

    assert inspect_model(find_model(str(make_model("roberta", positions=512)))).max_positions == 512


def test_a_maximum_length_beyond_the_positions_of_the_model_is_refused(cli, data_dir, make_model):
    refused = cli("finetune", "gad", "--model", make_model("roberta"), "--data-dir", data_dir, "--max-length", 66)
    assert refused.exit_code == 2
    assert "maximum length 66 (--max-length) is beyond the 64 positions" in refused.stderr


def test_an_unsupported_architecture_is_refused_with_a_plain_error(cli, data_dir, tmp_path, tiny):
    from transformers import AutoTokenizer, T5Config, T5EncoderModel

    folder = tmp_path / "t5"
    T5EncoderModel(T5Config(vocab_size=110, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)).save_pretrained(
        folder
    )
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    refused = cli("finetune", "medqa", "--model", folder, "--data-dir", data_dir, *SMALL)
    assert refused.exit_code == 2 and refused.stderr.startswith("error: ")
