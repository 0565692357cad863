"""The reference trainer, the `Trainer` of transformers, gets the same encoded input and is scored in the same way."""

import json

import numpy as np
import pytest
from linkbert.models.loading import load_model
from linkbert.speed import peer
from linkbert.speed.reference import _outputs, reference_score
from linkbert.tasks.data import encode_split, load_split
from linkbert.tasks.registry import TASKS
from linkbert.training.trainer import Trainer

NAMES = ("ncbi-disease", "gad", "hoc", "biosses", "medqa")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_model_gives_the_same_outputs_with_the_reference_trainer(data_dir, tiny, tokenizer, name):
    """This package packs batches, and the reference trainer pads them. Some sentences have several windows."""
    task = TASKS[name]
    encoded, _ = encode_split(task, load_split(task, "test", data_dir), tokenizer, 8 if name == "ncbi-disease" else 32)
    model = load_model(tiny, task.head, task.labels, fine_tuned=False)
    rows = peer.plain_rows(task.head, tokenizer, encoded)
    assert not task.head.per_word or len(rows) > len(encoded)
    logits = peer.predict(model, peer.arguments({}), peer.Collator(task.head, tokenizer), rows)
    theirs = _outputs(task.head, logits, encoded)
    ours = list(Trainer(task.head, tokenizer, "fp32").predict(model, encoded))
    assert len(ours) == len(theirs) == len(encoded)
    for one, other in zip(ours, theirs, strict=True):
        assert np.allclose(one, other.reshape(one.shape), atol=1e-5, equal_nan=True)


def test_the_reference_trainer_fine_tunes_and_scores_a_model(data_dir, make_model):
    model = str(make_model("bert", positions=512))
    found = reference_score("gad", model=model, seed=1, data_dir=data_dir, precision="fp32", epochs=2)
    assert found["epochs"] == 2 and found["seed"] == 1 and 0 <= found["score"] <= 100 and found["train_seconds"] > 0


def test_the_reference_command_prints_the_score(data_dir, make_model):
    import typer
    from linkbert.cli.reference import command
    from typer.testing import CliRunner

    app = typer.Typer()
    app.command()(command)
    arguments = ["gad", "--model", str(make_model("bert", positions=512)), "--seed", "1", "--epochs", "1"]
    done = CliRunner().invoke(app, [*arguments, "--data-dir", str(data_dir), "--precision", "fp32"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["task"] == "gad"


def encode_own(family, examples, tokenizer, max_length):
    """Encode examples of a family that only own data have."""
    import pyarrow as pa
    from datasets import Dataset
    from linkbert.tasks.custom.definition import Definition
    from linkbert.tasks.custom.kinds import KINDS
    from linkbert.tasks.encoding import encoded_schema
    from linkbert.tasks.task import Truncation

    task = Definition(name="my", family=family, title="my", metric=KINDS[family].metrics[0]).task()
    rows = list(task.encode(tokenizer, examples, max_length, Truncation()))
    return task, Dataset(pa.Table.from_pylist(rows, schema=encoded_schema(task)))


def test_the_reference_trainer_takes_questions_with_different_numbers_of_options(tiny, tokenizer):
    options = [["pain", "the fever"], ["drug", "pain", "women", "the renal gene"]]
    examples = [
        {"id": str(number), "question": "which ?", "options": item, "label": 1} for number, item in enumerate(options)
    ]
    task, encoded = encode_own("choice", examples, tokenizer, 32)
    model = load_model(tiny, task.head, (), fine_tuned=False)
    rows = peer.plain_rows(task.head, tokenizer, encoded)
    theirs = peer.predict(model, peer.arguments({}), peer.Collator(task.head, tokenizer), rows)
    for ours, row in zip(Trainer(task.head, tokenizer, "fp32").predict(model, encoded), theirs, strict=True):
        assert np.allclose(ours, row[: len(ours)], atol=1e-5)


def test_the_reference_trainer_learns_the_same_answer_spans(tiny, tokenizer):
    context = "the renal pain of women " * 8
    examples = [{"id": "1", "question": "which ?", "context": context, "label": ["renal pain"], "answer_starts": [4]}]
    task, encoded = encode_own("extractive-qa", examples, tokenizer, 24)
    rows = peer.plain_rows(task.head, tokenizer, encoded)
    assert len(rows) > 1 and rows["start_positions"][0] == 5 and rows["end_positions"][0] == 6
    assert set(rows["start_positions"][1:]) == {0}, "the other windows do not hold the answer"
    model = load_model(tiny, task.head, (), fine_tuned=False)
    settings = peer.arguments({}, num_train_epochs=1, per_device_train_batch_size=2)
    assert peer.train(model, settings, peer.Collator(task.head, tokenizer), rows) > 0
