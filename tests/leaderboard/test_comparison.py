"""`--compare`: paired where both were measured, and plain about what cannot be said."""

import json
import logging

import pytest
from linkbert.errors import RequestError
from linkbert.leaderboard.board import leaderboard
from linkbert.leaderboard.comparison import ABOVE, AHEAD, BEHIND, BELOW, INSIDE, NOT_TESTED, SAME

from .simulated import store_one, store_simulated
from .test_board import result, store

TASKS = ["gad", "pubmedqa", "ncbi-disease", "biosses"]


def test_a_better_model_is_ahead_and_an_equal_one_cannot_be_told_apart(tmp_path):
    for model, skill in (("good", 0.97), ("poor", 0.6), ("alike", 0.9700001)):
        store_simulated(tmp_path, model, tasks=TASKS, seeds=(1, 2, 3), skill=skill, size=200)
    board = leaderboard(tmp_path)
    found = board.compare("good", "poor")
    assert found.paired and {found.datasets[name].verdict for name in TASKS[:3]} == {AHEAD}
    turned = board.compare("poor", "good")
    assert turned.datasets["gad"].verdict == BEHIND
    assert turned.datasets["gad"].difference == pytest.approx(-found.datasets["gad"].difference)
    assert {line.verdict for line in board.compare("good", "alike").datasets.values()} == {SAME}


def test_the_document_has_the_keys_of_the_contract(tmp_path):
    store_simulated(tmp_path, "a", seeds=(1, 2))
    store_simulated(tmp_path, "b", seeds=(1, 2), skill=0.7)
    document = json.loads(json.dumps(leaderboard(tmp_path).compare("a", "b").to_json()))
    assert {"a", "b", "paired", "datasets", "types", "blurb"} <= document.keys() and document["paired"] is True
    keys = {"difference", "ci", "p", "p_corrected", "detectable", "verdict"}
    assert all(
        set(line) == keys for line in [*document["datasets"].values(), *document["types"].values(), document["blurb"]]
    )
    assert len(document["datasets"]) == 15 and len(document["types"]) == 6
    low, high = document["blurb"]["ci"]
    assert low < document["blurb"]["difference"] < high
    lines = document["datasets"].values()
    assert all(line["p_corrected"] >= line["p"] for line in lines)


def test_predictions_that_are_missing_or_edited_are_named_and_the_others_go_on(tmp_path):
    store_simulated(tmp_path, "a", tasks=TASKS)
    store_simulated(tmp_path, "b", tasks=TASKS, skill=0.7)
    gone = next((tmp_path / "gad" / "a").glob("*.predictions.jsonl"))
    gone.unlink()
    edited = next((tmp_path / "pubmedqa" / "b").glob("*.predictions.jsonl"))
    edited.write_bytes(edited.read_bytes().replace(b'"yes"', b'"no"', 1))
    found = leaderboard(tmp_path).compare("a", "b")
    assert str(gone) in found.refused["gad"] and "not there" in found.datasets["gad"].verdict
    assert str(edited) in found.refused["pubmedqa"] and "edited" in found.refused["pubmedqa"]
    assert found.datasets["gad"].p is None and found.datasets["biosses"].p is not None


def test_an_edited_score_is_noticed_by_its_predictions(tmp_path, caplog):
    store_one(tmp_path, "a", "gad", 1, 0.8, 60, score=99.0)
    logging.getLogger("linkbert").propagate = True
    with caplog.at_level(logging.WARNING, logger="linkbert"):
        (row,) = leaderboard(tmp_path).measured().rows
    assert row.tasks["gad"].ci is None and "one of the two was edited" in caplog.text


def test_results_of_other_data_are_not_compared_example_by_example(tmp_path):
    data = {"test": {"sha256": "0" * 64, "count": 1, "official": False}}
    store_simulated(tmp_path, "a", tasks=["gad", "biosses"])
    store_one(tmp_path, "b", "gad", 1, 0.7, 60, data=data)
    store_one(tmp_path, "b", "biosses", 1, 0.7, 60)
    board = leaderboard(tmp_path)
    assert set(board.compare("a", "b").datasets) == {"biosses"}
    found = board.compare("a", "b (other data 000000)")
    assert found.refused == {"gad": "the two were not tested on the same examples"}


