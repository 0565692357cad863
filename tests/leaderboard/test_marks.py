"""The leaderboard marks results that need care in a comparison."""

import pytest
from linkbert.experiments.results import Result
from linkbert.leaderboard.marks import BORROWED_RECIPE, borrows_recipe, marks_of
from linkbert.tasks.data import checksums

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


def test_examples_that_were_cut_or_are_also_in_train_are_marked():
    cut = {"examples": 534, "examples_cut": 3, "tokens_cut": 9, "masks_lost": 2, "gold_labels_lost": 0, "windowed": 0}
    data = {split: {"sha256": checksums()["gad"][split], "count": 1, "official": True} for split in ("train", "test")}
    marks = list(marks_of(result_with(data=data, truncation={"test": cut})))
    assert "3 of 534 test examples were cut, 2 lost an entity mask" in marks
    assert "8 test examples have a text that is also in train" in marks
    data["train"] = data["train"] | {"sha256": "0" * 64}
    assert not [mark for mark in marks_of(result_with(data=data)) if "also in train" in mark]


@pytest.mark.parametrize(("score", "beaten"), [(68.95, True), (68.97, False)])
def test_a_result_that_does_not_beat_a_trivial_baseline_is_marked(score, beaten):
    found = Result.from_json(result("gad", score))
    assert any("does not beat the trivial baseline: all positive scores 68.96" in m for m in marks_of(found)) is beaten


def test_the_baseline_of_other_data_is_that_of_the_result():
    own = {"name": "majority class (x)", "score": 90.0}
    data = {"test": {"sha256": "0" * 64, "count": 1, "official": False}}
    marks = list(marks_of(result_with(data=data, baseline=own)))
    assert "does not beat the trivial baseline: majority class (x) scores 90.00" in marks


def test_a_result_with_a_wrong_checksum_is_marked(tmp_path):
    document = result("gad", 80.0)
    document["checksum"] = Result.from_json(document).compute_checksum()
    store(tmp_path, document)
    assert measured(tmp_path)[0]["marks"] == ["fewer than 3 seeds (gad)"]
    store(tmp_path, document | {"score": 81.0})
    assert measured(tmp_path)[0]["marks"] == [
        "its checksum does not fit: the result file was edited or damaged (gad)", "fewer than 3 seeds (gad)"
    ]  # fmt: skip
