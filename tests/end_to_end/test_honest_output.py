"""The output does not mislead: it never mixes the scores of two splits, and it reports missing and equal data."""

import json
import shutil

import pytest
from linkbert.tasks.registry import TASKS

SMALL = ("--max-steps", 1, "--max-length", 32, "--batch-size", 4, "--set", "warmup=0", "--precision", "fp32", "-q")


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_results_folder_that_is_missing_or_a_file_is_refused(cli, tmp_path, kind):
    if kind == "file":
        (tmp_path / "x").write_text("", encoding="utf-8")
    done = cli("leaderboard", "--results-dir", "x")
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr == "error: x: no such folder of results; name one with --results-dir\n"


def test_dev_scores_are_not_shown_beside_published_test_scores(cli, data_dir, trained):
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    dev = cli("eval", "gad", "--model", run, "--split", "dev", "--data-dir", data_dir)
    assert dev.exit_code == 0 and "biolinkbert-" not in dev.stdout
    assert [line.split() for line in dev.stdout.splitlines() if line.startswith("model")] == [["model", "seed", "dev"]]
    assert "biolinkbert-base" in cli("eval", "gad", "--model", run, "--data-dir", data_dir).stdout


def test_two_splits_with_the_same_file_are_reported_by_verify_result_and_leaderboard(cli, data_dir, tiny, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(data_dir, folder)
    release = folder / TASKS["gad"].release
    shutil.copy(release / "test.json", release / "dev.json")
    report = json.loads(cli("data", "verify", "gad", "--json").stdout)["gad"]
    assert "the same file as dev" in report["test"]["note"] and "the same file" not in report["dev"]["note"]
    result = json.loads(cli("finetune", "gad", "--model", tiny, *SMALL, "--json").stdout)
    assert "the test split is the same file as the dev split" in result["notes"]
    row = json.loads(cli("leaderboard", "--json").stdout)["rows"][-1]
    assert "the test split is the same file as the dev split (gad)" in row["marks"]


def test_a_dry_run_of_a_suite_names_missing_data_and_how_to_get_it(cli, data_dir, tiny, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(data_dir, folder)
    (folder / TASKS["chemprot"].release / "train.json").unlink()
    done = cli("benchmark", "blurb", "--model", tiny, "--set", "max_length=32", "--set", "warmup=0", "--dry-run")
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert done.exit_code == 1 and lines["chemprot"].rstrip().endswith("train (cannot run)")
    assert lines["gad"].rstrip().endswith("train")
    (missing,) = [line for line in done.stdout.splitlines() if "train.json" in line]
    assert "train.json: the train split of chemprot is missing" in missing and "How to get it: register" in missing


def test_another_schedule_is_shown_as_a_departure_and_an_unknown_one_is_refused(cli, data_dir, tiny):
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-length", 32, "--dry-run",
               "--set", "schedule=cosine")  # fmt: skip
    assert done.exit_code == 0 and "departs from the published recipe: schedule cosine instead of linear" in done.stdout
    wrong = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--set", "schedule=cosin")
    assert wrong.exit_code == 2 and "--set schedule: unknown schedule 'cosin'; did you mean cosine" in wrong.stderr
