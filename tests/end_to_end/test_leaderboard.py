"""`linkbert leaderboard` as a person types it."""

import json
import shutil

import pytest
from linkbert.tasks.registry import TASKS

from ..leaderboard.simulated import store_simulated


@pytest.fixture
def results(tmp_path):
    store_simulated(tmp_path / "results", "good", tasks=["gad", "pubmedqa"], seeds=(1, 2, 3), skill=0.95, size=200)
    store_simulated(tmp_path / "results", "poor", tasks=["gad", "pubmedqa"], seeds=(1, 2, 3), skill=0.6, size=200)
    return tmp_path / "results"


def test_a_comparison_is_printed_in_each_format(cli, results, tmp_path):
    done = cli("leaderboard", "--compare", "good", "poor")
    assert done.exit_code == 0 and "ahead" in done.stdout and "Holm" in done.stdout
    document = json.loads(cli("leaderboard", "--compare", "good", "poor", "--json").stdout)
    assert document["a"] == "good" and document["datasets"]["gad"]["verdict"] == "ahead"
    assert "| gad |" in cli("leaderboard", "--compare", "good", "poor", "--format", "markdown").stdout
    assert cli("leaderboard", "--compare", "good", "poor", "--format", "png", "--output", "c.png").exit_code == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "\\toprule" in cli("leaderboard", "--compare", "good", "poor", "--format", "latex").stdout
    assert cli("leaderboard", "--compare", "good", "poor", "--format", "csv").exit_code == 2


def test_missing_predictions_are_named_and_the_others_go_on(cli, results):
    gone = next((results / "gad" / "good").glob("*.predictions.jsonl"))
    gone.unlink()
    done = cli("leaderboard", "--compare", "good", "poor", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 0 and str(gone.name) in done.stderr
    assert document["datasets"]["gad"]["p"] is None and document["datasets"]["pubmedqa"]["verdict"] == "ahead"
    for path in results.glob("pubmedqa/*/*.predictions.jsonl"):
        path.unlink()
    done = cli("leaderboard", "--compare", "good", "poor", "--json")
    assert done.exit_code == 2 and done.stdout == "" and "error: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--compare", "god", "poor"), "did you mean good"),
        (("--compare", "good", "good"), "the same row"),
        (("--sort", "gadd"), "did you mean gad"),
        (("--published", "guu"), "did you mean gu"),
        (("--format", "html"), "needs --output"),
        (("--format", "htm"), "did you mean html"),
        (("--format", "html", "--output", "results"), "found a folder"),
        (("--format", "html", "--output", "results/gad/good/seed-1.json/x.html"), "cannot be written"),
    ],
)
def test_a_wrong_request_is_one_plain_line(cli, results, arguments, message):
    done = cli("leaderboard", *arguments)
    assert done.exit_code == 2 and done.stdout == "" and message in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_intervals_that_are_kept_serve_a_copy_without_predictions(cli, results):
    assert cli("leaderboard", "--keep-intervals").exit_code == 0
    before = json.loads(cli("leaderboard", "--json").stdout)
    compared = json.loads(cli("leaderboard", "--compare", "good", "poor", "--json").stdout)
    for path in results.rglob("*.predictions.jsonl"):
        path.unlink()
    assert json.loads(cli("leaderboard", "--json").stdout) == before
    assert json.loads(cli("leaderboard", "--compare", "good", "poor", "--json").stdout) == compared
    (results / "intervals.json").write_text("{")
    done = cli("leaderboard", "--json")
    assert done.exit_code == 0 and "intervals.json: cannot be read" in done.stderr
    assert all(
        row["tasks"]["gad"]["ci"] is None for row in json.loads(done.stdout)["rows"] if row["source"] == "measured"
    )


def test_baselines_and_failed_runs_are_shown(cli, results, tmp_path):
    failed = tmp_path / "runs/gad/broken/seed-1"
    failed.mkdir(parents=True)
    (failed / "failed.json").write_text(json.dumps({"error": "the loss is not finite"}))
    done = cli("leaderboard", "--baselines", "--sort", "gad")
    assert "(trivial baseline)" in done.stdout and "68.96" in done.stdout
    assert "failed: gad broken seed-1: the loss is not finite" in done.stdout
    document = json.loads(cli("leaderboard", "--baselines", "--json").stdout)
    (row,) = [row for row in document["rows"] if row["model"] == "(trivial baseline)"]
    assert row["rank"] is None and not row["ranked"] and len(row["tasks"]) == 13
    assert document["failed"] == [
        {"task": "gad", "model": "broken", "seed": "seed-1", "error": "the loss is not finite"}
    ]


def test_published_models_are_listed(cli):
    document = json.loads(cli("models", "--published", "--json").stdout)
    assert len(document) == 26 and all("name" in row for row in document)
    shown = cli("models", "--published").stdout
    assert "biolinkbert-base@indus" in shown and "81.2 ±3.9" in shown and "not stated" in shown


def test_a_run_below_its_baseline_is_told_so(cli, data_dir, tiny):
    done = cli("finetune", "pubmedqa", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, "--max-length", 32,
               "--set", "warmup=0", "--batch-size", 4, "-q", "--json")  # fmt: skip
    result = json.loads(done.stdout)
    assert result["baseline"]["name"].startswith("majority class") and result["shared_with_train"] == 0
    warned = "does not beat the trivial baseline" in cli("show", result["run_dir"], "--errors", 0).stdout
    assert warned is (result["score"] <= result["baseline"]["score"])


def test_test_texts_that_are_also_in_train_are_counted(cli, data_dir, tiny, tmp_path):
    shutil.copytree(data_dir / TASKS["gad"].release, tmp_path / "data" / TASKS["gad"].release)
    train, test = (tmp_path / "data" / TASKS["gad"].release / f"{split}.json" for split in ("train", "test"))
    repeated = json.loads(test.read_text().splitlines()[0]) | {"id": "repeated"}
    train.write_text(train.read_text() + json.dumps(repeated) + "\n")
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", "data", "--max-steps", 1, "--max-length", 32,
               "--set", "warmup=0", "--batch-size", 4, "-q")  # fmt: skip
    assert done.exit_code == 0 and "a text that is also in train" in done.stdout
