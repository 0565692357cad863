"""Own data in the prepared format: labels, splits, ids and places, and what is refused."""

import json
from pathlib import Path

import pytest
from linkbert.errors import RequestError
from linkbert.tasks.custom import reading
from linkbert.tasks.custom.definition import Definition, document_of, identifier
from linkbert.tasks.custom.prepare import load_task_file, prepare_task_file
from linkbert.tasks.custom.task_file import read_task_file
from linkbert.tasks.registry import known_task


@pytest.fixture
def prepare(tmp_path):
    """Write files and a task file, and return the prepared data."""

    def run(family, files, *, top="", data='data = "d.csv"', more=""):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        path = tmp_path / "my.toml"
        path.write_text(f'name = "my"\nfamily = "{family}"\n{top}\n[files]\n{data}\n{more}', encoding="utf-8")
        return prepare_task_file(read_task_file(path))

    return run


def rows_of(prepared, split):
    return [json.loads(line) for line in (prepared.folder / f"{split}.json").read_text().splitlines()]


def every_row(prepared):
    return [row for split in ("train", "dev", "test") for row in rows_of(prepared, split)]


def table(rows=30, header="text,label", line="note {0},{1}"):
    return "\n".join([header, *(line.format(number, "yes" if number % 2 else "no") for number in range(rows))]) + "\n"


THREE = 'train = "a.csv"\ndev = "b.csv"\ntest = "c.csv"'


def three(train, dev=None, test=None):
    return {"a.csv": train, "b.csv": dev or train, "c.csv": test or train}


# --- labels --------------------------------------------------------------------------------------------------------


def test_labels_are_inferred_shown_and_then_fixed(prepare):
    prepared = prepare("classification", {"d.csv": table()})
    assert prepared.definition.labels == ["no", "yes"] and prepared.new
    assert "my: labels no, yes (inferred)" in prepared.remarks
    assert any(remark.endswith("no text is in two splits)") for remark in prepared.remarks)
    assert prepared.task().labels == ("no", "yes")
    # What a run stores is enough to make its task again, whatever the data say later.
    task = known_task("my", json.loads(json.dumps(prepared.definition.to_json())))
    assert task is not None and task.labels == ("no", "yes") and task.definition == prepared.task().definition


def test_the_order_of_labels_is_that_of_the_task_file(prepare):
    prepared = prepare("classification", {"d.csv": table()}, top='labels = ["yes", "no"]\nnegative = "no"')
    assert prepared.task().labels == ("yes", "no") and prepared.task().negative == "no"


def test_the_types_of_entities_become_tags(prepare):
    conll = "a B-Gene\nb I-Gene\nc B-Drug\n\n"
    files = dict.fromkeys(("a.conll", "b.conll", "c.conll"), conll)
    prepared = prepare("ner", files, data=THREE.replace("csv", "conll"))
    assert prepared.task().labels == ("O", "B-Drug", "I-Drug", "B-Gene", "I-Gene")
    assert rows_of(prepared, "train") == [
        {"id": "1", "tokens": ["a", "b", "c"], "ner_tags": ["B-Gene", "I-Gene", "B-Drug"]}
    ]
    only = prepare("ner", files, data=THREE.replace("csv", "conll"), top='ignore = ["Gene"]')
    assert rows_of(only, "train")[0]["ner_tags"] == ["O", "O", "B-Drug"]


def test_several_labels_become_flags(prepare):
    lines = "text,labels\n" + "".join(f"note {n},{'a;b' if n % 2 else 'b'}\n" for n in range(20))
    prepared = prepare("multi-label", {"d.csv": lines})
    assert {tuple(row["label"]) for row in every_row(prepared)} == {(1, 1), (0, 1)}


