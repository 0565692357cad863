"""A result is one complete file of strict JSON that names its predictions file and its checksum."""

import hashlib
import json
from dataclasses import replace

import pytest
from linkbert.errors import RequestError
from linkbert.experiments.paths import RunPaths
from linkbert.experiments.results import Result, to_text
from linkbert.experiments.run_record import read_run
from linkbert.experiments.store import read_result, store_result

FIELDS = (
    "schema_version task task_version split suite model score metric metrics n_examples truncation dev recipe "
    "departures seed data versions device precision processes deterministic cost started finished run_dir result_file "
    "predictions_file predictions_sha256"
).split()


@pytest.fixture
def result(trained):
    return read_result(trained / "results" / "gad" / "tiny" / "seed-1.json")


@pytest.fixture
def stored(result):
    return result.to_json()


def test_a_result_has_every_documented_field(stored):
    assert set(FIELDS) <= set(stored)
    assert set(stored["model"]) == {"name", "source", "revision", "weights_sha256", "settings_sha256", "parameters"}
    assert set(stored["recipe"]["learning_rate"]) == {"value", "origin"}
    assert set(stored["dev"]) >= {"score", "metrics"}
    assert set(stored["data"]["train"]) == {"sha256", "count", "official"}
    assert stored["data"]["train"]["official"] is False
    assert {"seconds", "tokens_per_second"} <= set(stored["cost"]["train"]) & set(stored["cost"]["test"])
    assert stored["cost"]["peak_memory_mb"] > 0
    assert stored["recipe"]["max_steps"] == {"value": 2, "origin": "--max-steps"}
    assert stored["recipe"]["batch_size"]["origin"] == "--batch-size"
    assert (
        "learning_rate" not in " ".join(stored["departures"]) and "batch_size 4 instead of 32" in stored["departures"]
    )
    assert stored["started"].endswith("Z") and stored["truncation"]["test"]["examples"] == 8


def test_the_predictions_file_lies_beside_the_result_in_the_order_of_the_corpus(trained, stored, data_dir):
    path = trained / "results" / "gad" / "tiny"
    (predictions,) = path.glob("*.predictions.jsonl")
    assert stored["predictions_file"] == str(predictions)
    assert stored["predictions_sha256"] == hashlib.sha256(predictions.read_bytes()).hexdigest()
    assert stored["predictions_sha256"][:12] in predictions.name
    rows = [json.loads(line) for line in predictions.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [str(number) for number in range(8)]
    assert set(rows[0]) == {"id", "gold", "prediction", "scores"} and rows[1]["gold"] == "1"
    assert set(rows[0]["scores"]) == {"0", "1"}


def test_predictions_of_token_classification_are_tags_with_types(trained):
    (predictions,) = (trained / "results" / "ncbi-disease" / "tiny").glob("*.predictions.jsonl")
    row = json.loads(predictions.read_text(encoding="utf-8").splitlines()[0])
    assert row["gold"] == ["O", "B-Disease", "I-Disease", "B-Disease", "O", "O", "O"]
    assert len(row["prediction"]) == len(row["scores"]) == 7


def test_a_second_result_replaces_the_first_and_removes_its_predictions(tmp_path, result):
    paths = RunPaths("gad", "x", 1, tmp_path / "runs", tmp_path / "results")
    first = store_result(paths, result, [b'{"id": "0"}\n'])
    second = store_result(paths, result, [b'{"id": "1"}\n'])
    assert read_result(paths.result_file) == second != first
    assert second.checksum == second.compute_checksum() != first.checksum and second.intact
    names = sorted(item.name for item in paths.result_file.parent.iterdir())
    assert names == sorted(["seed-1.json", second.predictions_file.rsplit("/")[-1]])


def test_a_result_is_unchanged_after_conversion_to_json_and_back(result, stored):
    """This also holds for fields of a later version, and for results of an earlier version that lack some fields."""
    assert Result.from_json(stored) == result and list(stored) == list(Result.from_json(stored).to_json())
    newer = stored | {"field_of_a_later_version": [1]}
    assert Result.from_json(newer).to_json() == newer
    older = {key: value for key, value in stored.items() if key not in ("trained_weights_sha256", "checksum")}
    assert Result.from_json(older).to_json() == older and Result.from_json(older).intact is None
    assert Result.from_json(stored | {"seed": 7}).intact is False


def test_a_score_that_is_not_that_of_its_metric_is_refused(stored):
    with pytest.raises(ValueError, match="the score 1.0 is not that of its metric"):
        Result.from_json(stored | {"score": 1.0})


def test_a_result_with_a_score_that_is_not_finite_is_never_stored(tmp_path, result):
    paths = RunPaths("gad", "x", 1, tmp_path / "runs", tmp_path / "results")
    with pytest.raises(ValueError):
        store_result(paths, replace(result, score=float("nan")), [b"{}\n"])
    assert not paths.result_file.exists()
    with pytest.raises(ValueError):
        to_text({"score": float("inf")})


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_of_a_result_is_named(stored, field):
    broken = {key: value for key, value in stored.items() if key != field}
    with pytest.raises(ValueError, match=field):
        Result.from_json(broken)


def test_a_file_that_is_not_a_result_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[1]", encoding="utf-8")
    with pytest.raises(RequestError, match="not a result file"):
        read_result(path)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("model", "weights_sha256"), 0, "model.weights_sha256 should be str"),
        (("recipe", "max_steps", "value"), "x", "recipe.max_steps is 'x'"),
        (("recipe", "train_split", "value"), [], "recipe.train_split is"),
        (("recipe", "epochs", "origin"), [1], "recipe.epochs.origin should be str"),
        (("truncation", "test"), {"examples_cut": 1}, "truncation.test should hold the numbers examples, examples_cut"),
        (("truncation", "test"), 5, "truncation should hold objects"),
        (("dev",), {}, "dev.score should be a number"),
        (("dev", "score"), "x", "dev.score should be a number"),
        (("departures",), [1], "departures should be strings"),
    ],
)
def test_a_part_of_a_wrong_type_is_refused_in_results_and_in_run_folders(trained, tmp_path, place, value, words):
    run = trained / "runs" / "gad" / "tiny" / "seed-1" / "run.json"
    result = trained / "results" / "gad" / "tiny" / "seed-1.json"
    for source, name, read in (
        (result, "seed-1.json", read_result),
        (run, "run.json", lambda path: read_run(path.parent)),
    ):
        document = json.loads(source.read_text(encoding="utf-8"))
        part = document
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = value
        path = tmp_path / name
        path.write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(RequestError) as refused:
            read(path)
        assert words in str(refused.value) and str(path) in str(refused.value)
