"""A sixth NER corpus is one entry and no edit elsewhere."""

import json

import pytest
from linkbert.corpora.prepare import prepare
from linkbert.tasks import registry
from linkbert.tasks.ner import ner_task
from linkbert.tasks.task import EXTRA


@pytest.fixture
def species(monkeypatch):
    task = ner_task(
        {"Species": "Species"}, name="my-species", title="My species corpus", suite=EXTRA, task_type=EXTRA,
        recipe_of="ncbi-disease", release="tokcls/my-species_hf", counts=(10, 4, 6), folders=("my-species-IOB",),
    )  # fmt: skip
    monkeypatch.setitem(registry.TASKS, task.name, task)
    return task


def test_one_entry_is_enough(cli, species, tiny, tmp_path):
    source = tmp_path / "source" / "my-species-IOB"
    source.mkdir(parents=True)
    for name in ("train", "devel", "test"):
        (source / f"{name}.tsv").write_text("the\tO\nrenal\tB-Species\npain\tI-Species\n\n" * 5, encoding="utf-8")
    prepare([species.corpus], tmp_path / "source", tmp_path / "data")
    done = cli("finetune", "my-species", "--model", tiny, "--max-steps", 1, "--max-length", 32, "-q", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["suite"] == "extra" and result["recipe"]["learning_rate"]["value"] == 5e-5
    row = json.loads(cli("leaderboard", "--json").stdout)["rows"][-1]
    assert row["tasks"].keys() == {"my-species"} and row["types"]["ner"] is None