@pytest.mark.parametrize(
    ("family", "files", "options", "message"),
    [
        ("classification", three(table(), table().replace("yes", "perhaps")), {"data": THREE},
         r"b.csv:3: the label 'perhaps' in dev does not occur in train, .* ignore = \[\"perhaps\"\]"),
        ("classification", three(table(), table().replace("yes", "perhaps")), {"data": THREE, "top": 'labels = ["no", "yes"]'},
         "b.csv:3: the label 'perhaps' is not among the labels of the task file"),
        ("classification", {"d.csv": table().replace("yes", "no")}, {}, r"d.csv: one class only \(no\) in 30 examples"),
        ("classification", {"d.csv": table().replace("yes", "no")}, {"top": 'labels = ["no", "yes"]'},
         r"my.toml: one class only \(no\) in train"),
        ("classification", {"d.csv": table()}, {"more": '[columns]\ntext = "label"\nlabel = "text"'},
         "d.csv: 30 different labels in 30 examples: is this the column of the labels"),
        ("classification", {"d.csv": table()}, {"top": 'negative = "nope"'}, "my.toml: the negative class 'nope' is not among the labels no, yes"),
        ("classification", {"d.csv": "text,label\n"}, {}, "d.csv: no example in it"),
        ("classification", {"d.csv": ""}, {}, "d.csv: the file is empty"),
        ("classification", {}, {}, "d.csv: no such file or folder; paths in a task file start at its folder"),
        ("classification", {"d.csv": table(2)}, {}, "d.csv: 2 documents or different texts cannot be divided among 3 splits"),
        ("classification", {"d.csv": table() + ",yes\n"}, {}, "d.csv:32: the text is empty"),
        ("pair", {"d.csv": "text,text_pair,label\n" + "".join(f"a{n},b,{n % 2}\n" for n in range(9)) + "a, ,0\n"}, {},
         "d.csv:11: the text pair is empty"),
        ("classification", {"d.csv": table()}, {"more": '[split]\nby = "pmid"'}, "d.csv:1: no column 'pmid' to split by; expected one of: text, label"),
        ("classification", {"x/a.ann": "", "x/a.txt": "x"}, {"data": 'data = "x"'}, "x: brat files hold no examples of classification"),
        ("ner", {"d.conll": "a O\nb O\n\n" * 9}, {"data": 'data = "d.conll"'}, "d.conll: no label in it, so that there is nothing to learn"),
        ("relation", {"x/a.ann": "T1\tX 0 1\ta\n", "x/a.txt": "a"}, {"data": 'data = "x"'}, "x: no relation in it, so that there is nothing to learn"),
        ("ner", {"d.csv": table()}, {"data": 'data = "d.csv"\nformat = "csv"'}, "csv files hold no examples of ner"),
        ("ner", {"d.conll": "a B-X\n\n" * 9}, {"data": 'data = "d.conll"', "more": '[split]\nby = "pmid"'},
         "d.conll: conll files have no column 'pmid' to split by; remove by"),
        ("ner", {"d.conll": "".join(f"a{n} B-Gene\nb B-Drug\n\n" for n in range(9))}, {"data": 'data = "d.conll"', "top": 'ignore = ["Gen"]'},
         "my.toml: ignore names 'Gen', which does not occur in the data; did you mean Gene?"),
    ],
)  # fmt: skip
def test_wrong_data_are_refused_with_their_place(prepare, family, files, options, message):
    with pytest.raises(RequestError, match=message):
        prepare(family, files, **options)


# --- splits, documents and ids -------------------------------------------------------------------------------------


def test_no_document_is_in_two_splits(prepare):
    lines = "".join(f"{n // 9},note {n},{'yes' if n % 2 else 'no'}\n" for n in range(90))
    for header, more in (
        ("pmid,text,label\n", ""),
        ("mine,text,label\n", '[split]\nby = "mine"'),
        ("id,text,label\n", '[columns]\ndocument = "id"'),
    ):
        prepared = prepare("classification", {"d.csv": header + lines}, more=more)
        documents = [
            {row["id"].split("#")[0] for row in rows_of(prepared, split)} for split in ("train", "dev", "test")
        ]
        assert sum(map(len, documents)) == len(set.union(*documents)) == 10
        assert [len(rows_of(prepared, split)) for split in ("train", "dev", "test")] == [72, 9, 9]


def test_equal_texts_and_the_pairs_of_one_sentence_stay_together(prepare):
    twice = table(20) + table(20).split("\n", 1)[1]
    splits = [
        {row["text"] for row in rows_of(prepare("classification", {"d.csv": twice}), split)}
        for split in ("train", "dev", "test")
    ]
    assert sum(map(len, splits)) == 20
    spans = [
        ({"start": 0, "end": 1, "label": "A"}, {"start": 2, "end": 3, "label": "B"}),
        ({"start": 2, "end": 3, "label": "A"}, {"start": 4, "end": 5, "label": "B"}),
    ]
    records = [
        {"text": f"a b c {number}", "first": first, "second": second, "label": "no" if number % 2 else "yes"}
        for number in range(20) for first, second in spans
    ]  # fmt: skip
    prepared = prepare("relation", {"d.jsonl": "\n".join(map(json.dumps, records))}, data='data = "d.jsonl"')
    splits = [{row["text"].split()[-1] for row in rows_of(prepared, split)} for split in ("train", "dev", "test")]
    assert sum(map(len, splits)) == 20


