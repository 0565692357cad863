"""The leaderboard depends on nothing but the result files and the published scores."""

import copy
import csv
import io
import json
import logging
import re

import pytest
from linkbert.experiments.results import SCHEMA_VERSION
from linkbert.leaderboard.board import leaderboard
from linkbert.leaderboard.formats import note_lines, to_csv, to_lines, to_markdown
from linkbert.leaderboard.layout import columns
from linkbert.leaderboard.published import published_rows
from linkbert.tasks.data import checksums
from linkbert.tasks.registry import TASKS
from linkbert.tasks.task import EXTRA


def result(task, score, *, model="m", seed=1, **changes):
    sha = checksums().get(task, {}).get("test", "f" * 64)
    made = {
        "schema_version": SCHEMA_VERSION, "task": task, "task_version": 1, "split": "test",
        "suite": TASKS[task].suite if task in TASKS else "blurb",
        "model": {"name": model, "source": "s", "revision": None, "weights_sha256": "a", "parameters": 1},
        "score": score, "metric": TASKS[task].metric if task in TASKS else "accuracy", "metrics": {}, "notes": [], "n_examples": 1, "truncation": {}, "dev": None,
        "recipe": {"epochs": {"value": 1, "origin": "x"}, "max_steps": {"value": None, "origin": "default"},
                   "train_fraction": {"value": 1.0, "origin": "default"},
                   "train_split": {"value": "train", "origin": "default"}},
        "departures": [], "seed": seed, "data": {"test": {"sha256": sha, "count": 1, "official": True}},
        "versions": {}, "device": "d", "precision": "fp32", "processes": 1, "deterministic": False, "cost": {},
        "started": "t", "finished": "t", "run_dir": None, "result_file": "", "predictions_file": None,
        "predictions_sha256": None,
    }  # fmt: skip
    return made | changes


BASE = next(row.scores for row in published_rows() if row.name == "biolinkbert-base@linkbert")


def store(folder, *results):
    for item in results:
        path = folder / item["task"] / item["model"]["name"] / f"seed-{item['seed']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(item), encoding="utf-8")


def rows(folder, **options):
    return leaderboard(folder, **options).to_json()["rows"]


def measured(folder, **options):
    return [row for row in rows(folder, **options) if row["source"] == "measured"]


def test_without_any_result_the_leaderboard_shows_the_published_rows(tmp_path):
    found = rows(tmp_path)
    assert [row["model"] for row in found] == [
        "biolinkbert-large", "biolinkbert-base", "pubmedbert-base", "gpt-3", "unifiedqa",
    ]  # fmt: skip
    assert all(row["source"] == "published" and row["ranked"] and row["marks"] for row in found)
    assert round(found[0]["blurb"], 2) == 84.30 and found[3]["blurb"] is None
    assert found[0]["tasks"]["mmlu-professional-medicine"] == {"mean": 50.7, "std": None, "n": None, "ci": None}
    assert found[3]["tasks"].keys() == {"mmlu-professional-medicine"}


def test_rows_have_the_documented_keys(tmp_path):
    store(tmp_path, result("gad", 80.0))
    for row in rows(tmp_path):
        assert set(row) == {
            "key", "model", "source", "publication", "ranked", "rank", "marks", "n_tasks", "blurb", "ci", "types", "types_ci",
            "tasks",
        }  # fmt: skip
        assert set(row["types"]) == {
            "ner", "pico", "relation-extraction", "sentence-similarity", "document-classification",
            "question-answering",
        }  # fmt: skip


def test_the_score_of_a_task_is_the_mean_over_seeds_with_its_deviation(tmp_path):
    store(tmp_path, *(result("gad", score, seed=seed) for seed, score in enumerate((80.0, 82.0, 84.0))))
    (row,) = measured(tmp_path)
    assert (
        row["tasks"]["gad"] == {"mean": 82.0, "std": 2.0, "n": 3, "ci": None} and row["n_tasks"] == 1 and row["ranked"]
    )


