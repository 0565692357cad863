"""`linkbert results check` names every file that was damaged or edited."""

import hashlib
import json
import shutil

import pytest


@pytest.fixture
def results(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path / "results"


def run_check(cli, *arguments):
    done = cli("results", "check", "--json", *arguments)
    return done, json.loads(done.stdout)


def test_unchanged_results_pass_the_check(cli, results):
    done, report = run_check(cli)
    assert done.exit_code == 0 and done.stderr == ""
    assert len(report["results"]) == 7 and {item["status"] for item in report["results"]} == {"ok"}
    assert report["unnamed"] == []
    shown = cli("results", "check")
    assert shown.exit_code == 0 and "7 ok, 0 unverified, 0 damaged" in shown.stdout


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def edit_score_and_checksum(path):
    from linkbert.experiments.results import Result

    result = json.loads(path.read_text())
    result["score"] += 1
    result["metrics"][result["metric"]] += 1
    result["checksum"] = Result.from_json(result).compute_checksum()
    path.write_text(json.dumps(result), encoding="utf-8")


def predictions_file(folder):
    return next(folder.glob("*.predictions.jsonl"))


DAMAGES = {
    "an edited score": (lambda folder: edit_json(folder / "seed-1.json", score=99.0), "seed-1.json: not a result file: the score 99.0 is not that"),
    "an edited recipe": (lambda folder: edit_json(folder / "seed-1.json", departures=[]), "checksum does not fit"),
    "an edited score with a fitting checksum": (lambda folder: edit_score_and_checksum(folder / "seed-1.json"), "score is .*, its predictions give"),
    "a truncated result": (lambda folder: (folder / "seed-1.json").write_text("{"), "not JSON"),
    "an edited prediction": (
        lambda folder: predictions_file(folder).write_bytes(predictions_file(folder).read_bytes().replace(b'"prediction": "', b'"prediction": "x', 1)),
        "SHA-256 is not the one",
    ),
    "a truncated predictions file": (lambda folder: predictions_file(folder).write_bytes(predictions_file(folder).read_bytes()[:-9]), "SHA-256"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_exit_code_is_1(cli, results, damage):
    damage_results, words = DAMAGES[damage]
    damage_results(results / "gad" / "tiny")
    done = cli("results", "check")
    assert done.exit_code == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors and all("results/gad/tiny" in line for line in errors)
    import re

    assert re.search(words, done.stderr), done.stderr
    _, report = run_check(cli)
    assert [item["status"] for item in report["results"]].count("damaged") == 1


def test_a_model_that_differs_from_the_scored_one_is_named(cli, results):
    weights = results.parent / "runs" / "gad" / "tiny" / "seed-1" / "model.safetensors"
    result = results / "gad" / "tiny" / "seed-1.json"
    edit_json(result, run_dir="runs/gad/tiny/seed-1")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    done = cli("results", "check")
    assert done.exit_code == 1 and "saved weights are not those that were scored" in done.stderr


def test_a_result_that_cannot_be_verified_is_listed_and_is_not_an_error(cli, results):
    predictions_file(results / "gad" / "tiny").unlink()
    done, report = run_check(cli)
    (item,) = (item for item in report["results"] if item["status"] == "unverified")
    assert done.exit_code == 0 and "not there" in item["unverified"][0]


def test_predictions_files_that_no_result_names_are_listed(cli, results):
    (results / "gad" / "tiny" / "seed-1.json").unlink()
    _, report = run_check(cli)
    assert len(report["unnamed"]) == 1 and len(report["results"]) == 6


def test_a_missing_results_folder_is_refused(cli):
    done = cli("results", "check", "--results-dir", "nowhere")
    assert done.exit_code == 2 and "nowhere: no such folder" in done.stderr


HOSTILE_CHANGES = [
    {"score": 10**90},
    {"score": 10**399},
    {"model": {"name": "tiny", "weights_sha256": []}},
    {"recipe": {"train_fraction": {"value": "abc"}}},
    {"recipe": {"train_fraction": {"value": [1]}}},
    {"recipe": {"max_steps": {"value": {}}}},
    {"notes": ["\ud800"]},
    {"notes": ["two\nlines \x1b[2J"]},
    {"predictions_file": ""},
    {"predictions_file": "/"},
    {"predictions_file": "x" * 300},
    {"predictions_file": "a\0b"},
    {"run_dir": "x" * 5000},
    {"metrics": {"micro_f1": 10**90}},
    {"seed": 7},
    {"n_examples": 1},
]


@pytest.mark.parametrize("changes", HOSTILE_CHANGES, ids=[str(change)[:40] for change in HOSTILE_CHANGES])
def test_one_hostile_result_stops_neither_the_check_nor_the_leaderboard(cli, results, changes):
    path = results / "gad" / "tiny" / "seed-1.json"
    result = json.loads(path.read_text()) | changes
    content = {key: value for key, value in result.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    result["checksum"] = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    path.write_text(json.dumps(result), encoding="utf-8")
    done, report = run_check(cli)
    assert len(report["results"]) == 7 and "defect" not in done.stderr
    assert [item["status"] for item in report["results"]].count("ok") >= 6
    board = cli("leaderboard")
    assert board.exit_code == 0 and "tiny" in board.stdout and "\x1b" not in board.stdout
    assert "\nlines" not in board.stdout
