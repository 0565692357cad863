"""Features of texts equal those of the code on model cards: a tokenizer, a model, and its last hidden states."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from linkbert import RequestError, embed
from linkbert.experiments.embedding import Embedder, write_embeddings
from transformers import AutoModel, AutoTokenizer

TEXTS = ["the renal pain fell", "women", "the drug for pain in women took the drug .", ""]


def states(folder, text):
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "deberta-v2", "modernbert"])
def test_features_are_the_last_hidden_states(make_model, kind):
    folder = make_model(kind)
    expected = [states(folder, text) for text in TEXTS]
    tokens = embed(TEXTS, model=str(folder), pooling="none")
    for found, wanted in zip(tokens, expected, strict=True):
        assert found.shape == wanted.shape and abs(found - wanted).max() < 1e-5
    first, mean = embed(TEXTS, model=str(folder)), embed(TEXTS, model=str(folder), pooling="mean")
    assert first.shape == (4, 16) and first.dtype == np.float32
    assert abs(first - np.stack([wanted[0] for wanted in expected])).max() < 1e-5
    assert abs(mean - np.stack([wanted.mean(0) for wanted in expected])).max() < 1e-5
    assert abs(embed(TEXTS[0], model=str(folder)) - first[0]).max() < 1e-6


def test_files_hold_the_same_numbers_as_arrays(cli, tiny, tmp_path):
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    arrays = {pooling: embed(TEXTS, model=str(tiny), pooling=pooling) for pooling in ("cls", "mean", "none")}
    done = cli("embed", "texts.txt", "--model", tiny, "--output", "x.npy", "--pooling", "mean")
    assert done.exit_code == 0 and "4 texts, 16 numbers each" in done.stdout
    assert np.allclose(np.load("x.npy"), arrays["mean"], atol=1e-6)
    assert cli("embed", "texts.txt", "--model", tiny, "--output", "x.parquet").exit_code == 0
    table = pq.read_table("x.parquet").to_pylist()
    assert [row["text"] for row in table] == TEXTS
    assert np.allclose([row["embedding"] for row in table], arrays["cls"], atol=1e-6)
    assert cli("embed", "texts.txt", "--model", tiny, "--output", "y.parquet", "--pooling", "none").exit_code == 0
    for row, wanted in zip(pq.read_table("y.parquet").to_pylist(), arrays["none"], strict=True):
        assert len(row["tokens"]) == len(wanted) and np.allclose(row["embedding"], wanted, atol=1e-6)


def test_an_earlier_file_is_not_lost(cli, tiny, tmp_path):
    (tmp_path / "x.npy").write_text("precious")
    (tmp_path / "texts.txt").write_text("pain\n")
    (tmp_path / "none.txt").write_text("")
    command = ("--model", tiny, "--output", "x.npy")
    refused = cli("embed", "texts.txt", *command)
    assert refused.exit_code == 2 and "is there already" in refused.stderr
    assert cli("embed", "none.txt", *command, "--overwrite").exit_code == 2
    assert (tmp_path / "x.npy").read_text() == "precious"
    assert cli("embed", "texts.txt", *command, "--overwrite").exit_code == 0
    assert "its lines are no texts" in cli("embed", "x.csv", "--model", tiny, "--output", "y.npy").stderr


def test_a_text_beyond_the_limit_loses_its_end_and_is_counted(tiny, tmp_path):
    embedder = Embedder(str(tiny), "cls", max_length=6)
    assert write_embeddings(embedder, ["the pain " * 9, "the pain"], tmp_path / "x.npy") == 2
    assert embedder.cut == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("--output", "x.txt"), "a\n", "should end in .npy or .parquet"),
        (("--output", "x.npy", "--pooling", "none"), "a\n", "write them into a .parquet file"),
        (("--output", "x.npy", "--pooling", "max"), "a\n", "did you mean mean?"),
        (("--output", "x.npy", "--max-length", "900"), "a\n", "should be from 2 to the model's 64"),
        (("--output", "x.npy"), "", "the input is empty"),
    ],
)
def test_wrong_requests_are_refused_and_leave_no_file(cli, tiny, tmp_path, arguments, stdin, message):
    done = cli("embed", "-", "--model", tiny, *arguments, stdin=stdin)
    assert done.exit_code == 2 and message in done.stderr and not list(tmp_path.glob("x.*"))


def test_a_model_without_its_weights_is_refused(tmp_path):
    with pytest.raises(RequestError, match="no such folder"):
        embed("a", model=str(tmp_path / "nothing"))
