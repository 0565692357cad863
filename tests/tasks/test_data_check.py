"""`data check`: each check finds its planted fault with the right file and line, and nothing else."""

import json

import pytest
from linkbert.tasks.custom.prepare import prepare_task_file
from linkbert.tasks.custom.task_file import read_task_file
from linkbert.tasks.data_check import check_data

GOOD = {
    split: [f"{split} note number {number} with words,{'yes' if number % 2 else 'no'}" for number in range(size)]
    for split, size in {"train": 40, "dev": 12, "test": 12}.items()
}  # fmt: skip


@pytest.fixture
def check(tmp_path):
    def run(family, files, *, top="", header="text,label", model=None, max_length=None, kind="csv"):
        names = {}
        for split, content in files.items():
            names[split] = f"{split}.{kind}"
            text = "\n".join([header, *content]) + "\n" if isinstance(content, list) else content
            (tmp_path / names[split]).write_text(text, encoding="utf-8")
        task_file = tmp_path / "my.toml"
        listed = "".join(f'{split} = "{name}"\n' for split, name in names.items())
        task_file.write_text(f'name = "my"\nfamily = "{family}"\n{top}\n[files]\n{listed}', encoding="utf-8")
        task = prepare_task_file(read_task_file(task_file)).task()
        report = check_data(task, tmp_path / "data", model, max_length)
        assert json.loads(json.dumps(report.to_json()))["task"] == "my"
        return report

    return run


def found(report):
    """Return (severity, check, name and line of the first place) of each finding."""
    return [
        (finding.severity, finding.check, finding.places[0].split(" (beside")[0].split("/")[-1] if finding.places else "")
        for finding in report.findings
    ]  # fmt: skip


def changed(split, line, text):
    """Return the good data with another line (1 is the header) in one split."""
    rows = list(GOOD[split])
    rows[line - 2] = text
    return GOOD | {split: rows}


def test_good_data_have_no_findings_and_are_counted(check):
    report = check("classification", GOOD)
    assert report.findings == [] and not report.is_wrong
    assert report.counts == {"train": {"examples": 40}, "dev": {"examples": 12}, "test": {"examples": 12}}
    assert report.labels["train"] == {"no": 20, "yes": 20}


FAULTS = [
    # (data, expected finding)
    (changed("train", 7, GOOD["train"][1]), ("look", "duplicates", "train.csv:7")),
    (changed("test", 4, GOOD["train"][2]), ("wrong", "text in two splits", "test.csv:4")),
    (changed("dev", 5, GOOD["train"][3]), ("wrong", "text in two splits", "dev.csv:5")),
    (changed("train", 9, GOOD["train"][2].replace(",no", ",yes")), ("look", "conflicting labels", "train.csv:9")),
    (changed("train", 11, "a class of its own with words,rare"), ("look", "labels seen once", "train.csv:11")),
    (changed("train", 13, "word " * 500 + ",no"), ("look", "extreme texts", "train.csv:13")),
    (GOOD | {"dev": [row.replace(",yes", ",no") for row in GOOD["dev"]]}, ("look", "labels not tested", "")),
    (GOOD | {"train": [row.replace(",yes", ",no") for row in GOOD["train"][:-1]] + GOOD["train"][-1:]}, ("look", "label balance", "")),
]  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), FAULTS, ids=[f"{name} {place}" for _, (_, name, place) in FAULTS])
def test_each_check_finds_its_fault(check, files, expected):
    report = check("classification", files)
    severity, name, _ = expected
    assert expected in found(report)
    assert report.is_wrong == (severity == "wrong")
    if severity == "wrong":
        assert report.findings[0].check == name, "the worst comes first"


def test_labels_that_differ_in_spelling_only_are_worth_a_look(check):
    lines = [row.replace(",no", ",No") if n % 4 == 0 else row for n, row in enumerate(GOOD["train"])]
    report = check("classification", GOOD | {"train": lines})
    assert [finding.message for finding in report.findings if finding.check == "spelling"] == [
        "labels that differ in spelling only: No, no"
    ]
    numbers = {
        split: [row.replace(",yes", ",1.0").replace(",no", ",1") for row in rows] for split, rows in GOOD.items()
    }
    assert "spelling" in [finding.check for finding in check("classification", numbers).findings]


