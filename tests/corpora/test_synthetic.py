"""The synthetic corpus of the demo is deterministic, in the original formats, and labelled as synthetic."""

from linkbert.corpora.prepare import prepare
from linkbert.corpora.synthetic import SYNTHETIC_TASKS, write_synthetic
from linkbert.tasks.registry import TASKS


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    write_synthetic(tmp_path / "a")
    write_synthetic(tmp_path / "b")
    write_synthetic(tmp_path / "c", seed=1)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") != contents(tmp_path / "c")


def test_the_synthetic_corpus_is_read_by_the_readers_of_the_real_corpora(tmp_path):
    write_synthetic(tmp_path / "source")
    report = prepare([TASKS[name].corpus for name in SYNTHETIC_TASKS], tmp_path / "source", tmp_path / "data")
    assert all(set(report.written[name]) == {"train", "dev", "test"} for name in SYNTHETIC_TASKS)
    assert [path.name for path in report.skipped] == ["README.txt"]
    assert "Synthetic" in (tmp_path / "source" / "README.txt").read_text()
