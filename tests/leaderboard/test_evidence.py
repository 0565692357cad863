"""Predictions that do not fit together, and damaged caches, are noticed."""

import hashlib
import json

import pytest
from linkbert.experiments.results import Result
from linkbert.files import cache_dir
from linkbert.leaderboard.board import leaderboard

from .simulated import store_one, store_simulated
from .test_board import result, store


def rewrite(folder, change):
    """Change the lines of a predictions file, and sign it again."""
    (file,) = folder.glob("seed-1.json")
    document = json.loads(file.read_text())
    (predictions,) = folder.glob("seed-1.*.predictions.jsonl")
    lines = change(predictions.read_bytes().splitlines(keepends=True))
    predictions.unlink()
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    new = folder / f"seed-1.{digest[:12]}.predictions.jsonl"
    new.write_bytes(b"".join(lines))
    document |= {"predictions_file": str(new), "predictions_sha256": digest, "n_examples": len(lines)}
    document["checksum"] = Result.from_json(document | {"checksum": None}).compute_checksum()
    file.write_text(json.dumps(document))


@pytest.mark.parametrize("change", [lambda lines: lines[::-1], lambda lines: lines[:-1]], ids=["reversed", "short"])
def test_runs_are_paired_only_on_the_same_examples(tmp_path, change):
    for model in "ab":
        store_simulated(tmp_path, model, tasks=["pubmedqa", "medqa"], skill=0.8)
    rewrite(tmp_path / "pubmedqa" / "b", change)
    found = leaderboard(tmp_path).compare("a", "b")
    assert "pubmedqa" in found.refused and found.datasets["pubmedqa"].p is None
    assert found.datasets["medqa"].p is not None


def test_seeds_of_other_examples_are_refused(tmp_path):
    store_simulated(tmp_path, "a", tasks=["pubmedqa"], seeds=(1, 2))
    rewrite(tmp_path / "pubmedqa" / "a", lambda lines: lines[::-1])
    (row,) = leaderboard(tmp_path).measured().rows
    assert row.tasks["pubmedqa"].ci is None


def test_rows_of_one_model_do_not_share_the_noise_of_their_seeds(tmp_path):
    for seed, skill in ((1, 0.95), (2, 0.7), (3, 0.5)):
        store_one(tmp_path, "m", "pubmedqa", seed, skill, 300)
    limited = {"epochs": {"value": 1, "origin": "x"}, "max_steps": {"value": 5, "origin": "--max-steps"}}
    for seed, skill in ((4, 0.93), (5, 0.71), (6, 0.52)):
        store_one(tmp_path, "m", "pubmedqa", seed, skill, 300, recipe=limited)
    low, high = leaderboard(tmp_path).compare("m", "m (limited)").datasets["pubmedqa"].ci
    assert high - low > 30  # the deviations over seeds are about 20


def test_results_of_three_test_sets_are_three_rows(tmp_path):
    for seed in (1, 2, 3):
        data = {"test": {"sha256": str(seed) * 64, "count": 1, "official": False}}
        store_one(tmp_path, "m", "gad", seed, 0.8, 50 + seed, data=data)
    rows = leaderboard(tmp_path).measured().rows
    assert sorted(row.key for row in rows) == ["m", "m (other data 222222)", "m (other data 333333)"]
    found = leaderboard(tmp_path).compare("m (other data 222222)", "pubmedbert-base@indus")
    assert found.datasets["gad"].p is None and "not those of the other rows" in found.refused["gad"]


def test_a_model_may_be_named_like_a_published_row(tmp_path):
    store_simulated(tmp_path, "biolinkbert-base@linkbert", tasks=["medqa"])
    keys = [row.key for row in leaderboard(tmp_path, suite="medqa", published="all").rows]
    assert len(keys) == len(set(keys)) and "biolinkbert-base@linkbert (measured)" in keys


def test_rows_without_predictions_are_ranked_by_the_size_of_the_test_set(tmp_path):
    store(tmp_path, *(result("medqa", score, model=f"m{score}") for score in (91.5, 91.0, 31.5)))
    ranks = {row.model: row.rank for row in leaderboard(tmp_path, suite="medqa", published="none").rows}
    assert ranks == {"m91.5": (1, 2), "m91.0": (1, 2), "m31.5": (3, 3)}


@pytest.mark.parametrize(
    "damage", [b"", b"PK", b"{}", b"[]", b'{"tasks": 1}', b'{"tasks": {}, "types": {}, "blurb": null}']
)
def test_a_damaged_cache_is_computed_again(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("LINKBERT_CACHE_DIR", str(tmp_path / "cache"))
    for model in "ab":
        store_simulated(tmp_path / "results", model, tasks=["gad"])
    board = leaderboard(tmp_path / "results")
    before = (board.to_json(), board.compare("a", "b").to_json())
    for path in cache_dir().rglob("*"):
        if path.is_file():
            path.write_bytes(damage)
    board = leaderboard(tmp_path / "results")
    assert (board.to_json(), board.compare("a", "b").to_json()) == before


@pytest.mark.parametrize("numbers", ['"x"', "[]", '{"a": 1}'])
def test_damaged_intervals_beside_the_results_do_not_matter(tmp_path, numbers):
    store_simulated(tmp_path, "a", tasks=["gad"])
    board = leaderboard(tmp_path)
    file = board.keep_intervals()
    for path in tmp_path.rglob("*.predictions.jsonl"):
        path.unlink()
    content = json.loads(file.read_text())["numbers"]
    file.write_text(json.dumps({"numbers": {name: json.loads(numbers) for name in content}}))
    assert leaderboard(tmp_path).find("a").tasks["gad"].ci is None
    file.write_text(f'{{"numbers": {numbers}}}')
    assert leaderboard(tmp_path).find("a").tasks["gad"].ci is None


def test_intervals_end_where_scores_end(tmp_path):
    for seed, skill in ((1, 0.02), (2, 0.03), (3, 0.4)):
        store_one(tmp_path, "m", "gad", seed, skill, 100)
    low, high = leaderboard(tmp_path).find("m").tasks["gad"].ci
    assert low >= 0 and high <= 100
