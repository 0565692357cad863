"""`linkbert show` and `linkbert diff` tell what happened in a run."""

import json
import shutil

import pytest


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return lambda task, seed=1: tmp_path / "runs" / task / "tiny" / f"seed-{seed}"


def test_a_run_is_shown_with_settings_losses_scores_and_mistakes(cli, run, data_dir):
    done = cli("show", run("gad"), "--data-dir", data_dir)
    assert done.exit_code == 0, done.stderr
    for text in (
        "learning_rate",
        "training loss by update",
        "micro_f1",
        "gold \\ predicted",
        "worst mistakes",
        "instead of",
    ):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("task", "expected"),
    [("ncbi-disease", ("gold", "predicted", "Disease")), ("ebm-pico", ("gold", "predicted")), ("biosses", ("instead of",)),
     ("hoc", ("missed", "invented")), ("medqa", ("sure",)), ("pubmedqa", ("sure",))],
)  # fmt: skip
def test_mistakes_are_shown_for_every_family(cli, run, data_dir, task, expected):
    if not run(task).is_dir():
        pytest.skip(f"the fixture has no run of {task}")
    done = cli("show", run(task), "--data-dir", data_dir, "--errors", 3)
    assert done.exit_code == 0 and any(text in done.stdout.split("worst mistakes")[1] for text in expected)


def test_a_run_is_also_shown_from_its_result_file_and_as_json(cli, run, tmp_path):
    document = json.loads(cli("show", run("gad"), "--json").stdout)
    assert document["result"]["task"] == "gad" and document["log"] and set(document["confusion"]) == {"0", "1"}
    counted = sum(count for row in document["confusion"].values() for count in row.values())
    assert counted == document["result"]["n_examples"]
    assert json.loads(cli("show", tmp_path / "results/gad/tiny/seed-1.json", "--json").stdout) == document


def test_what_is_missing_is_said(cli, run, tmp_path, data_dir):
    for path in (tmp_path / "results/gad").rglob("*.predictions.jsonl"):
        path.unlink()
    (run("gad") / "training-log.jsonl").unlink()
    done = cli("show", run("gad"), "--data-dir", data_dir)
    assert done.exit_code == 0 and "predictions are not there" in done.stdout and "log is not there" in done.stdout


def test_texts_of_another_corpus_are_not_shown_as_those_that_were_scored(cli, run, data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "other")
    file = tmp_path / "other/seqcls/GAD_hf/test.json"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    done = cli("show", run("gad"), "--data-dir", "other")
    assert done.exit_code == 0 and "not those that were scored" in done.stderr and "worst mistakes" not in done.stdout


def test_losses_of_several_runs_are_drawn(cli, run, tmp_path):
    done = cli("show", run("gad"), run("ncbi-disease"), "--plot", "losses.png")
    assert done.exit_code == 0 and (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert cli("show", run("gad"), "--plot", "losses.txt").exit_code == 2


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_run_is_refused(cli, path):
    assert cli("show", path).exit_code == 2


def test_a_failed_run_shows_its_error(cli, run):
    (run("gad") / "failed.json").write_text(json.dumps({"error": "the disk is full"}))
    done = cli("show", run("gad"))
    assert done.exit_code == 2 and "the disk is full" in done.stderr


def test_two_runs_are_compared(cli, run, data_dir, tiny, tmp_path):
    command = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 3, "--max-length", 32, "-q")
    assert cli(*command, "--learning-rate", 0.01, "--name", "other", "--set", "warmup=0").exit_code == 0
    other = next((tmp_path / "runs/gad/other").glob("seed-*"))
    done = cli("diff", run("gad"), other)
    assert done.exit_code == 0 and "learning_rate" in done.stdout and "predicted differently" in done.stdout
    document = json.loads(cli("diff", run("gad"), other, "--json").stdout)
    assert document["settings"]["learning_rate"][1] == 0.01
    assert len(document["gained"]) + len(document["lost"]) <= document["changed"] <= document["examples"]
    assert all(flip["b"] == flip["gold"] for flip in document["gained"])
    same = json.loads(cli("diff", run("gad"), run("gad"), "--json").stdout)
    assert same["changed"] == 0 and same["settings"] == {}
    assert cli("diff", run("gad"), run("ncbi-disease")).exit_code == 2
