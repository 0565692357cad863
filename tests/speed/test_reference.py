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
