"""A row may have any rank from which it cannot be told apart."""

import json

import pytest
from linkbert.leaderboard import ranks as ranking
from linkbert.leaderboard.board import leaderboard

from .simulated import store_simulated
from .test_board import result, store


def ranks(folder, **options):
    return {row.key: row.rank for row in leaderboard(folder, **options).rows}


class FakeRow:
    """What ranking needs of a row."""

    def __init__(self, key, score, rank=None):
        self.key, self.score, self.ranked, self.results, self.rank = key, score, True, (), rank

    def __replace__(self, **changes):
        return FakeRow(self.key, self.score, changes["rank"])


@pytest.fixture
def place(monkeypatch):
    """Return a function that ranks rows by key, score, and the pairs that are told apart with a p-value."""
    monkeypatch.setattr(ranking, "replace", lambda row, rank: FakeRow(row.key, row.score, rank))

    def run(scores, apart):
        rows = [FakeRow(key, score) for key, score in scores.items()]

        def p_values(pairs):
            return [apart.get("".join(sorted((a.key, b.key))), 1.0) for a, b in pairs]

        return {row.key: row.rank for row in ranking.with_ranks(rows, lambda row: row.score, p_values)}

    return run


def test_ranks_overlap_where_neighbours_cannot_be_told_apart(place):
    """The last one is behind the first, and neither can be told from the one between them."""
    assert place({"a": 3, "b": 2, "c": 1}, {"ac": 0.01}) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}
    assert place({"a": 3, "b": 2}, {"ab": 0.01}) == {"a": (1, 1), "b": (2, 2)}
    assert place({"a": 2, "b": 2}, {"ab": 0.01}) == {"a": (1, 2), "b": (1, 2)}, "equal scores are not told apart"


def test_p_values_are_corrected_for_the_number_of_rows(place):
    scores = {"a": 5, "b": 4, "c": 3, "d": 2}
    assert place(scores, {"ad": 0.02})["a"] == (1, 4)
    assert place(scores, {"ad": 0.016})["a"] == (1, 3)


def test_of_many_rows_each_is_compared_with_the_first_of_its_group(place, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_ROWS", 2)
    scores = {"a": 4, "b": 3, "c": 2, "d": 1}
    apart = {"ac": 0.01, "ad": 0.01, "bd": 0.01}
    assert place(scores, apart) == {"a": (1, 2), "b": (1, 2), "c": (3, 4), "d": (3, 4)}


def test_published_scores_of_one_task_are_told_apart_by_deviations_over_seeds(tmp_path):
    """Not by the size of the test set: a model is not significantly behind itself in another publication."""
    for task, pair in (("pubmedqa", ("biolinkbert-base@linkbert", "biolinkbert-base@indus")),
                       ("jnlpba", ("pubmedbert-base@gu", "roberta-base@indus"))):  # fmt: skip
        found = ranks(tmp_path, tasks=[task], published="all")
        (first, last), (other_first, other_last) = (found[key] for key in pair)
        assert max(first, other_first) <= min(last, other_last), task


def test_models_with_one_run_each_are_not_ranked_by_the_luck_of_their_seeds(tmp_path):
    """On a task of which nothing is known about seeds, not at all."""
    for model, skill, other in (("a", 0.72, 0.9), ("b", 0.62, 0.6)):
        store_simulated(tmp_path, model, tasks=["pubmedqa"], skill=skill, size=300)
        store_simulated(tmp_path, model, tasks=["medqa"], skill=other, size=300)
    for task in ("pubmedqa", "medqa"):
        assert set(ranks(tmp_path, tasks=[task], published="none").values()) == {(1, 2)}
    board = leaderboard(tmp_path, tasks=["medqa"], published="none")
    assert board.compare("a", "b").datasets["medqa"].verdict.startswith("these two runs differ")


def test_a_result_that_its_predictions_contradict_is_not_ranked(tmp_path):
    for model in ("a", "b"):
        store_simulated(tmp_path, model, tasks=["gad"], seeds=(1, 2, 3), size=100)
    path = tmp_path / "gad" / "a" / "seed-1.json"
    edited = json.loads(path.read_text())
    edited["score"] = edited["metrics"]["micro_f1"] = 99.0
    edited["checksum"] = None
    path.write_text(json.dumps(edited))
    assert ranks(tmp_path, tasks=["gad"], published="none") == {"a": None, "b": (1, 1)}


def test_a_row_is_behind_those_that_are_significantly_ahead_of_it(tmp_path):
    for model, skill in (("a", 0.95), ("b", 0.9499999), ("c", 0.6)):
        store_simulated(tmp_path, model, skill=skill, seeds=(1, 2, 3), size=100)
    found = ranks(tmp_path, published="none")
    assert found == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}


def test_incomplete_and_limited_rows_have_no_rank(tmp_path):
    store_simulated(tmp_path, "part", tasks=["gad"])
    limited = result("gad", 80.0, model="limited")
    limited["recipe"]["max_steps"] = {"value": 5, "origin": "--max-steps"}
    store(tmp_path, limited)
    found = ranks(tmp_path)
    assert found["part"] is None and found["limited (limited)"] is None and found["gpt-3@linkbert"] is None
    assert found["biolinkbert-large@linkbert"] == (1, 2)


def test_deviations_of_the_replication_stand_in_for_those_that_are_not_printed(tmp_path):
    found = ranks(tmp_path, published="all")
    assert found["biolinkbert-base@linkbert"] == (1, 8) and found["biolinkbert-large@linkbert"][0] == 1
    first, last = found["biolinkbert-base@indus"]
    assert first <= found["pubmedbert-base@indus"][0] <= last
    assert found["minilm-l6@indus"][1] == 21


def test_a_suite_of_one_task_is_ranked_by_that_task(tmp_path):
    store_simulated(tmp_path, "a", tasks=["medqa"], seeds=(1, 2, 3), skill=0.9, size=300)
    store_simulated(tmp_path, "b", tasks=["medqa"], seeds=(1, 2, 3), skill=0.5, size=300)
    found = ranks(tmp_path, suite="medqa", published="none")
    assert found == {"a": (1, 1), "b": (2, 2)}
