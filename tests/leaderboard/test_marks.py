"""The leaderboard marks results that need care in a comparison."""

import pytest
from linkbert.experiments.results import Result
from linkbert.leaderboard.marks import BORROWED_RECIPE, borrows_recipe, marks_of

from .test_board import measured, result, store

PUBLISHED = {"learning_rate": {"value": 3e-5, "origin": "recipe base (published)"}}


def result_with(*, source="s", name="m", recipe=None, **changes):
    document = result("gad", 80.0, model=name, **changes)
    document["model"] |= {"source": source}
    document["recipe"] |= recipe or {}
    return Result.from_json(document)


@pytest.mark.parametrize(
    ("source", "name", "borrowed"),
    [
        ("microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract", "pubmedbert-base", True),
        ("michiyasunaga/BioLinkBERT-base", "biolinkbert-base", False),
        ("/models/BioLinkBERT-large", "mine", False),
        ("./checkpoint", "biolinkbert-base", False),
        ("michiyasunaga/LinkBERT-base", "linkbert-base", True),
    ],
)
def test_a_model_trained_with_the_recipe_of_another_model_is_marked(source, name, borrowed):
    found = result_with(source=source, name=name, recipe=PUBLISHED)
    assert borrows_recipe(found) is borrowed and (BORROWED_RECIPE in list(marks_of(found))) is borrowed
    ours = {"learning_rate": {"value": 2e-4, "origin": "recipe small (ours)"}}
    assert not borrows_recipe(result_with(source=source, name=name, recipe=ours))


def test_a_result_with_a_wrong_checksum_is_marked(tmp_path):
    document = result("gad", 80.0)
    document["checksum"] = Result.from_json(document).compute_checksum()
    store(tmp_path, document)
    assert measured(tmp_path)[0]["marks"] == []
    store(tmp_path, document | {"score": 81.0})
    assert measured(tmp_path)[0]["marks"] == ["its checksum does not fit: the result file was edited or damaged (gad)"]
