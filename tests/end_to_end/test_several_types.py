"""A NER corpus with several entity types is prepared, trained, scored and predicted with all its types."""

import json

import pytest
from linkbert.corpora.prepare import prepare
from linkbert.metrics.scores import score
from linkbert.tasks import registry
from linkbert.tasks.ner import ner_task
from linkbert.tasks.task import EXTRA

SENTENCE = "the\tO\nrenal\tB-DIS\npain\tI-DIS\ndrug\tB-CHEM\nof\tO\nwomen\tB-SPEC\n.\tO\n\n"


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    task = ner_task(
        {"DIS": "Disease", "CHEM": "Chemical", "SPEC": "Species"}, name="three-types", title="Three types", suite=EXTRA,
        task_type=EXTRA, recipe_of="ncbi-disease", release="tokcls/three-types_hf", counts=(30, 12, 18),
        folders=("three-types",),
    )  # fmt: skip
    monkeypatch.setitem(registry.TASKS, task.name, task)
    folder = tmp_path / "source" / "three-types"
    folder.mkdir(parents=True)
    for name, size in {"train": 10, "devel": 4, "test": 6}.items():
        (folder / f"{name}.tsv").write_text(SENTENCE * size, encoding="utf-8")
    prepare([task.corpus], tmp_path / "source", tmp_path / "data")
    return task


def test_all_entity_types_are_prepared_trained_scored_and_predicted(cli, corpus, tiny, tmp_path):
    assert corpus.labels == (
        "O", "B-Disease", "I-Disease", "B-Chemical", "I-Chemical", "B-Species", "I-Species",
    )  # fmt: skip
    row = json.loads((tmp_path / "data" / corpus.release / "test.json").read_text().splitlines()[0])
    assert row["ner_tags"] == ["O", "B-Disease", "I-Disease", "B-Chemical", "O", "B-Species", "O"]
    done = cli("finetune", "three-types", "--model", tiny, "--max-length", 32, "--batch-size", 2, "--epochs", 12,
               "--learning-rate", 0.01, "--precision", "fp32", "-q", "--json")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["score"] > 90
    assert {"f1/Disease", "f1/Chemical", "f1/Species"} <= set(result["metrics"])
    config = json.loads((tmp_path / result["run_dir"] / "config.json").read_text())
    assert tuple(config["id2label"].values()) == corpus.labels
    predicted = cli(
        "predict", "three-types", "-", "--model", result["run_dir"], stdin="the renal pain drug of women .\n"
    )
    entities = json.loads(predicted.stdout)["entities"]
    assert [(entity["text"], entity["label"]) for entity in entities] == [
        ("renal pain", "Disease"), ("drug", "Chemical"), ("women", "Species"),
    ]  # fmt: skip


def test_entities_with_a_wrong_type_are_counted_as_wrong(corpus):
    gold = [["O", "B-Disease", "I-Disease", "B-Chemical", "O", "B-Species", "O"]]
    one = [[tag[:2] + "Disease" if tag != "O" else "O" for tag in gold[0]]]
    assert score("entity_f1", one, gold, corpus.labels).score == pytest.approx(100 / 3)


def test_a_tag_without_a_type_is_refused_if_the_task_has_several_types(cli, corpus, tiny, tmp_path):
    path = tmp_path / "data" / corpus.release / "train.json"
    path.write_text(path.read_text().replace("B-Chemical", "B", 1), encoding="utf-8")
    done = cli("finetune", "three-types", "--model", tiny, "--max-length", 32, "-q")
    assert done.exit_code == 2 and "train.json:1: tag 'B' names no type, but three-types has several" in done.stderr
    source = tmp_path / "source" / "three-types" / "train.tsv"
    source.write_text(SENTENCE.replace("B-CHEM", "B"), encoding="utf-8")
    done = cli("data", "prepare", "three-types", "--source", "source")
    assert done.exit_code == 2 and "train.tsv:4: tag 'B' is not in the task's set" in done.stderr


def test_a_declaration_without_the_labels_of_a_type_is_refused():
    with pytest.raises(ValueError, match="no label B-TYPE for Chemical"):
        ner_task(
            {"DIS": "Disease", "CHEM": "Chemical"}, name="x", title="x", suite=EXTRA, task_type=EXTRA, release="x",
            counts=(1, 1, 1), labels=("O", "B-Disease", "I-Disease"),
        )  # fmt: skip