def test_documents_that_docstart_separates_are_different_ones_in_each_split(prepare):
    """Both files begin with document 1, which `data check` reported as a leak."""
    text = "u B-X\n\n-DOCSTART- O\n\na B-X\n\nb O\n\n-DOCSTART- O\n\nc B-X\n"
    files = {"a.conll": text, "b.conll": text, "c.conll": text}
    prepared = prepare("ner", files, data=THREE.replace("csv", "conll"))
    assert [row["id"] for row in rows_of(prepared, "train")] == ["1", "train-1#1", "train-1#2", "train-2#1"]
    of = prepared.task().document_of
    documents = [{of(row["id"]) for row in rows_of(prepared, split)} for split in ("train", "dev")]
    assert documents[0] & documents[1] == {"1"}  # This sentence is in no document, and stands for itself.


def test_an_id_with_a_number_sign_does_not_hide_its_document():
    assert document_of(identifier("d#1", "x#2")) == "d#1"
    assert document_of(identifier("d", "1")) == "d"
    assert document_of(identifier(None, "1")) == "1"


def test_own_ids_are_kept_and_an_id_twice_is_refused(prepare):
    text = table(20, "id,text,label", "k{0},note {0},{1}")
    assert {row["id"] for row in every_row(prepare("classification", {"d.csv": text}))} == {f"k{n}" for n in range(20)}
    with pytest.raises(
        RequestError, match=r"a.csv:5: the id 'k1' is at .*a.csv:3 already; give each example its own id, or say"
    ):
        prepare("classification", three(text.replace("k3,", "k1,"), text), data=THREE)


def test_a_question_twice_in_one_paragraph_is_refused_in_the_users_file(prepare):
    """It was found only in the cached file."""
    question = {"id": "q1", "question": "Who?", "answers": []}
    squad = {"data": [{"title": "t", "paragraphs": [{"context": "a cat", "qas": [question, question]}]}]}
    files = dict.fromkeys(("a.json", "b.json", "c.json"), json.dumps(squad))
    with pytest.raises(RequestError, match=r"a.json: article 1, paragraph 1, question q1: the id 'q1' is at .*a.json"):
        prepare("extractive-qa", files, data=THREE.replace("csv", "json"))


def test_a_document_twice_is_refused(prepare):
    article = "1|t|Aspirin\n1\t0\t7\tAspirin\tDrug\t-\n\n"
    with pytest.raises(RequestError, match="d.txt:4: a second document 1, the first one is at .*d.txt:1; remove one"):
        prepare("ner", {"d.txt": article * 2}, data='data = "d.txt"')


def test_the_splits_of_a_hub_dataset_are_taken_as_they_are(prepare, monkeypatch):
    """Train was divided although dev and test were there."""
    asked = []

    def read(name, config, split):
        asked.append(split)
        for number in range(20):
            yield f"{name} {split}: row {number}", {"text": f"{split} {number}", "label": "ab"[number % 2]}

    monkeypatch.setattr(reading, "read_hub_dataset", read)
    prepared = prepare("classification", {}, data='dataset = "me/corpus"')
    assert set(asked) == {"train", "validation", "test"}
    for split, name in (("train", "train"), ("dev", "validation"), ("test", "test")):
        assert {row["text"].split()[0] for row in rows_of(prepared, split)} == {name}


