"""What `init` believes about data, and that the task file it writes can be read."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from linkbert.errors import RequestError
from linkbert.tasks.custom.prepare import prepare_task_file
from linkbert.tasks.custom.split_files import find_splits
from linkbert.tasks.custom.suggest import suggest
from linkbert.tasks.custom.task_file import read_task_file

LONG = "a sentence of more than a few words, number"
CSV = "pmid;note;outcome\n" + "".join(f"{n // 2};{LONG} {n};{'yes' if n % 3 else 'no'}\n" for n in range(40))
CONLL = "".join(f"a NN B-Gene\nb NN O\n{n} NN O\n\n" for n in range(20))
SQUAD = json.dumps({"data": [
    {"title": f"t{n}", "paragraphs": [{"context": "a cat", "qas": [{"id": str(n), "question": "Who?", "answers": []}]}]} for n in range(5)
]})  # fmt: skip
PUBTATOR = "".join(f"{n}|t|Aspirin {n}\n{n}\t0\t7\tAspirin\tDrug\t-\n\n" for n in range(5))


def lines(*records):
    return "\n".join(map(json.dumps, records))


def repeated(count, **fields):
    return lines(
        *({key: value(n) if callable(value) else value for key, value in fields.items()} for n in range(count))
    )


FILES = {
    "notes.csv": (CSV, "classification", "csv"),
    "words.txt": (CONLL, "ner", "conll"),
    "squad.json": (SQUAD, "extractive-qa", "squad"),
    "articles.txt": (PUBTATOR, "ner", "pubtator"),
    "mc.jsonl": (repeated(20, question=lambda n: f"q{n}", options=["a", "b"], answer=lambda n: "AB"[n % 2]), "choice", "json"),
    "tags.jsonl": (repeated(20, tokens=lambda n: ["a", f"b{n}"], ner_tags=["B-X", "O"]), "ner", "json"),
    "sim.tsv": ("sentence1\tsentence2\tscore\n" + "".join(f"{LONG} {n}\t{LONG} {n + 1}\t{n / 7:.2f}\n" for n in range(40)), "similarity", "csv"),
    "nli.tsv": ("premise\thypothesis\tlabel\n" + "".join(f"{LONG} {n}\t{LONG} x{n}\t{n % 3}\n" for n in range(60)), "pair", "csv"),
    "topics.csv": ("text,labels\n" + "".join(f'"{LONG} {n}",{"a;b" if n % 2 else "b"}\n' for n in range(40)), "multi-label", "csv"),
    "frame.csv": (",text,label\n" + "".join(f"{n},{LONG.replace(',', '')} {n},{n % 2}\n" for n in range(20)), "classification", "csv"),
    "commas.csv": ("text,labels\n" + "".join(f'note {n},"{("pain", "fever, pain", "pain, fever", "cough")[n % 4]}"\n' for n in range(40)), "multi-label", "csv"),
    "lists.csv": ("text,labels\n" + "".join(f"""note {n},"['pain', 'fever']"\n""" if n % 2 else f"note {n},['pain']\n" for n in range(40)), "multi-label", "csv"),
    "diagnosis.csv": ("text,diagnosis,reviewed,female\n" + "".join(f"note {n},d{n % 4},{n % 2},{n % 3 // 2}\n" for n in range(40)), "classification", "csv"),
    "numbered.conllu": ("".join(f"1\ta{n}\tB-Gene\n2\tb\tO\n\n" for n in range(20)), "ner", "conll"),
    "short-answers.csv": ("question,context,answer,answer_start\n" + "".join(f"q{n},the cat sat {n},cat,4\n" for n in range(20)), "extractive-qa", "csv"),
    "pairs.jsonl": (repeated(20, text=lambda n: f"aspirin caused pain {n}", head=[0, 7, "Drug"], tail=[15, 19, "Disease"], relation=lambda n: f"r{n % 2}", id=lambda n: n), "relation", "json"),
    "masks.csv": ("text,class\n" + "".join(f"@DRUG$ caused @DISEASE$ in {n},{n % 2}\n" for n in range(40)), "relation", "csv"),
    "doccano.jsonl": (repeated(20, id=lambda n: n, text=lambda n: f"aspirin {n}", label=[[0, 7, "Drug"]]), "ner", "json"),
    "offsets.jsonl": (repeated(20, text=lambda n: f"aspirin {n}", entities=[{"start_offset": 0, "end_offset": 7, "label": "Drug"}]), "ner", "json"),
    "arc.jsonl": (repeated(20, question=lambda n: f"q{n}", choices={"text": ["x", "y"], "label": ["A", "B"]}, answerKey=lambda n: "AB"[n % 2]), "choice", "json"),
    "keys.jsonl": (repeated(20, question=lambda n: f"q{n}", options=[{"key": "A", "value": "x"}, {"key": "B", "value": "y"}], answer_idx="B"), "choice", "json"),
    "mmlu.csv": ("".join(f"which of these answers is the right one of number {n}?,a{n},b{n},c{n},d{n},{'ABCD'[n % 4]}\n" for n in range(20)), "choice", "csv"),
    "one.csv": ("question,opa,opb,cop\n" + "".join(f"q{n},a{n},b{n},{n % 2 + 1}\n" for n in range(20)), "choice", "csv"),
    "options.csv": ("question,opa,opb,opc,cop\n" + "".join(f"q{n},a{n},b{n},c{n},{n % 3}\n" for n in range(20)), "choice", "csv"),
    "letters.csv": ("question,A,B,answer\n" + "".join(f"q{n},a{n},b{n},{'AB'[n % 2]}\n" for n in range(20)), "choice", "csv"),
    "flags.csv": ("report,pain,nausea,rare\n" + "".join(f"note {n} of the ward about a patient,{n % 2},{n % 3 // 2},0\n" for n in range(40)), "multi-label", "csv"),
    "answers.jsonl": (repeated(20, question=lambda n: f"q{n}", context=lambda n: f"the cat{n} sat", answer=lambda n: f"cat{n}"), "extractive-qa", "json"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_family_and_format_are_recognised_and_the_task_file_works(tmp_path, name):
    content, family, form = FILES[name]
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    found = suggest(path)
    assert (found.family, found.format) == (family, form), found.remarks
    task_file = tmp_path / "found.toml"
    task_file.write_text(found.to_toml(tmp_path), encoding="utf-8")
    prepared = prepare_task_file(read_task_file(task_file))
    assert prepared.definition.name == name.split(".")[0] and prepared.definition.family == family


@pytest.mark.parametrize(("encoding", "given"), [("cp1252", "cp1252"), ("utf-16", None)])
def test_a_table_in_another_encoding(tmp_path, encoding, given):
    content = CSV.replace("yes", "ja \u20ac").replace("no\n", "n\u00ebn\n")
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))
    if given:
        with pytest.raises(RequestError, match="`linkbert init --encoding cp1252`"):
            suggest(tmp_path / "t.csv")
    (tmp_path / "t.toml").write_text(suggest(tmp_path / "t.csv", encoding=given).to_toml(tmp_path))
    prepared = prepare_task_file(read_task_file(tmp_path / "t.toml"))
    assert prepared.definition.labels == ["ja \u20ac", "n\u00ebn"]


def test_a_header_is_told_from_data_and_counted_words_from_their_numbers(tmp_path):
    for name, expected in (
        ("frame.csv", ["0", "1"]),
        ("commas.csv", ["cough", "fever", "pain"]),
        ("numbered.conllu", ["Gene"]),
    ):
        (tmp_path / name).write_text(FILES[name][0])
        (tmp_path / "t.toml").write_text(suggest(tmp_path / name).to_toml(tmp_path))
        prepared = prepare_task_file(read_task_file(tmp_path / "t.toml"))
        assert prepared.definition.labels == expected
    assert json.loads((prepared.folder / "train.json").read_text().splitlines()[0])["tokens"][1] == "b"


def test_answers_from_one_and_a_class_that_says_none_are_written_down(tmp_path):
    for name, line in (
        ("one.csv", "first_answer = 1\n"),
        ("negative.csv", 'negative = "false"  #'),
        ("masks.csv", 'negative = "0"'),
    ):
        content = FILES["masks.csv"][0].replace(",0\n", ",false\n") if name == "negative.csv" else FILES[name][0]
        (tmp_path / name).write_text(content)
        assert line in suggest(tmp_path / name).to_toml(tmp_path)
    assert "negative" not in suggest(tmp_path / "one.csv").to_toml(tmp_path)


def test_columns_that_hold_one_option_or_label_each_are_listed(tmp_path):
    for name, role, expected in (
        ("options.csv", "options", ["opa", "opb", "opc"]),
        ("letters.csv", "options", ["A", "B"]),
        ("flags.csv", "labels", ["pain", "nausea", "rare"]),
    ):
        (tmp_path / name).write_text(FILES[name][0])
        assert suggest(tmp_path / name).columns[role] == expected
    # A column of that name decides, and further columns of 0 and 1 do not.
    (tmp_path / "one.csv").write_text("text,label,a,b\n" + "".join(f"note {n},{n % 2},0,1\n" for n in range(40)))
    assert suggest(tmp_path / "one.csv").family == "classification"


def test_folders_of_splits_of_brat_and_of_one_file(tmp_path):
    for split in ("train", "devel", "test"):
        (tmp_path / "corpus" / split).mkdir(parents=True)
        (tmp_path / "corpus" / split / "d.txt").write_text("Aspirin")
        (tmp_path / "corpus" / split / "d.ann").write_text("T1\tDrug 0 7\tAspirin\n")
    found = suggest(tmp_path / "corpus")
    assert {split: path.name for split, (path,) in found.files.items()} == {
        "train": "train",
        "dev": "devel",
        "test": "test",
    }
    assert (found.name, found.format) == ("corpus", "brat")
    one = suggest(tmp_path / "corpus" / "test")
    assert one.files == {"data": [tmp_path / "corpus" / "test"]}
    assert 'data = "corpus/test"' in one.to_toml(tmp_path)
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "notes.csv").write_text(CSV)
    assert suggest(tmp_path / "single").files == {"data": [tmp_path / "single" / "notes.csv"]}


def test_a_file_beside_its_splits_is_recognised_by_the_names(tmp_path):
    for name in ("my-train.csv", "my-validation.csv", "my_test.csv", "other.csv"):
        (tmp_path / name).write_text(CSV)
    assert set(suggest(tmp_path / "my-train.csv").files) == {"train", "dev", "test"}
    assert set(suggest(tmp_path / "other.csv").files) == {"data"}


@pytest.mark.parametrize(
    ("names", "asked", "expected"),
    [
        (["training.csv", "development.csv", "testing.csv"], "", {"train": "training.csv", "dev": "development.csv", "test": "testing.csv"}),
        (["a_train.csv", "b_train.csv", "b_test.csv"], "a_train.csv", {"train": "a_train.csv"}),
        (["a_train.csv", "b_train.csv", "b_test.csv"], "b_test.csv", {"train": "b_train.csv", "test": "b_test.csv"}),
        (["a_train.csv", "b_test.csv"], "b_test.csv", {"data": "b_test.csv"}),
        (["train-small.csv", "train.csv", "eval.csv"], "", {"train": "train.csv", "dev": "eval.csv"}),
        (["train-small.csv", "train.csv"], "train-small.csv", {"train": "train-small.csv"}),
    ],
)  # fmt: skip
def test_the_splits_of_one_corpus_share_the_rest_of_their_names(tmp_path, names, asked, expected):
    for name in names:
        (tmp_path / name).write_text(CSV)
    found = find_splits(tmp_path / asked if asked else tmp_path)
    assert {split: path.name for split, (path,) in found.files.items()} == expected
    assert not asked or not found.unused


def test_several_corpora_in_a_folder_are_refused_and_other_files_are_named(tmp_path):
    for name in ("fold0_train.csv", "fold1_train.csv"):
        (tmp_path / name).write_text(CSV)
    with pytest.raises(RequestError, match=r"several files for train \(fold0_train.csv, fold1_train.csv\); name one"):
        find_splits(tmp_path)
    for name in ("train.csv", "README.md", "more.csv"):
        (tmp_path / name).write_text(CSV)
    assert "not used: fold0_train.csv, fold1_train.csv, more.csv" in suggest(tmp_path).remarks


def test_all_parts_of_a_file_are_read(tmp_path):
    (tmp_path / "hub").mkdir()
    for part in range(2):
        rows = {"text": [f"{LONG} {part} {n}" for n in range(20)], "label": [n % 2 for n in range(20)]}
        pq.write_table(pa.table(rows), tmp_path / "hub" / f"train-0000{part}-of-00002.parquet")
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 1]}), tmp_path / "hub" / "test-00000-of-00001.parquet")
    found = suggest(tmp_path / "hub")
    text = found.to_toml(tmp_path)
    assert 'train = "hub/train-*.parquet"' in text and 'test = "hub/test-00000-of-00001.parquet"' in text
    (tmp_path / "hub.toml").write_text(text)
    prepared = prepare_task_file(read_task_file(tmp_path / "hub.toml"))
    counts = {
        split: len((prepared.folder / f"{split}.json").read_text().splitlines()) for split in ("train", "dev", "test")
    }
    assert counts == {"train": 36, "dev": 4, "test": 2}
    (tmp_path / "hub.toml").write_text(text.replace("train-*", "training-*"))
    with pytest.raises(RequestError, match=r"training-\*.parquet: no file has a name like this"):
        prepare_task_file(read_task_file(tmp_path / "hub.toml"))


def test_a_parquet_file_and_a_table_without_a_header(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({"abstract": [f"{LONG} {n}" for n in range(20)], "class": [n % 2 for n in range(20)]}), path
    )
    assert (suggest(path).family, suggest(path).columns) == ("classification", {"text": "abstract", "label": "class"})
    path = tmp_path / "plain.csv"
    path.write_text("".join(f"{LONG.replace(',', '')} and some more words {n},{n % 2}\n" for n in range(40)))
    assert suggest(path).columns == {"text": 0, "label": 1}


def test_odd_names_become_names_of_tasks(tmp_path):
    for name, expected in (("My notes (2).csv", "my-notes-2"), ("gad.csv", "my-gad"), ("\u00e4.csv", "my-task")):
        (tmp_path / name).write_text(CSV)
        assert suggest(tmp_path / name, taken=("gad",)).name == expected


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("d.csv", "a,b\n1,2\n3,4\n", {}, r"no family fits its columns \(a, b\); name one with --family"),
        ("d.csv", "", {}, "the file is empty"),
        ("d.csv", "text,label\n", {}, "no example in it"),
        ("d.json", SQUAD, {"family": "ner"}, "squad files hold no examples of ner"),
        ("d.csv", CSV, {"name": "a b"}, "--name 'a b': a name consists of letters"),
        ("d.csv", CSV, {"name": "gad"}, "--name 'gad': .* is not that of a built-in task"),
        ("d.csv", CSV, {"name": "x.toml"}, "--name 'x.toml'"),
    ],
)  # fmt: skip
def test_what_nothing_can_be_made_of_is_refused(tmp_path, name, content, options, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(RequestError, match=message):
        suggest(tmp_path / name, taken=("gad",), **options)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(RequestError, match="nothing.csv: no such file or folder"):
        suggest(tmp_path / "nothing.csv")
    with pytest.raises(RequestError, match="no .txt and .ann files in this folder"):
        suggest(tmp_path)
