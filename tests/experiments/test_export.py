"""An exported model gives the outputs of the original, for texts of any length and number."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from linkbert.errors import RequestError, RunError
from linkbert.experiments import export as module
from linkbert.experiments.export import export

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "onnx"
    return export(trained / "runs" / "pubmedqa" / "tiny" / "seed-1", output=folder)


def test_outputs_equal_those_of_torch(exported, trained):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    assert exported.difference < 1e-5 and exported.speedup > 0
    session = onnxruntime.InferenceSession(f"{exported.folder}/model.onnx")
    tokenizer = AutoTokenizer.from_pretrained(exported.folder)
    model = AutoModelForSequenceClassification.from_pretrained(trained / "runs/pubmedqa/tiny/seed-1").eval()
    for texts in (["the pain"], ["the drug for women", "pain", "is it the drug ?"]):
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        (found,) = session.run(None, {name: tensor.numpy() for name, tensor in batch.items()})
        with torch.inference_mode():
            assert np.allclose(found, model(**batch).logits.numpy(), atol=1e-5)
    labels = json.loads((module.Path(exported.folder) / "config.json").read_text())["id2label"]
    assert list(labels.values()) == ["yes", "no", "maybe"]


def test_only_an_earlier_export_is_replaced(exported, trained, tmp_path):
    run = trained / "runs" / "pubmedqa" / "tiny" / "seed-1"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    for folder in (tmp_path / "thesis", run):
        with pytest.raises(RequestError, match="is no earlier export"):
            export(run, output=folder)
    again = tmp_path / "onnx"
    shutil.copytree(exported.folder, again)
    (again / "notes.txt").write_text("precious")
    with pytest.raises(RequestError, match=r"holds notes\.txt, which an export does not write"):
        export(run, output=again)
    assert (again / "notes.txt").exists() and (tmp_path / "thesis" / "chapter1.tex").exists()
    (again / "notes.txt").unlink()
    assert export(run, output=again).folder == str(again)


def test_a_model_that_gives_other_outputs_is_not_kept(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_difference", lambda *arguments: 1.0)
    with pytest.raises(RunError, match="differs from the original by 1"):
        export(trained / "runs" / "gad" / "tiny" / "seed-1", output=tmp_path / "onnx")
    assert list(tmp_path.iterdir()) == []


def test_wrong_requests_are_refused(cli, trained, tmp_path, monkeypatch):
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    assert "expected one of: onnx" in cli("export", run, "--format", "tflite").stderr
    assert "no such run folder" in cli("export", tmp_path / "nothing").stderr
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(RequestError, match=r"needs onnxruntime, .* pip install 'linkbert\[onnx\]'"):
        export(run, output=tmp_path / "x")
