"""A cached encoding is reused only if everything that it depends on is the same."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from linkbert.models.tokenizer_loading import load_tokenizer
from linkbert.tasks.data import encode_split, load_split, tokenizer_fingerprint
from linkbert.tasks.registry import TASKS

NER = TASKS["ncbi-disease"]


def test_two_models_never_share_encoded_input(data_dir, make_model):
    """The cache key of biobert-pytorch lacked the model: a second model was trained on the token ids of the first."""
    split = load_split(NER, "test", data_dir)
    tokenizers = [load_tokenizer(make_model(kind), words=True) for kind in ("bert", "roberta")]
    first, second = (encode_split(NER, split, tokenizer, 32)[0]["input_ids"][:] for tokenizer in tokenizers)
    assert first != second
    again = encode_split(NER, split, tokenizers[0], 32)[0]["input_ids"][:]
    assert again == first


def test_the_truncation_setting_of_a_tokenizer_does_not_change_its_fingerprint(tokenizer):
    before = tokenizer_fingerprint(tokenizer)
    tokenizer(["the"], truncation=True, max_length=8)
    assert tokenizer_fingerprint(tokenizer) == before


def test_maximum_length_and_data_are_part_of_the_cache_key(data_dir, tokenizer, tmp_path):
    split = load_split(NER, "test", data_dir)
    long, short = (encode_split(NER, split, tokenizer, length)[0] for length in (32, 6))
    assert max(map(len, short["input_ids"][0])) <= 6 < max(map(len, long["input_ids"][0]))
    path = tmp_path / NER.release / "test.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"tokens": ["pain"], "ner_tags": ["B"], "id": "0"}\n', encoding="utf-8")
    other = load_split(NER, "test", tmp_path)
    assert len(encode_split(NER, other, tokenizer, 32)[0]) == 1 and not other.official


def test_truncation_counts_are_cached_with_the_encoding(data_dir, tokenizer):
    split = load_split(NER, "test", data_dir)
    first, second = (encode_split(NER, split, tokenizer, 6)[1] for _ in range(2))
    assert first == second and first.windowed == len(split.examples)


def test_a_damaged_cache_file_is_replaced_by_a_new_encoding(data_dir, tokenizer):
    split = load_split(NER, "test", data_dir)
    (path,) = {item["filename"] for item in encode_split(NER, split, tokenizer, 20)[0].cache_files}
    original = Path(path).read_bytes()
    Path(path).write_bytes(original[: len(original) // 2])
    assert len(encode_split(NER, split, tokenizer, 20)[0]) == len(split.examples)
    assert Path(path).read_bytes() == original


@pytest.mark.parametrize("text", ["{}", "[]", '{"count": 3}', "not JSON"])
def test_damaged_notes_of_a_cache_file_are_written_again(text, data_dir, tokenizer):
    split = load_split(NER, "test", data_dir)
    encoded, truncation = encode_split(NER, split, tokenizer, 21)
    notes = Path(encoded.cache_files[0]["filename"]).with_suffix(".json")
    notes.write_text(text, encoding="utf-8")
    assert encode_split(NER, split, tokenizer, 21)[1] == truncation
    assert set(json.loads(notes.read_text(encoding="utf-8"))) == set(asdict(truncation))


def test_datasets_are_memory_mapped(data_dir):
    split = load_split(NER, "train", data_dir)
    assert split.examples.cache_files and split.count == 24