def test_ids_that_begin_with_a_document_tell_it(check):
    rows = {
        split: [f"{10000 + n // 2}.{split}.{n},{row}" for n, row in enumerate(lines)] for split, lines in GOOD.items()
    }
    names = [finding.check for finding in check("classification", rows, header="id,text,label").findings]
    assert "document in two splits" in names
    single = {split: [f"{split}-{n},{row}" for n, row in enumerate(lines)] for split, lines in GOOD.items()}
    assert check("classification", single, header="id,text,label").findings == []


def test_a_document_in_two_splits_makes_the_score_wrong(check):
    rows = {split: [f"{split}-{n // 2},{row}" for n, row in enumerate(lines)] for split, lines in GOOD.items()}
    assert check("classification", rows, header="pmid,text,label").findings == []
    rows["test"][5] = rows["test"][5].replace("test-2,", "train-3,")
    report = check("classification", rows, header="pmid,text,label")
    assert found(report) == [("wrong", "document in two splits", "test.csv:7")] and report.is_wrong


def test_brat_folders_that_name_their_documents_alike_are_no_leaks(tmp_path):
    """A document is given as a whole there, so that its text tells whether it is the same one."""
    for split in GOOD:
        (tmp_path / split).mkdir()
        for number in range(4):
            text = f"Aspirin was given to the women of group {number} of {split}\n"
            (tmp_path / split / f"d{number}.txt").write_text(text)
            (tmp_path / split / f"d{number}.ann").write_text("T1\tDrug 0 7\tAspirin\n")
    listed = "".join(f'{split} = "{split}"\n' for split in GOOD)
    (tmp_path / "my.toml").write_text(f'name = "my"\nfamily = "ner"\n[files]\n{listed}')

    def findings():
        task = prepare_task_file(read_task_file(tmp_path / "my.toml")).task()
        return found(check_data(task, tmp_path / "data"))

    assert findings() == []
    (tmp_path / "dev" / "d2.txt").write_text((tmp_path / "train" / "d2.txt").read_text())
    assert ("wrong", "document in two splits", "d2.ann:1") in findings()


def test_documents_of_docstart_lines_are_no_leaks(check):
    """The documents of each file are counted from 1."""
    sentence = "-DOCSTART- O\n\nthis B-X\nis O\na O\nsentence O\nof O\n{0} O\n\n"
    files = {split: "".join(sentence.format(f"{split}{number}") for number in range(5)) for split in GOOD}
    assert check("ner", files, kind="conll").findings == []


def test_a_few_shared_sentences_of_a_large_split_are_only_worth_a_look(check):
    large = [f"test note number {number} with words,{'yes' if number % 2 else 'no'}" for number in range(250)]
    report = check("classification", GOOD | {"test": [*large[:-1], GOOD["train"][0]]})
    assert found(report) == [("look", "text in two splits", "test.csv:251")] and not report.is_wrong


def test_a_label_that_train_lacks_after_splitting_makes_the_score_wrong(check):
    """Labels are inferred from the whole file; a rare one may then be in test only."""
    rows = [f"note number {number} with words,{'yes' if number % 2 else 'no'}" for number in range(40)]
    wrong = set()
    for number in range(8):
        rare = [*rows[:number], f"note number {number} with words,rare", *rows[number + 1 :]]
        report = check("classification", {"data": rare})
        if report.is_wrong:
            wrong.update(found(report)[0][1:])
            assert found(report)[0] == ("wrong", "labels not in train", f"data.csv:{number + 2}")
    assert "labels not in train" in wrong


def test_spans_inside_words_are_reported_with_their_line(check):
    good = [
        {"text": f"{split} Aspirin cures pain in note {number}", "entities": []}
        for split in ("train",)
        for number in range(3)
    ]
    lines = {}
    for split in GOOD:
        rows = [dict(row, text=row["text"].replace("train", split)) for row in good]
        rows[0]["entities"] = [[len(split) + 1, len(split) + 8, "Drug"]]
        lines[split] = rows
    lines["dev"][1]["entities"] = [[len("dev") + 3, len("dev") + 8, "Drug"]]
    report = check("ner", {split: "\n".join(map(json.dumps, rows)) for split, rows in lines.items()}, kind="jsonl")
    (finding,) = [item for item in report.findings if item.check == "spans inside words"]
    assert "dev: 1 mention beginning or ending inside a word" in finding.message
    assert finding.places[0].endswith("dev.jsonl:2: Drug span 1 (6 to 11) begins inside a word")


