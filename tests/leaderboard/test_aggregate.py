"""The BLURB score that is computed from the published scores equals the published BLURB score."""

import pytest
from linkbert.leaderboard.aggregate import BLURB_TASKS, blurb_score, over_seeds, type_means
from linkbert.leaderboard.published import published_rows

ROWS = {row.model: row for row in published_rows() if row.publication.name == "linkbert"}


@pytest.mark.parametrize(
    ("model", "exact", "printed"),
    [("pubmedbert-base", 81.1028, 81.10), ("biolinkbert-base", 83.3895, 83.39), ("biolinkbert-large", 84.3032, 84.30)],
)
def test_the_computed_blurb_score_equals_the_published_one(model, exact, printed):
    found = blurb_score(ROWS[model].scores)
    assert found == pytest.approx(exact, abs=5e-5) and round(found, 2) == printed


def test_there_is_no_blurb_score_if_one_of_the_thirteen_datasets_is_missing():
    scores = dict(ROWS["biolinkbert-base"].scores)
    assert len(BLURB_TASKS) == 13 and "medqa" not in BLURB_TASKS
    for name in BLURB_TASKS:
        assert blurb_score({key: value for key, value in scores.items() if key != name}) is None


def test_a_task_type_has_no_mean_if_one_of_its_datasets_is_missing():
    means = type_means({"pubmedqa": 70.0, "biosses": 90.0})
    assert means["question-answering"] is None and means["sentence-similarity"] == 90
    assert type_means({"pubmedqa": 70.0, "bioasq": 90.0})["question-answering"] == 80


def test_the_deviation_over_seeds_is_the_sample_standard_deviation():
    assert over_seeds([1.0]) == (1.0, None)
    mean, deviation = over_seeds([1.0, 2.0, 3.0])
    assert mean == 2 and deviation == pytest.approx(1.0)
