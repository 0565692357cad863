"""Every published row is there, with its source, and says where another source prints other numbers."""

import pytest
from linkbert.errors import RequestError
from linkbert.leaderboard.aggregate import BLURB_TASKS, blurb_score
from linkbert.leaderboard.board import leaderboard
from linkbert.leaderboard.published import published_rows, select_published

ROWS = {row.name: row for row in published_rows()}


def test_the_rows_of_three_publications_are_there():
    found = {paper: [row.model for row in select_published(paper)] for paper in ("linkbert", "gu", "indus")}
    assert found["linkbert"] == [
        "pubmedbert-base", "biolinkbert-base", "biolinkbert-large", "gpt-3", "unifiedqa", "biobert-large", "qagnn",
        "greaselm",
    ]  # fmt: skip
    assert len(found["gu"]) == 10 and len(found["indus"]) == 8
    assert len(select_published("all")) == 26 and select_published("none") == []


@pytest.mark.parametrize("row", published_rows(), ids=lambda row: row.name)
def test_the_cells_of_a_row_give_its_printed_score_or_a_mark_says_so(row):
    assert set(row.stds) <= set(row.scores)
    if row.printed is None:
        return
    assert set(BLURB_TASKS) <= set(row.scores)
    fits = abs(blurb_score(row.scores) - row.printed) < 0.1
    assert fits is (row.name != "minilm-l6@indus")
    assert any("its cells give 59.97" in mark for mark in row.marks()) is not fits


def test_the_largest_differences_of_another_publication_are_named_first():
    (mark,) = (mark for mark in ROWS["biolinkbert-base@linkbert"].marks() if "other numbers" in mark)
    assert "BLURB 81.2" in mark and mark.index("pubmedqa 59.1") < mark.index(" and ")


def test_both_rows_of_a_model_say_that_they_differ():
    assert any(
        "Gu et al. 2021 prints other numbers" in mark and "gad 83.96" in mark and "BLURB" in mark
        for mark in ROWS["pubmedbert-base@linkbert"].marks()
    )
    assert any(
        "Yasunaga et al. 2022 prints other numbers" in mark and "gad 82.34" in mark
        for mark in ROWS["pubmedbert-base@gu"].marks()
    )
    assert not any("other numbers" in mark for mark in ROWS["biolinkbert-large@linkbert"].marks())


def test_the_number_of_runs_is_that_of_the_publication():
    assert ROWS["pubmedbert-base@linkbert"].runs("gad") is None
    assert [ROWS["pubmedbert-base@gu"].runs(task) for task in ("gad", "biosses", "bioasq")] == [5, 10, 10]
    assert ROWS["biolinkbert-base@indus"].runs("gad") == 10 and ROWS["biolinkbert-base@indus"].stds["bioasq"] == 10.5


def test_the_board_shows_the_rows_that_are_asked_for(tmp_path):
    found = leaderboard(tmp_path, published="indus").to_json()["rows"]
    assert {row["publication"] for row in found} == {"indus"}
    (mine,) = [row for row in found if row["model"] == "pubmedbert-base"]
    assert mine["tasks"]["pubmedqa"] == {"mean": 55.2, "std": 5.5, "n": 10, "ci": None}
    assert leaderboard(tmp_path, published="none").rows == []
    with pytest.raises(RequestError, match="did you mean indus"):
        leaderboard(tmp_path, published="indos")
