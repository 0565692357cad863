"""Own data from the task file to the leaderboard: each family is trained, scored, applied, and opened by transformers."""

import json
import math
from pathlib import Path

import pytest

TRAIN = ("--max-length", 32, "--batch-size", 4, "--max-steps", 3, "--precision", "fp32", "-q", "--json")


@pytest.fixture
def finetune(cli, tiny, tmp_path):
    """Write data and a task file, train a few steps, and return the result."""

    def run(family, content, *, name="my", more="", arguments=()):
        (tmp_path / f"{name}.data").write_text(content, encoding="utf-8")
        (tmp_path / f"{name}.toml").write_text(
            f'name = "{name}"\nfamily = "{family}"\n[files]\ndata = "{name}.data"\n{more}', encoding="utf-8"
        )
        done = cli("finetune", f"{name}.toml", "--model", tiny, *TRAIN, *arguments)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return run


def predict(cli, result, task, *lines):
    done = cli("predict", task, "-", "--model", result["run_dir"], stdin="".join(f"{line}\n" for line in lines))
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_scored_again(cli, result, task):
    """Score the run folder and its predictions file again; both give the stored score."""
    again = cli("eval", task, "--model", result["run_dir"], "--json")
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["stored_score"] == json.loads(again.stdout)["score"] == result["score"]
    done = cli("eval", task, "--predictions", result["predictions_file"], "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["score"] == result["score"]


def conll(size):
    return "".join(
        f"the NN O\nrenal NN B-Disease\npain NN I-Disease\ndrug NN B-Drug\n{number} NN O\n\n" for number in range(size)
    )


def test_words_with_punctuation_in_them(cli, finetune, tmp_path):
    """Raw text is divided as the training data were, and words are found in the column that the task file names."""
    lines = "".join(f"1 IL-2 B-Gene\n2 binds O\n3 {number} O\n4 . O\n\n" for number in range(20))
    result = finetune("ner", lines, more="[columns]\ntokens = 1\n")
    assert result["definition"]["division"] == {"inside": "-"} and result["definition"]["word_column"] == 1
    assert "tags their parts one by one" in Path(result["run_dir"], "README.md").read_text(encoding="utf-8")
    (tmp_path / "new.conll").write_text("1 IL-2 O\n2 (x) O\n", encoding="utf-8")
    for arguments, text in ((("-",), "IL-2 binds."), (("new.conll",), "")):
        done = cli("predict", "my", *arguments, "--model", result["run_dir"], "--format", "conll", stdin=text)
        assert done.exit_code == 0, done.stderr
        words = [line.split("\t")[0] for line in done.stdout.splitlines() if line]
        assert words == (["IL-2", "binds", "."] if text else ["IL-2", "(x)"])
    classes = finetune(
        "classification", "text,label\n" + "".join(f"{n},{'xy'[n % 2]}\n" for n in range(20)), name="classes"
    )
    done = cli("predict", "classes", "-", "--model", classes["run_dir"], "--format", "conll", stdin="a")
    assert done.exit_code == 2 and "does not predict" in done.stderr


def test_predictions_may_leave_the_document_out_of_their_ids(cli, finetune, tmp_path):
    """The ids of a user's own file are those that `predict` prints."""
    rows = "".join(f"d{n // 2},e{n},{'yes' if n % 2 else 'no'},note {n}\n" for n in range(40))
    result = finetune("classification", "pmid,id,label,text\n" + rows)
    lines = [json.loads(line) for line in open(result["predictions_file"], encoding="utf-8")]
    assert all("#" in line["id"] for line in lines)
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(line | {"id": line["id"].split("#")[1]}) + "\n" for line in lines))
    done = cli("eval", "my.toml", "--predictions", path, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["score"] == result["score"]
    path.write_text(json.dumps(lines[0] | {"id": "other"}) + "\n")
    assert f"whose first one is {lines[0]['id']!r}" in cli("eval", "my.toml", "--predictions", path).stderr


def test_ner_in_conll(cli, finetune, tiny, tmp_path):
    from transformers import pipeline

    result = finetune("ner", conll(20))
    labels = ("O", "B-Disease", "I-Disease", "B-Drug", "I-Drug")
    assert result["metric"] == "entity_f1" and result["n_examples"] == 2
    (item,) = predict(cli, result, "my.toml", "the renal pain drug")
    assert item["text"] == "the renal pain drug" and {entity["label"] for entity in item["entities"]} <= {
        "Disease",
        "Drug",
    }
    assert_scored_again(cli, result, "my.toml")
    # A CoNLL file is read as words, not as lines of text.
    (tmp_path / "new.conll").write_text("the NN O\nrenal NN O\n\ndrug NN O\n", encoding="utf-8")
    found = cli("predict", "my.toml", "new.conll", "--model", result["run_dir"]).stdout.splitlines()
    assert [json.loads(line)["text"] for line in found] == ["the renal", "drug"]
    classify = pipeline("token-classification", result["run_dir"])
    assert tuple(classify.model.config.id2label.values()) == labels
    assert {entity["entity"] for entity in classify("the renal pain")} <= set(labels)

    # The same command again prints the stored result, and a changed task file is not mistaken for the old one.
    assert finetune("ner", conll(20))["started"] == result["started"]
    done = cli("finetune", "my.toml", "--model", tiny, *TRAIN)
    assert json.loads(done.stdout)["started"] == result["started"]
    with open("my.data", "a") as handle:
        handle.write("women NN B-Species\n")
    done = cli("finetune", "my.toml", "--model", tiny, *TRAIN)
    assert done.exit_code == 2
    assert (
        "a different run is there: labels of the task is ['Disease', 'Drug'] there, ['Disease', 'Drug', 'Species']"
        in done.stderr
    )
    done = cli("eval", "my.toml", "--model", result["run_dir"])
    assert (
        done.exit_code == 2 and "its model was trained for another my: labels ['Disease', 'Drug'], now" in done.stderr
    )
    # What was trained can be applied to new text all the same, also where the task file has gone.
    assert predict(cli, result, "my.toml", "the renal pain drug")[0] == item
    assert predict(cli, result, "my", "the renal pain drug")[0] == item
    done = cli("predict", "nosuch.toml", "-", "--model", result["run_dir"], stdin="x\n")
    assert done.exit_code == 2 and "nosuch.toml: no such task file" in done.stderr


def test_classification_in_a_table(cli, finetune, tmp_path):
    from transformers import pipeline

    rows = "".join(
        f"{number // 2};the {'pain' if number % 2 else 'fever'} of women {number};{'yes' if number % 2 else 'no'}\n"
        for number in range(40)
    )
    columns = '[columns]\ntext = "note"\nlabel = "outcome"\n'
    result = finetune("classification", "pmid;note;outcome\n" + rows, more=columns)
    assert result["metric"] == "accuracy" and result["n_examples"] == 4
    (item,) = predict(cli, result, "my.toml", "the pain")
    assert item["label"] in ("no", "yes") and sum(item["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert_scored_again(cli, result, "my.toml")
    classify = pipeline("text-classification", result["run_dir"], top_k=None)
    scores = {entry["label"]: entry["score"] for entry in classify(["the pain"])[0]}
    assert scores == pytest.approx(item["probabilities"], abs=1e-4)
    refused = cli("predict", "my.toml", tmp_path / "new.csv", "--model", result["run_dir"])
    assert refused.exit_code == 2 and "new.csv: a table, whose lines are no texts" in refused.stderr
    output = ("--output", tmp_path / "labels.csv")
    refused = cli("predict", "my.toml", "-", "--model", result["run_dir"], *output, stdin="the pain\n")
    assert refused.exit_code == 2 and "no format is known by '.csv'" in refused.stderr
    refused = cli("leaderboard", "my")
    assert refused.exit_code == 2 and "unknown task 'my'; did you mean the task file my.toml?" in refused.stderr
    # A run remembers its task file, so that its mistakes can be shown with their texts.
    shown = cli("show", result["run_dir"])
    assert "cannot be shown" not in shown.stdout + shown.stderr and "the fever of women" in shown.stdout
    # Every command takes a task file as it takes a name.
    for command in (["leaderboard", "my.toml"], ["benchmark", "my.toml", "--model", "minilm", "--dry-run"], ["tasks", "my.toml"],
                    ["show", result["run_dir"]], ["results", "check"], ["push", result["run_dir"], "--repo", "me/my", "--dry-run"]):  # fmt: skip
        done = cli(*command)
        assert done.exit_code == 0 and "my" in done.stdout, (command, done.stderr)
    for form in ("html", "latex", "csv"):
        assert cli("leaderboard", "my.toml", "--format", form, "--output", f"board.{form}").exit_code == 0


def squad(size):
    questions = [
        {"id": f"q{number}", "question": "which drug?", "is_impossible": number % 4 == 0,
         "answers": [] if number % 4 == 0 else [{"text": "renal pain", "answer_start": 4}]}
        for number in range(size)
    ]  # fmt: skip
    return json.dumps({"version": "v2.0", "data": [
        {"title": f"t{number}", "paragraphs": [{"context": f"the renal pain of women {number}" + " fever" * (number % 2 * 40), "qas": [question]}]}
        for number, question in enumerate(questions)
    ]})  # fmt: skip


def test_questions_of_squad(cli, finetune, tmp_path):
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    result = finetune("extractive-qa", squad(40))
    assert (
        result["metric"] == "squad_f1"
        and "exact_match" in result["metrics"]
        and "squad_f1/unanswerable" in result["metrics"]
    )
    assert result["truncation"]["train"]["windowed"] > 0 and result["truncation"]["train"]["gold_labels_lost"] == 0
    assert_scored_again(cli, result, "my.toml")
    (tmp_path / "new.json").write_text(squad(3), encoding="utf-8")
    found = cli("predict", "my.toml", "new.json", "--model", result["run_dir"]).stdout.splitlines()
    assert [json.loads(line)["id"] for line in found] == ["q0", "q1", "q2"]
    # Version 5 of transformers has dropped the pipeline for this task; the model class and the tokenizer are there.
    model = AutoModelForQuestionAnswering.from_pretrained(result["run_dir"])
    tokenizer = AutoTokenizer.from_pretrained(result["run_dir"])
    question = {"question": "which drug?", "context": "the women had a renal pain"}
    (item,) = predict(cli, result, "my.toml", json.dumps(question))
    encoded = tokenizer(question["question"], question["context"], return_tensors="pt", return_offsets_mapping=True)
    spans = encoded.pop("offset_mapping")[0].tolist()
    inside = [0, *(place for place, owner in enumerate(encoded.sequence_ids(0)) if owner == 1)]
    with torch.inference_mode():
        output = model(**encoded)
    starts, ends = (logits[0, inside].log_softmax(0) for logits in (output.start_logits, output.end_logits))
    best, first, last = max(
        (float(starts[a] + ends[b]), a, b) for a in range(1, len(inside)) for b in range(a, len(inside))
    )
    nothing = float(starts[0] + ends[0])
    expected = "" if nothing > best else question["context"][spans[inside[first]][0] : spans[inside[last]][1]]
    assert (item["answer"], item["score"]) == (expected, pytest.approx(math.exp(max(best, nothing)), abs=1e-4))
    long = {"question": "which drug?", "context": "the women had fever " * 60}
    (item,) = predict(cli, result, "my.toml", json.dumps(long))
    assert item["answer"] == ("" if item["start"] is None else long["context"][item["start"] : item["end"]])
    assert len(item["answer"].split()) <= 30


def test_multiple_choice_with_different_numbers_of_options(cli, finetune):
    from transformers import AutoModelForMultipleChoice

    lines = [
        {
            "question": f"which {number}",
            "options": ["pain", "fever", "drug", "women", "gene"][: 2 + number % 4],
            "answer": "AB"[number % 2],
        }
        for number in range(40)
    ]
    result = finetune("choice", "\n".join(map(json.dumps, lines)))
    assert result["metric"] == "accuracy" and result["n_examples"] == 4
    many = [json.dumps({"question": "which", "options": [f"{number}" for number in range(count)]}) for count in (2, 26)]
    few, most = predict(cli, result, "my.toml", *many)
    assert len(few["probabilities"]) == 2 and len(most["probabilities"]) == 26
    assert sum(most["probabilities"]) == pytest.approx(1, abs=1e-4) and most["label"] in range(26)
    assert_scored_again(cli, result, "my.toml")
    assert AutoModelForMultipleChoice.from_pretrained(result["run_dir"]).config.model_type == "bert"
    done = cli("predict", "my.toml", "-", "--model", result["run_dir"], stdin='{"question": "q", "options": ["a"]}\n')
    assert done.exit_code == 2 and "'options' should be a list of 2 to 26 texts" in done.stderr


BAD = [
    ("classification", "text,label\nx,yes\n" + '"y,no\n', "", ":3: the record that begins here is broken"),
    ("classification", "text,label\n", "", ": no example in it; get the file again"),
    ("classification", "", "", ": the file is empty"),
    ("classification", "text,label\nx,yes\nz\n", "", ":3: expected 2 columns, found 1"),
    ("classification", "text,label\nx,yes\ny,yes\nz,yes\n", "", ": one class only (yes) in 3 examples"),
    ("classification", "text,label\nx,yes\ny,no\n", "", ": 2 documents or different texts cannot be divided among 3 splits"),
    ("classification", "text,label\nx,yes\ny,no\n", '[columns]\ntext = "txt"\n', ":1: no column 'txt' for text; did you mean text?"),
    ("ner", "a NN\n", "", ":1: the tag 'NN' is neither O nor a prefix"),
    ("ner", "a B-X\nb\n", "", ":2: expected 2 columns"),
    ("extractive-qa", squad(9).replace('"answer_start": 4', '"answer_start": 400', 1), "", ": article 2, paragraph 1, question q1: the answer 'renal pain' does not stand at 400"),
    ("choice", '{"question": "q", "options": ["a"], "answer": "A"}', "", ":1: the column 'options' (options) has 1 options, expected 2 to 26"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "content", "more", "message"), BAD, ids=[message for *_, message in BAD])
def test_bad_input_is_one_clear_error(cli, tmp_path, family, content, more, message):
    (tmp_path / "d.txt").write_text(content, encoding="utf-8")
    (tmp_path / "my.toml").write_text(
        f'name = "my"\nfamily = "{family}"\n[files]\ndata = "d.txt"\n{more}', encoding="utf-8"
    )
    for command in (
        ["finetune", "my.toml", "--model", "minilm"],
        ["data", "check", "my.toml"],
        ["leaderboard", "my.toml"],
        ["tasks", "my.toml"],
    ):
        done = cli(*command)
        assert done.exit_code == 2, command
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and f"d.txt{message}" in errors[0], done.stderr
        assert done.stdout == ""


def test_init_writes_a_task_file_that_is_used_as_it_is(cli, tmp_path):
    rows = "".join(
        f"the {'pain' if number % 2 else 'fever'} of women took drug {number},{'yes' if number % 2 else 'no'}\n"
        for number in range(40)
    )
    (tmp_path / "notes.csv").write_text("text,label\n" + rows)
    done = cli("init", "notes.csv")
    assert done.exit_code == 0 and "family: classification (one class for each text)" in done.stdout
    assert "notes: labels no, yes (inferred)" in done.stdout
    again = cli("init", "notes.csv")
    assert again.exit_code == 2 and "notes.toml: it is there already; use --overwrite" in again.stderr
    assert cli("data", "check", "notes.toml").exit_code == 0
    # Data without a task file are looked at as `init` understands them, and no task file is left.
    (tmp_path / "plain.csv").write_text((tmp_path / "notes.csv").read_text())
    done = cli("data", "check", "plain.csv")
    assert done.exit_code == 0 and "looked at as" in done.stderr and not (tmp_path / "plain.toml").exists()
    refused = cli("init", "notes.csv", "--family", "ner", "--output", "other.toml")
    assert refused.exit_code == 2 and not (tmp_path / "other.toml").exists()
    refused = cli("init", "notes.csv", "--name", "gad", "--output", "other.toml")
    assert refused.exit_code == 2 and "--name 'gad'" in refused.stderr and not (tmp_path / "other.toml").exists()
