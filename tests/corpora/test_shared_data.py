"""Checks of the real benchmark files, which are skipped on a machine that does not have them."""

import pytest
from linkbert.corpora.prepare import prepare
from linkbert.corpora.prepared import prepared_path, read_examples
from linkbert.corpora.verify import verify
from linkbert.files import sha256_of
from linkbert.metrics.baselines import baseline
from linkbert.tasks.corpus_facts import canonical_facts, document_numbers
from linkbert.tasks.data import checksums, expected
from linkbert.tasks.registry import TASKS
from linkbert.tasks.task import Truncation

MISSING = {
    "bc5-disease": {"train", "dev", "test"}, "bc2gm": {"train", "dev", "test"}, "ebm-pico": {"train"},
    "medqa": {"train", "dev"}, "mmlu-professional-medicine": {"val"},
}  # fmt: skip


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    return prepare([task.corpus for task in TASKS.values()], shared_data, folder), folder


def test_every_available_split_has_its_official_count(real):
    _, folder = real
    for name, task in TASKS.items():
        for split, report in verify(expected(task), folder).items():
            status = "missing" if split in MISSING.get(name, ()) else "ok"
            assert report.status == status, (name, split, report)
            assert "counts only" not in report.note


def test_the_texts_that_splits_share_are_the_known_ones(real):
    _, folder = real
    notes = {name: verify(expected(TASKS[name]), folder) for name in ("gad", "jnlpba")}
    assert "5 texts (8 examples) are also in train" in notes["gad"]["test"].note
    assert "39 texts (39 examples) are also in train" in notes["gad"]["dev"].note
    assert "(101 examples) are also in train" in notes["jnlpba"]["test"].note


def test_splits_that_are_available_in_two_formats_agree(real):
    written = real[0].written
    twice = {
        (name, split) for name, splits in written.items() for split, (_, files) in splits.items() if len(files) > 1
    }
    assert twice == {
        *((name, split) for name in ("ncbi-disease", "jnlpba") for split in ("dev", "test")),
        *((name, split) for name in ("ddi", "hoc") for split in ("train", "dev", "test")),
        ("bioasq", "test"),
    }


def test_the_numbers_that_are_known_of_the_test_files_are_those_of_the_corpora(real, shared_data):
    known = 0
    for name, task in TASKS.items():
        facts = canonical_facts(name)
        path = prepared_path(real[1], task.release, "test")
        assert (facts is None) is not path.exists(), name
        if facts is None:
            continue
        known += 1
        examples = list(read_examples(path, task.parse_labelled))
        assert facts.sha256 == sha256_of(path)
        assert facts.baseline == baseline(task.metric, [e["label"] for e in examples], task.labels, task.negative)
        train = prepared_path(real[1], task.release, "train")
        if facts.shared_with_train is not None:
            texts = {task.family.text(example) for example in read_examples(train, task.parse_labelled)} - {None}
            assert facts.shared_with_train == sum(task.family.text(example) in texts for example in examples)
        numbers = document_numbers(task, [example["id"] for example in examples], facts.sha256)
        assert len(numbers) == len(examples) and numbers[0] == 0
        documents = {"jnlpba": 404, "ebm-pico": 191, "ddi": 191, "chemprot": 800, "hoc": 371}
        assert name not in documents or int(numbers.max()) + 1 <= documents[name]
        for blurb_name, folder in (("jnlpba", "jnlpba"), ("ebm-pico", "ebm_pico")):
            if name == blurb_name:
                lines = (shared_data / folder / "blurb" / "test.tsv").read_text(encoding="utf-8").split("\n")
                assert sum(line.startswith("-DOCSTART-") for line in lines) == int(numbers.max()) + 1
    assert known == 13


def test_the_pubmedqa_split_is_that_of_the_authors(shared_data, real):
    import json

    for split in ("train", "dev", "test"):
        pmids = (shared_data / "pubmedqa" / "derived_split" / f"{split}_pmids.txt").read_text().split()
        path = real[1] / TASKS["pubmedqa"].release / f"{split}.json"
        assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == pmids


def test_a_checksum_is_known_for_every_available_split(real):
    known = {(name, split) for name, splits in checksums().items() for split in splits}
    assert known == {(name, split) for name, splits in real[0].written.items() for split in splits}


@pytest.mark.parametrize(
    ("task", "split", "length", "cut", "masks"),
    [
        ("bioasq", "test", 512, 37, 0), ("hoc", "test", 512, 30, 0), ("pubmedqa", "test", 512, 19, 0),
        ("medqa", "test", 512, 5, 0), ("chemprot", "dev", 256, 16, 4),
    ],
)  # fmt: skip
def test_truncation_counts_with_the_uncased_vocabulary_are_the_known_ones(real, task, split, length, cut, masks):
    from linkbert.models.sources import find_model
    from linkbert.models.tokenizer_loading import load_tokenizer

    task = TASKS[task]
    tokenizer, truncation = load_tokenizer(find_model("minilm").path, words=False), Truncation()
    examples = read_examples(real[1] / task.release / f"{split}.json", task.parse)
    for _ in task.encode(tokenizer, examples, length, truncation):
        pass
    assert (truncation.examples_cut, truncation.masks_lost) == (cut, masks)
