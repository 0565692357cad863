"""`prepare` recognises the original files of each corpus and writes the prepared format."""

import json
import os
import shutil

import pytest
from linkbert.corpora.prepare import prepare
from linkbert.corpora.sources import list_files
from linkbert.errors import RequestError
from linkbert.tasks.registry import TASKS

ALL_CORPORA = [task.corpus for task in TASKS.values()]
NER = TASKS["ncbi-disease"]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.json")}


def test_every_corpus_is_recognised(sources, tmp_path):
    report = prepare(ALL_CORPORA, sources, tmp_path)
    assert {name: tuple(splits) for name, splits in report.written.items()} == {
        name: task.splits for name, task in TASKS.items()
    }
    assert not any(report.not_found.values()) and not report.skipped


def test_preparing_twice_gives_the_same_bytes(sources, data_dir, tmp_path):
    prepare(ALL_CORPORA, sources, tmp_path)
    assert contents(tmp_path) == contents(data_dir)


def test_the_folder_structure_of_blurb_is_recognised(sources, data_dir, tmp_path):
    names = {
        "bc5chem": "BC5CDR-chem", "bc5disease": "BC5CDR-disease", "ncbi_disease": "NCBI-disease", "bc2gm": "BC2GM",
        "jnlpba": "JNLPBA", "ebm_pico": "ebmnlp", "chemprot": "chemprot", "ddi": "DDI", "gad": "GAD",
        "biosses": "BIOSSES", "hoc": "HoC", "bioasq": "BioASQ",
    }  # fmt: skip
    for ours, theirs in names.items():
        shutil.copytree(sources / ours / "blurb", tmp_path / "data_generation" / "data" / theirs)
    report = prepare(ALL_CORPORA, tmp_path / "data_generation", tmp_path / "out")
    assert {name for name, splits in report.written.items() if len(splits) == 3} >= {
        name for name, task in TASKS.items() if task.suite == "blurb" and name != "pubmedqa"
    }  # fmt: skip
    prepared = contents(tmp_path / "out")
    assert all(contents(data_dir)[path] == text for path, text in prepared.items())


def test_preparing_the_release_of_the_authors_gives_the_same_files(data_dir, tmp_path):
    report = prepare(ALL_CORPORA, data_dir, tmp_path)
    assert contents(tmp_path) == contents(data_dir) and not report.skipped


def test_an_error_in_the_release_of_the_authors_is_refused(data_dir, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(data_dir, source)
    path = source / TASKS["gad"].release / "dev.json"
    path.write_text('{"id": "1", "sentence": "a", "label": "banana"}\n', encoding="utf-8")
    with pytest.raises(RequestError, match=r"dev.json:1: label 'banana'"):
        prepare([TASKS["gad"].corpus], source, tmp_path / "out")


def test_the_same_corpus_from_two_formats_gives_the_same_bytes(sources, data_dir, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(sources / "ncbi_disease", source / "ncbi_disease")
    typed = (source / "ncbi_disease" / "blurb" / "dev.tsv").read_text().replace("\tB\n", "\tB-Disease\n")
    mtl = source / "ncbi_disease" / "mtl" / "devel.tsv"
    mtl.parent.mkdir()
    mtl.write_text(typed.replace("\tI\n", "\tI-Disease\n"), encoding="utf-8")
    report = prepare([NER.corpus], source, tmp_path / "out")
    count, files = report.written["ncbi-disease"]["dev"]
    assert count == 6 and len(files) == 2 and "BLURB" in files[0] and "MTL" in files[1]
    path = NER.release + "/dev.json"
    assert (tmp_path / "out" / path).read_bytes() == (data_dir / path).read_bytes()
    (source / "ncbi_disease" / "blurb" / "dev.tsv").unlink()
    prepare([NER.corpus], source, tmp_path / "alone")
    assert (tmp_path / "alone" / path).read_bytes() == (data_dir / path).read_bytes()


def test_two_sources_that_disagree_are_both_named(sources, tmp_path):
    source = tmp_path / "source" / "ncbi_disease"
    shutil.copytree(sources / "ncbi_disease", source)
    other = source / "mtl" / "devel.tsv"
    other.parent.mkdir()
    other.write_text("another\tO\n\n", encoding="utf-8")
    with pytest.raises(RequestError) as error:
        prepare([NER.corpus], tmp_path / "source", tmp_path / "out")
    assert "blurb/dev.tsv" in str(error.value) and "mtl/devel.tsv" in str(error.value)
    assert "disagree at example 1" in str(error.value)
    assert not contents(tmp_path / "out")


def test_files_that_are_not_recognised_are_skipped_and_listed(sources, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(sources / "gad", source / "gad")
    (source / "README.md").write_text("hello", encoding="utf-8")
    (source / "gad" / "biobert_fold1").mkdir()
    (source / "gad" / "biobert_fold1" / "train.tsv").write_text("a\t1\n", encoding="utf-8")
    report = prepare(ALL_CORPORA, source, tmp_path / "out")
    assert {path.name for path in report.skipped} == {"README.md", "train.tsv"}


def test_the_other_corpora_are_written_even_if_one_is_broken(sources, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(sources / "gad", source / "gad")
    shutil.copytree(sources / "ncbi_disease", source / "ncbi_disease")
    (source / "gad" / "blurb" / "dev.tsv").write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(RequestError, match="dev.tsv:1"):
        prepare(ALL_CORPORA, source, tmp_path / "out")
    assert {path.parts[0] for path in contents(tmp_path / "out")} == {"tokcls"}


def test_symbolic_links_to_folders_are_followed_only_once(sources, tmp_path):
    os.symlink(sources / "gad", tmp_path / "gad")
    os.symlink(tmp_path, tmp_path / "loop")
    assert len(list_files(tmp_path)) == 3


def test_the_keys_of_prepared_rows_are_in_the_order_of_the_release(data_dir):
    orders = {
        "ncbi-disease": ["tokens", "ner_tags", "id"], "gad": ["id", "sentence", "label"],
        "biosses": ["sentence1", "sentence2", "label", "id"], "hoc": ["sentence", "label", "id"],
        "pubmedqa": ["id", "sentence1", "sentence2", "label"], "bioasq": ["id", "sentence1", "sentence2", "label"],
        "medqa": ["id", "sent1", "sent2", "ending0", "ending1", "ending2", "ending3", "label"],
    }  # fmt: skip
    for name, keys in orders.items():
        line = (data_dir / TASKS[name].release / "test.json").read_text(encoding="utf-8").splitlines()[0]
        assert list(json.loads(line)) == keys, name
