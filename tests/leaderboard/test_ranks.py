"""Rows that cannot be told apart share a rank."""

from linkbert.leaderboard.board import leaderboard

from .simulated import store_simulated
from .test_board import result, store


def ranks(folder, **options):
    return {row.key: row.rank for row in leaderboard(folder, **options).rows}


def test_a_row_joins_the_group_of_the_first_one_unless_it_is_behind(tmp_path):
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
    assert found["biolinkbert-large@linkbert"] == found["biolinkbert-base@linkbert"] == (1, 2)
    assert found["biolinkbert-base@indus"] == found["pubmedbert-base@indus"]
    assert found["minilm-l6@indus"] == (21, 21)


def test_a_suite_of_one_task_is_ranked_by_that_task(tmp_path):
    store_simulated(tmp_path, "a", tasks=["medqa"], skill=0.9, size=300)
    store_simulated(tmp_path, "b", tasks=["medqa"], skill=0.5, size=300)
    found = ranks(tmp_path, suite="medqa", published="none")
    assert found == {"a": (1, 1), "b": (2, 2)}
