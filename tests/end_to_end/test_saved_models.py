"""A saved run folder can be opened with `transformers` alone, and `predict` applies its model to text."""

import json

import pytest
from linkbert import predict
from linkbert.tasks.registry import TASKS


def run_dir(trained, task):
    return trained / "runs" / task / "tiny" / "seed-1"


@pytest.mark.parametrize("task", ["ncbi-disease", "ebm-pico"])
def test_a_run_folder_opens_in_the_token_classification_pipeline(trained, task):
    from transformers import pipeline

    answer = pipeline("token-classification", str(run_dir(trained, task)))("the renal pain fell")
    assert {item["entity"] for item in answer} <= set(TASKS[task].labels)
    model = pipeline("token-classification", str(run_dir(trained, task))).model
    assert tuple(model.config.id2label.values()) == TASKS[task].labels


def test_a_run_folder_opens_in_the_text_classification_pipeline_for_pairs(trained):
    from transformers import pipeline

    classify = pipeline("text-classification", str(run_dir(trained, "pubmedqa")), top_k=None)
    answer = classify({"text": "is it?", "text_pair": "the drug"})
    assert {item["label"] for item in answer} == {"yes", "no", "maybe"}
    assert sum(item["score"] for item in answer) == pytest.approx(1, abs=1e-5)


def test_the_regression_pipeline_returns_the_score_without_a_sigmoid(trained):
    from transformers import pipeline

    run = run_dir(trained, "biosses")
    answer = pipeline("text-classification", str(run))({"text": "the drug 0", "text_pair": "the pain 0"})
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config["problem_type"] == "regression" and answer["label"] == "score"
    line = json.dumps({"sentence1": "the drug 0", "sentence2": "the pain 0"})
    assert answer["score"] == pytest.approx(next(predict("biosses", model=run, lines=[line]))["label"], abs=1e-5)


def test_a_run_folder_opens_as_multi_label_pipeline_and_as_multiple_choice_model(trained):
    from transformers import AutoModelForMultipleChoice, pipeline

    answer = pipeline("text-classification", str(run_dir(trained, "hoc")), top_k=None)(["the drug"])[0]
    assert {item["label"] for item in answer} == set(TASKS["hoc"].labels)
    model = AutoModelForMultipleChoice.from_pretrained(run_dir(trained, "medqa"))
    assert model.config.model_type == "bert"


def predict_lines(cli, trained, task, stdin, *arguments):
    done = cli("predict", task, "-", "--model", run_dir(trained, task), *arguments, stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_entity_offsets_are_counted_in_code_points(cli, trained):
    text = "\U0001f600 the (renal-pain) f\u00e9ver"
    (item,) = predict_lines(cli, trained, "ncbi-disease", text + "\n")
    assert set(item) == {"id", "text", "entities"} and item["text"] == text
    for entity in item["entities"]:
        assert set(entity) == {"start", "end", "label", "score", "text"}
        assert text[entity["start"] : entity["end"]] == entity["text"] and 0 <= entity["score"] <= 1


def test_words_are_split_as_by_the_basic_tokenizer_of_bert():
    from linkbert.tasks.word_division import split_words

    text = "IL-2 (a\u00a0b), c."
    assert [text[start:end] for start, end in split_words(text)] == ["IL", "-", "2", "(", "a", "b", ")", ",", "c", "."]


def test_tagged_words_are_joined_into_entities():
    from linkbert.tasks.words import find_entities

    text, spans = "a b c d", [(0, 1), (2, 3), (4, 5), (6, 7)]
    scores = [1.0, 0.5, 1.0, 1.0]
    found = list(find_entities(text, spans, ["B-D", "I-D", "B-D", "O"], scores, join=False))
    assert [(item["text"], item["score"]) for item in found] == [("a b", 0.75), ("c", 1.0)]
    found = list(find_entities(text, spans, ["O", "I-D", "O", "I-D"], scores, join=False))
    assert [item["text"] for item in found] == ["b", "d"]
    found = list(find_entities(text, spans, ["B-PAR", "B-PAR", "B-INT", "O"], scores, join=True))
    assert [(item["text"], item["label"]) for item in found] == [("a b", "PAR"), ("c", "INT")]


def test_predict_accepts_json_lines_in_the_prepared_format(cli, trained, data_dir):
    for task in ("ncbi-disease", "gad", "biosses", "hoc", "pubmedqa", "medqa"):
        lines = (data_dir / TASKS[task].release / "test.json").read_text(encoding="utf-8")
        items = predict_lines(cli, trained, task, lines)
        assert [item["id"] for item in items] == [json.loads(line)["id"] for line in lines.splitlines()]
        if task != "ncbi-disease":
            assert set(items[0]) == {"id", "label", "probabilities"}


def test_predict_gives_the_predictions_of_the_stored_result(cli, trained, data_dir):
    lines = (data_dir / TASKS["gad"].release / "test.json").read_text(encoding="utf-8")
    (stored,) = (trained / "results" / "gad" / "tiny").glob("*.predictions.jsonl")
    expected = [json.loads(line)["prediction"] for line in stored.read_text(encoding="utf-8").splitlines()]
    assert [item["label"] for item in predict_lines(cli, trained, "gad", lines)] == expected


def test_predict_reads_raw_text_from_a_file_and_skips_blank_lines(cli, trained, tmp_path):
    (tmp_path / "in.txt").write_text("the @GENE$\n\nthe @DISEASE$\n", encoding="utf-8")
    done = cli("predict", "gad", tmp_path / "in.txt", "--model", run_dir(trained, "gad"))
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["1", "3"]


def test_a_run_folder_holds_the_model_its_record_training_log_and_dev_predictions(trained):
    names = {path.name for path in run_dir(trained, "gad").iterdir()}
    assert {"run.json", "training-log.jsonl", "dev.predictions.jsonl", "model.safetensors", "config.json"} <= names
    log = [json.loads(line) for line in (run_dir(trained, "gad") / "training-log.jsonl").read_text().splitlines()]
    assert log[0]["step"] == 2 and log[0]["loss"] > 0 and log[-1]["epochs_done"] == 1
