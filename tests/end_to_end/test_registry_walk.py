"""Every task of the registry is fine-tuned, scored again and listed through the command line."""

import json

import pytest
from linkbert.tasks.registry import TASKS

SMALL = ("--max-steps", 2, "--max-length", 32, "--batch-size", 4, "--set", "warmup=0", "--precision", "fp32")
TRAINED = [name for name, task in TASKS.items() if task.trained_on is None]


@pytest.mark.parametrize("task", TRAINED)
def test_every_task_is_fine_tuned_and_scored_again_with_the_same_score(cli, task, data_dir, tiny):
    done = cli("finetune", task, "--model", tiny, "--data-dir", data_dir, "--seed", 3, *SMALL, "--json", "-q")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["task"] == task and result["seed"] == 3 and result["split"] == "test"
    assert result["n_examples"] == len(_rows(result["predictions_file"]))
    again = cli("eval", task, "--model", result["run_dir"], "--data-dir", data_dir, "--json", "-q")
    assert again.exit_code == 0, again.stderr
    scored = json.loads(again.stdout)
    assert scored["stored_score"] == scored["score"] == result["score"]
    from_file = cli("eval", task, "--predictions", result["predictions_file"], "--data-dir", data_dir, "--json")
    assert json.loads(from_file.stdout)["score"] == pytest.approx(result["score"], abs=1e-9)
    board = json.loads(cli("leaderboard", "--json").stdout)
    (row,) = [row for row in board["rows"] if row["source"] == "measured"]
    assert row["tasks"][task]["mean"] == result["score"] and row["ranked"] is False


def _rows(path):
    with open(path, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def test_mmlu_is_scored_with_the_model_fine_tuned_on_medqa(cli, data_dir, trained):
    run = trained / "runs" / "medqa" / "tiny" / "seed-1"
    done = cli("eval", "mmlu-professional-medicine", "--model", run, "--data-dir", data_dir, "--json", "-q")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["suite"] == "mmlu" and result["seed"] == 1 and result["n_examples"] == 8
    assert result["recipe"]["max_steps"]["value"] == 2
    val = cli("eval", "mmlu-professional-medicine", "--model", run, "--split", "val", "--data-dir", data_dir, "--json")
    assert json.loads(val.stdout)["n_examples"] == 5


def test_mmlu_is_never_trained_on(cli, data_dir, tiny):
    refused = cli("finetune", "mmlu-professional-medicine", "--model", tiny, "--data-dir", data_dir)
    assert refused.exit_code == 2 and "evaluated with a model fine-tuned on medqa" in refused.stderr