def test_published_rows_with_deviations_are_tested_by_welch(tmp_path):
    found = leaderboard(tmp_path).compare("biolinkbert-base@indus", "pubmedbert-base@indus")
    assert not found.paired and "Welch" in found.method
    assert found.blurb.difference == pytest.approx(0.31, abs=0.01) and found.blurb.verdict == SAME
    assert found.datasets["bc2gm"].verdict == AHEAD and found.datasets["jnlpba"].verdict == BEHIND
    assert found.other_sources["linkbert"]["blurb"] == pytest.approx(2.29, abs=0.01)


def test_published_rows_without_deviations_are_not_tested(tmp_path):
    found = leaderboard(tmp_path).compare("biolinkbert-base@linkbert", "pubmedbert-base@linkbert")
    assert found.blurb.difference == pytest.approx(2.29, abs=0.01) and found.blurb.p is None
    reason = "no deviation is printed for biolinkbert-base@linkbert and pubmedbert-base@linkbert"
    assert {line.verdict for line in found.datasets.values()} == {f"{NOT_TESTED}: {reason}"}
    assert found.other_sources["indus"]["blurb"] == pytest.approx(0.31, abs=0.01)
    assert found.other_sources["indus"]["gad"] == pytest.approx(-0.3)


def test_a_published_score_without_deviation_is_held_against_the_interval(tmp_path):
    store_simulated(tmp_path, "low", tasks=["gad"], skill=0.55, size=500)
    store_simulated(tmp_path, "high", tasks=["gad"], skill=0.999, size=500)
    board = leaderboard(tmp_path)
    assert board.compare("low", "biolinkbert-base@linkbert").datasets["gad"].verdict == ABOVE
    assert board.compare("high", "biolinkbert-base@linkbert").datasets["gad"].verdict in (BELOW, INSIDE)
    low, high = next(row for row in board.rows if row.key == "low").tasks["gad"].ci
    assert low < board.find("low").means["gad"] < high


def test_measured_against_published_with_deviations_is_welch(tmp_path):
    store(tmp_path, *(result("gad", score, seed=seed) for seed, score in enumerate((80.0, 81.0, 82.0))))
    found = leaderboard(tmp_path).compare("m", "pubmedbert-base@indus")
    assert not found.paired and found.datasets["gad"].p is not None and "not paired" in found.method


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("pubmedbert-base", "x"), "pubmedbert-base@"),
        (("pubmedbert-base@gu", "pubmedbert-base@gu"), "the same row"),
        (("gpt-3@linkbert", "pubmedbert-base@gu"), "no dataset in common"),
    ],
)
def test_a_wrong_request_is_refused(tmp_path, names, message):
    with pytest.raises(RequestError, match=message):
        leaderboard(tmp_path).compare(*names)


def test_numbers_come_from_the_cache_and_do_not_change(tmp_path, monkeypatch):
    store_simulated(tmp_path, "a", tasks=TASKS, seeds=(1, 2))
    store_simulated(tmp_path, "b", tasks=TASKS, seeds=(1, 2), skill=0.7)
    first = leaderboard(tmp_path)
    before = (first.to_json(), first.compare("a", "b").to_json())
    monkeypatch.setattr("linkbert.leaderboard.resampling.estimates", None)  # computing again would fail
    second = leaderboard(tmp_path)
    assert json.dumps((second.to_json(), second.compare("a", "b").to_json())) == json.dumps(before)


def test_a_model_beside_others_has_the_numbers_that_it_has_alone(tmp_path):
    store_simulated(tmp_path / "one", "a", tasks=TASKS)
    for model in "ab":
        store_simulated(tmp_path / "two", model, tasks=TASKS)
    alone, beside = (leaderboard(tmp_path / name).find("a").to_json() for name in ("one", "two"))
    assert alone["tasks"] == beside["tasks"]