# --- with a model --------------------------------------------------------------------------------------------------


def test_what_the_limit_cuts_is_reported_with_its_line(check, tiny):
    report = check("classification", changed("dev", 6, "pain " * 60 + ",no"), model=tiny, max_length=64)
    assert ("look", "examples cut", "dev.csv:6") not in found(report)
    report = check("classification", changed("dev", 6, "pain " * 60 + ",no"), model=tiny, max_length=40)
    assert ("look", "examples cut", "dev.csv:6") in found(report) and not report.is_wrong


def test_long_sentences_become_windows_and_lose_nothing(check, tiny):
    sentence = "pain B-X\n" + "the O\n" * 60 + "{0} O\n\n"
    files = {split: sentence.format(f"{split}") + "pain B-X\nof O\n\n" for split in GOOD}
    report = check("ner", files, kind="conll", model=tiny, max_length=32)
    assert ("look", "windowed", "train.conll:1") in found(report) and not report.is_wrong


def test_labelled_words_that_the_tokenizer_loses_make_the_score_wrong(check, tiny):
    # A word that consists of a control character has no word piece.
    text = "pain B-X\nof O\n\nfever O\n\u200b B-X\n\n"
    report = check("ner", {"train": text, "dev": text, "test": text}, kind="conll", model=tiny, max_length=32)
    assert ("wrong", "gold labels lost", "train.conll:4") in found(report) and report.is_wrong


def test_mentions_beyond_the_limit_make_the_score_wrong(check, tiny):
    def pair(split, number, padding=""):
        start = len(f"{split} {number} {padding}")
        return json.dumps({
            "text": f"{split} {number} {padding}aspirin pain", "first": [start, start + 7, "Drug"],
            "second": [start + 8, start + 12, "Pain"], "label": "ab"[number % 2],
        })  # fmt: skip

    files = {split: [pair(split, number) for number in range(12)] for split in GOOD}
    files["test"][2] = pair("test", 2, "fever " * 60)
    texts = {split: "\n".join(rows) for split, rows in files.items()}
    for marks in ("masks", "markers"):
        report = check("relation", texts, kind="jsonl", top=f'marks = "{marks}"', model=tiny, max_length=48)
        assert ("wrong", "masks lost", "test.jsonl:3") in found(report) and report.is_wrong
        (finding,) = (item for item in report.findings if item.check == "masks lost")
        assert finding.message.endswith("(48 pieces); see --long-inputs keep-mentions")
    keeping = 'recipe.long_inputs = "keep-mentions"'
    report = check("relation", texts, kind="jsonl", top=keeping, model=tiny, max_length=48)
    assert ("look", "examples cut", "test.jsonl:3") in found(report) and not report.is_wrong


def test_answers_and_windows_of_questions(check, tiny):
    def question(split, number, context="the pain of women", answer="pain"):
        return json.dumps({"question": f"which {split} {number} ?", "context": context, "answers": answer})

    files = {split: "\n".join(question(split, number) for number in range(4)) for split in GOOD}
    files["dev"] += "\n" + question("dev", 9, "the fever " * 60 + "pain")
    report = check("extractive-qa", files, kind="jsonl", model=tiny, max_length=40)
    assert ("look", "windowed", "dev.jsonl:5") in found(report) and not report.is_wrong


def test_the_command_prints_a_table_or_json_and_exits_with_1_if_the_score_would_be_wrong(cli, check, tmp_path):
    check("classification", changed("test", 4, GOOD["train"][2]))
    done = cli("data", "check", tmp_path / "my.toml")
    assert done.exit_code == 1
    assert (
        "wrong: test: 1 example with a text that is also in train; remove the copies from one of the two" in done.stdout
    )
    assert "test.csv:4" in done.stdout and "1 that would make the score wrong, 0 worth a look" in done.stdout
    document = json.loads(cli("data", "check", tmp_path / "my.toml", "--json").stdout)
    assert document["findings"][0]["severity"] == "wrong" and document["counts"]["train"] == {"examples": 40}
    check("classification", GOOD)
    done = cli("data", "check", tmp_path / "my.toml")
    assert done.exit_code == 0 and "nothing found" in done.stdout


def test_a_built_in_task_is_checked_as_well(cli, data_dir):
    done = cli("data", "check", "gad", "--data-dir", data_dir, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["counts"]["train"] == {"examples": 12}