def test_a_model_with_all_thirteen_datasets_is_ranked_among_the_published_ones(tmp_path):
    store(tmp_path, *(result(n, s) for n, s in BASE.items()))
    order = [row["model"] for row in rows(tmp_path)]
    assert order.index("biolinkbert-large") < order.index("m") < order.index("pubmedbert-base")
    (row,) = measured(tmp_path)
    assert row["blurb"] == pytest.approx(83.3895, abs=5e-5) and row["types"]["pico"] == 73.97


def test_a_model_with_twelve_datasets_shows_their_number_instead_of_a_blurb_score(tmp_path):
    scores = dict(BASE)
    scores.pop("gad")
    store(tmp_path, *(result(n, s) for n, s in scores.items()))
    (row,) = measured(tmp_path)
    assert row["blurb"] is None and row["types"]["relation-extraction"] is None and row["types"]["ner"] is not None
    assert "(12 of 13)" in to_markdown(leaderboard(tmp_path).measured(), detail=False)


@pytest.mark.parametrize("limit", [("max_steps", 5), ("train_fraction", 0.5), ("train_split", "dev")])
def test_a_limited_run_is_listed_and_never_ranked_or_averaged(tmp_path, limit):
    limited = result("gad", 10.0, seed=2)
    limited["recipe"] = copy.deepcopy(limited["recipe"]) | {limit[0]: {"value": limit[1], "origin": "flag"}}
    store(tmp_path, result("gad", 80.0), limited)
    full, other = measured(tmp_path)
    assert full["ranked"] and full["tasks"]["gad"] == {"mean": 80.0, "std": None, "n": 1, "ci": None}
    assert not other["ranked"] and other["tasks"]["gad"]["mean"] == 10.0 and other["blurb"] is None
    assert any("limited" in mark and "gad" in mark for mark in other["marks"])
    assert rows(tmp_path)[-1] is not full


def test_departures_unofficial_data_and_notes_are_shown_as_marks(tmp_path):
    odd = result("gad", 80.0, departures=["epochs 3 instead of 10"], notes=["undefined"])
    odd["data"] = {"train": {"sha256": "x", "count": 3, "official": False}, **odd["data"]}
    store(tmp_path, odd)
    (row,) = measured(tmp_path)
    assert "epochs 3 instead of 10 (gad)" in row["marks"] and "data not the benchmark's: train (gad)" in row["marks"]
    assert "undefined (gad)" in row["marks"] and row["ranked"]


@pytest.mark.parametrize("split", ["test", "train"])
def test_results_of_other_data_have_a_row_of_their_own_which_is_not_ranked(tmp_path, split):
    other = result("gad", 81.0, seed=2)
    other["data"] = other["data"] | {split: {"sha256": "0" * 64, "count": 534, "official": True}}
    store(tmp_path, result("gad", 80.0), result("gad", 80.0, seed=3), other)
    if split == "train":
        for seed in (1, 3):
            mine = result("gad", 80.0, seed=seed)
            mine["data"] = mine["data"] | {"train": {"sha256": "1" * 64, "count": 1, "official": True}}
            store(tmp_path, mine)
    full, odd = measured(tmp_path)
    assert full["tasks"]["gad"]["n"] == 2 and full["ranked"]
    assert odd["tasks"]["gad"]["mean"] == 81.0 and not odd["ranked"]
    assert "data differ from other rows (gad)" in odd["marks"]
    assert leaderboard(tmp_path).find("m (other data 000000)").model == "m"


