"""`linkbert results add` copies what is sound, and replaces nothing."""

import json
import shutil

import pytest


@pytest.fixture
def other(trained, tmp_path):
    shutil.copytree(trained / "results", tmp_path / "other")
    return tmp_path / "other"


def add(cli, folder, *arguments):
    done = cli("results", "add", folder, "--json", *arguments)
    return done, json.loads(done.stdout) if done.stdout else None


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json*") if path.name[0] != "."}


def test_results_and_predictions_are_copied_byte_by_byte_once(cli, other, tmp_path):
    done, first = add(cli, other)
    assert done.exit_code == 0 and len(first["added"]) == 7 and not first["refused"]
    assert files(tmp_path / "results") == files(other)
    assert cli("results", "check").exit_code == 0
    done, second = add(cli, other)
    assert done.exit_code == 0 and second["added"] == [] and len(second["present"]) == 7


def test_a_dry_run_copies_nothing(cli, other, tmp_path):
    _, found = add(cli, other, "--dry-run")
    assert len(found["added"]) == 7 and not (tmp_path / "results").exists()


def test_damaged_results_are_refused_and_the_others_are_copied(cli, other, tmp_path):
    path = other / "gad/tiny/seed-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": 99.0}))
    predictions = next((other / "biosses/tiny").glob("*.predictions.jsonl"))
    predictions.write_bytes(predictions.read_bytes()[:-10])
    done, found = add(cli, other)
    assert done.exit_code == 1 and len(found["added"]) == 5
    assert set(found["refused"]) == {str(path), str(other / "biosses/tiny/seed-1.json")}
    assert "not added" in done.stderr and not (tmp_path / "results/gad").exists()


def test_a_different_result_in_the_same_place_is_never_replaced(cli, other, tmp_path):
    add(cli, other)
    path = other / "gad/tiny/seed-1.json"
    document = json.loads(path.read_text())
    document["recipe"]["epochs"]["value"] = 99
    del document["checksum"]
    path.write_text(json.dumps(document))
    before = files(tmp_path / "results")
    done, found = add(cli, other)
    assert done.exit_code == 1 and "epochs" in found["refused"][str(path)]
    assert files(tmp_path / "results") == before


def test_results_without_predictions_are_copied_and_named(cli, other):
    for path in other.rglob("*.predictions.jsonl"):
        path.unlink()
    done, found = add(cli, other)
    assert done.exit_code == 0 and found["without_predictions"] == found["added"]


def test_a_wrong_folder_is_refused(cli, other, tmp_path):
    (tmp_path / "empty").mkdir()
    assert add(cli, "nowhere")[0].exit_code == 2
    assert add(cli, "empty")[0].exit_code == 2
    assert add(cli, other, "--results-dir", other)[0].exit_code == 2


def test_seeds_of_another_recipe_are_named(cli, other):
    path = other / "gad/tiny/seed-1.json"
    document = json.loads(path.read_text())
    document["recipe"]["epochs"]["value"], document["seed"], document["result_file"] = 99, 2, ""
    del document["checksum"]
    path.with_name("seed-2.json").write_text(json.dumps(document))
    done, found = add(cli, other)
    assert done.exit_code == 0 and len(found["added"]) == 8 and "epochs" in next(iter(found["mixed"].values()))
    assert "shares a row with other seeds" in cli("results", "add", other, "--results-dir", "third").stderr


def test_intervals_beside_the_results_are_taken_along(cli, other, tmp_path):
    cli("leaderboard", "--results-dir", other, "--keep-intervals")
    assert (other / "intervals.json").is_file()
    add(cli, other)
    assert (tmp_path / "results/intervals.json").read_bytes() == (other / "intervals.json").read_bytes()