@pytest.mark.parametrize("name", ["d.json.gz", "d.jsonl.gz"])
def test_packed_json_is_recognised(tmp_path, prepare, name):
    import gzip

    records = [{"text": f"note {n}", "label": "ab"[n % 2]} for n in range(20)]
    text = json.dumps(records) if "jsonl" not in name else "\n".join(map(json.dumps, records))
    (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    assert len(every_row(prepare("classification", {}, data=f'data = "{name}"'))) == 20
    (tmp_path / name).write_bytes(gzip.compress(text.encode())[:30])
    with pytest.raises(RequestError, match=rf"{name}: the file cannot be read \(Compressed file ended"):
        prepare("classification", {}, data=f'data = "{name}"')


# --- relations in documents ----------------------------------------------------------------------------------------


def brat(relation, first="Drug", second="Pain", arguments="Arg1:T1 Arg2:T2"):
    ann = f"T1\t{first} 0 7\tAspirin\nT2\t{second} 14 18\tpain\nT3\tPain 20 25\tfever\n"
    return ann + (f"R1\t{relation} {arguments}\n" if relation else "")


def brat_files(folder, *annotations):
    files = {f"{folder}/{number}.ann": ann for number, ann in enumerate(annotations)}
    return files | {name.replace(".ann", ".txt"): "Aspirin cures pain, fever." for name in files}


FOLDERS = 'train = "a"\ndev = "b"\ntest = "c"'


def test_pairs_without_a_relation_are_the_negative_class(prepare):
    files = {
        k: v
        for name in "abc"
        for k, v in brat_files(name, brat("cures"), brat("causes", arguments="Arg1:T2 Arg2:T1")).items()
    }
    prepared = prepare("relation", files, data=FOLDERS, top='marks = "masks"')
    assert prepared.definition.labels == ["none", "causes", "cures"] and prepared.definition.negative == "none"
    assert [row["label"] for row in rows_of(prepared, "train")] == ["cures", "none", "causes", "none"]
    assert rows_of(prepared, "train")[0] == {"id": "0#1", "text": "@DRUG$ cures @PAIN$, fever.", "label": "cures"}
    rules = prepared.definition.pair_rules
    assert rules is not None and set(rules.kinds) == {("Drug", "Pain")}


def test_the_labels_of_the_task_file_need_not_name_the_negative_class(prepare):
    files = {k: v for name in "abc" for k, v in brat_files(name, brat("cures")).items()}
    prepared = prepare("relation", files, data=FOLDERS, top='labels = ["cures", "causes"]')
    assert prepared.definition.labels == ["none", "cures", "causes"]


@pytest.mark.parametrize(
    ("dev", "message"),
    [
        (brat("causes"), "b/0.ann:4: the label 'causes' in dev does not occur in train"),
        (brat("cures", first="Gene"), "b/0.ann:4: cures joins Gene and Pain, which no relation in train does"),
    ],
)
def test_a_relation_in_dev_that_train_cannot_teach_is_refused(prepare, dev, message):
    files = brat_files("a", brat("cures")) | brat_files("b", dev) | brat_files("c", brat("cures"))
    with pytest.raises(RequestError, match=message):
        prepare("relation", files, data=FOLDERS)


# --- the cache -----------------------------------------------------------------------------------------------------


def test_data_are_prepared_once_and_again_after_a_change(prepare):
    first, second = (prepare("classification", {"d.csv": table()}) for _ in range(2))
    assert first.folder == second.folder and first.new and not second.new and first.remarks == second.remarks
    assert prepare("classification", {"d.csv": table(31)}).folder != first.folder
    assert prepare("classification", {"d.csv": table()}, more="[split]\nseed = 1").folder != first.folder
    # Settings that do not change the data need no new preparation.
    title = prepare("classification", {"d.csv": table()}, top='title = "My notes"\nmetric = "macro_f1"')
    assert title.folder == first.folder and title.task().metric == "macro_f1"


def test_the_places_name_the_present_file_also_if_an_equal_one_was_prepared_elsewhere(prepare, tmp_path):
    prepare("classification", {"d.csv": table()})
    other = tmp_path / "other"
    other.mkdir()
    for name in ("d.csv", "my.toml"):
        (other / name).write_bytes((tmp_path / name).read_bytes())
    prepared = prepare_task_file(read_task_file(other / "my.toml"))
    places = [json.loads(line)["where"] for line in (prepared.folder / "train.places.jsonl").read_text().splitlines()]
    assert all(Path(place.rpartition(":")[0]).parent == other for place in places)


def test_a_damaged_cache_is_made_again(prepare):
    folder = prepare("classification", {"d.csv": table()}).folder
    (folder / "task.json").write_text("{")
    assert prepare("classification", {"d.csv": table()}).new


def test_a_name_is_not_that_of_a_built_in_task(prepare, tmp_path):
    prepare("classification", {"d.csv": table()})
    with pytest.raises(RequestError, match="the name 'my' is that of a built-in task"):
        load_task_file(tmp_path / "my.toml", ("my",))


@pytest.mark.parametrize("change", [
    {"family": "nosuch"}, {"family": []}, {"metric": "f1"}, {"name": "a/b"}, {"name": 5}, {"title": None}, {"labels": "ab"}, {"labels": [1]},
    {"labels": ["a", "a"]}, {"negative": "c"}, {"marks": "x"}, {"recipe": {"epochs": "x"}}, {"recipe": []}, {"pairs": [["a"]]}, None, [],
])  # fmt: skip
def test_a_definition_that_cannot_be_trusted_is_checked(change):
    good = {"name": "my", "family": "classification", "title": "My", "metric": "accuracy", "labels": ["a", "b"]}
    assert known_task("my", good | {"unknown": 1}) is not None
    assert known_task("my", good | change if isinstance(change, dict) else change) is None or change is None
    if change is not None:
        with pytest.raises(ValueError):
            Definition.from_json(good | change if isinstance(change, dict) else change).task()