def test_seeds_with_different_recipes_are_marked(tmp_path):
    second = result("gad", 81.0, seed=2)
    second["recipe"] = second["recipe"] | {"epochs": {"value": 9, "origin": "flag"}}
    store(tmp_path, result("gad", 80.0), second)
    assert "seeds with different recipes (gad)" in measured(tmp_path)[0]["marks"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema_version": 1}',
        '{"schema_version": 99}',
        "\xff",
        json.dumps(result("gad", 999.0)),
        json.dumps(result("gad", 80.0, model="bad", data={"test": "x"})),
        json.dumps(result("gad", 80.0, model="bad", notes=[{}])),
        json.dumps(result("gad", 80.0, model="bad", seed=5)),
    ],
)
def test_a_result_that_cannot_be_read_is_named_and_left_out(tmp_path, caplog, text):
    store(tmp_path, result("gad", 80.0))
    bad = tmp_path / "gad" / "bad" / "seed-1.json"
    bad.parent.mkdir()
    bad.write_bytes(text.encode("latin-1"))
    logging.getLogger("linkbert").propagate = True
    with caplog.at_level(logging.WARNING, logger="linkbert"):
        assert [row["model"] for row in measured(tmp_path)] == ["m"]
    assert str(bad) in caplog.text


def test_few_of_many_rows_without_intervals_are_named(tmp_path, caplog):
    store(tmp_path, *(result("gad", 80.0, model=f"model-{number}") for number in range(8)))
    logging.getLogger("linkbert").propagate = True
    with caplog.at_level(logging.INFO, logger="linkbert"):
        leaderboard(results_dir=tmp_path)
    assert re.search("beside the results: (model-[0-9], ){4}model-[0-9] and 3 more", caplog.text)


@pytest.mark.parametrize("change", [{"task_version": 99}, {"split": "dev"}, {"metric": "accuracy"}, {"task": "glue"}])
def test_a_result_of_another_task_version_split_or_metric_is_left_out(tmp_path, change):
    store(tmp_path, result("gad", 80.0), result("gad", 20.0, seed=2) | change)
    assert measured(tmp_path)[0]["tasks"]["gad"]["n"] == 1


def test_different_weights_or_precision_under_one_name_are_marked(tmp_path):
    other = result("hoc", 81.0)
    other["model"] = other["model"] | {"weights_sha256": "b"}
    store(tmp_path, result("gad", 80.0), result("gad", 80.0, seed=2, precision="bf16"), other)
    marks = measured(tmp_path)[0]["marks"]
    assert "runs of different pretrained weights under one name" in marks
    assert "seeds with different precision (gad)" in marks


def test_a_suite_selects_the_tasks_and_the_order_of_the_models(tmp_path):
    store(tmp_path, result("medqa", 39.0), result("gad", 80.0), result("medqa", 50.0, model="n"))
    assert [row["model"] for row in rows(tmp_path, suite="medqa")] == [
        "n", "biolinkbert-large", "biolinkbert-base", "m", "pubmedbert-base",
    ]  # fmt: skip
    assert measured(tmp_path, suite="blurb")[0]["tasks"].keys() == {"gad"}
    assert [row["model"] for row in rows(tmp_path, suite="mmlu")] == ["biolinkbert-large", "unifiedqa", "gpt-3"]


def test_all_formats_show_the_same_numbers(tmp_path):
    store(tmp_path, *(result("pubmedqa", score, seed=seed) for seed, score in enumerate((70.0, 71.0))))
    found = leaderboard(tmp_path)
    markdown = to_markdown(found, detail=True)
    assert "70.50 ±0.71" in markdown and "Yasunaga et al. 2022" in markdown
    table = list(csv.DictReader(io.StringIO(to_csv(found))))
    (mine,) = [line for line in table if line["source"] == "measured"]
    assert mine["pubmedqa"] == "70.5" and mine["pubmedqa_n"] == "2" and mine["blurb"] == "" and mine["gad"] == ""
    assert [column.title for column in columns(found, detail=False)] == ["BLURB", "PubMedQA"]  # what was measured
    detailed = columns(found, detail=True)
    published = [task for task in TASKS.values() if task.suite != EXTRA]
    assert len(detailed) == len(published) + 1  # with BLURB
    assert any(line.startswith("1: ") for line in note_lines(found))
    for headers, lines in to_lines(found, detail=True, width=80):
        assert headers[:3] == ["rank", "model", "source"]
        assert sum(max(map(len, column)) + 2 for column in zip(headers, *lines)) - 2 <= 80
