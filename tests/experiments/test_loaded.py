"""A loaded model predicts many times, at constant memory, for lines and for documents."""

import gzip
import json
from collections import Counter
from types import SimpleNamespace

import pytest
from linkbert.corpora.annotated import Document, Mention
from linkbert.errors import RequestError
from linkbert.experiments.document_prediction import annotated, passages_of, predict_documents
from linkbert.experiments.loaded import LoadedModel, load, read_input
from linkbert.experiments.prediction import file_inputs, input_format, read_inputs
from linkbert.experiments.prediction_formats import as_conll, as_line
from linkbert.tasks.custom.cells import Cells, Columns
from linkbert.tasks.custom.kinds import KINDS

TEXT = "the renal pain fell .\nwomen took the drug \U0001f600 for renal pain .\n\n"


@pytest.fixture(scope="module")
def tagger(trained):
    return load(trained / "runs" / "ncbi-disease" / "tiny" / "seed-1")


def test_one_input_gives_one_prediction_and_several_give_a_list(tagger):
    one = tagger("the renal pain fell")
    assert set(one) == {"id", "text", "entities"}
    assert tagger(["the renal pain fell"]) == [one]
    assert tagger({"id": "x", "text": "the renal pain fell"}) == one | {"id": "x"}
    assert repr(tagger) == "<ncbi-disease: tiny, seed 1>"


def test_a_wrong_input_is_named_by_its_number(tagger, trained):
    with pytest.raises(RequestError, match="input 2: .* a string that is not blank"):
        tagger(["fine", " "])
    pairs = load(trained / "runs" / "pubmedqa" / "tiny" / "seed-1")
    with pytest.raises(RequestError, match="input 1: pubmedqa takes several texts"):
        pairs("a question")
    with pytest.raises(RequestError, match="not a run folder|no such run folder"):
        load(trained / "runs")


def test_objects_whose_text_is_blank_are_left_out_as_blank_lines_are(tagger, trained):
    rows = ['{"id": "a", "text": "renal"}', '{"id": "b", "text": " "}', "", '{"id": "c", "text": "pain"}']
    for task in (tagger.task, load(trained / "runs/gad/tiny/seed-1").task):
        left_out = Counter()
        assert [item.row["id"] for item in read_inputs(task, rows, "x", left_out)] == ["a", "c"]
        assert left_out == {"blank": 1}
        with pytest.raises(RequestError, match="x:1: the field 'text' should be a string"):
            list(read_inputs(task, ['{"text": 5}'], "x"))


def test_a_model_of_medqa_predicts_for_mmlu_as_well(trained):
    model = load(trained / "runs" / "medqa" / "tiny" / "seed-1", task="mmlu-professional-medicine")
    assert model.task.name == "mmlu-professional-medicine"


def test_an_input_is_read_only_when_its_chunk_is_predicted(tagger, monkeypatch):
    monkeypatch.setattr("linkbert.experiments.loaded._CHUNK", 4)
    read = []

    def endless():
        while True:
            read.append(1)
            yield "the renal pain fell"

    found = tagger.predict(endless())
    for _ in range(9):
        next(found)
    assert len(read) == 12, "memory would grow with what is read ahead"


def test_long_inputs_end_a_chunk_early(tagger, monkeypatch):
    monkeypatch.setattr("linkbert.experiments.loaded._CHARACTERS", 30)
    sizes = []
    predict_rows = tagger.predictor.predict_rows
    monkeypatch.setattr(
        tagger.predictor, "predict_rows", lambda model, table: sizes.append(len(table)) or predict_rows(model, table)
    )
    tagger(["the renal pain fell"] * 5)
    assert sizes == [2, 2, 1]


def test_entities_of_a_document_have_offsets_in_the_document(tagger, monkeypatch):
    """Passages are predicted one by one, and put back together."""
    monkeypatch.setattr("linkbert.experiments.loaded._CHUNK", 2)
    documents = [
        Document("a", TEXT, "a.txt", ()),
        Document("blank", "\n", "b.txt", ()),
        Document("c", "pain", "c.txt", ()),
    ]
    found = list(predict_documents(tagger, documents))
    assert [document.key for document, _ in found] == ["a", "blank", "c"]
    row = found[0][1]
    assert row["text"] == TEXT and found[1][1]["entities"] == []
    lines = [line for line in TEXT.split("\n") if line]
    expected = [
        (entity["start"] + TEXT.index(line), entity["label"]) for line in lines for entity in tagger(line)["entities"]
    ]
    assert [(entity["start"], entity["label"]) for entity in row["entities"]] == expected
    assert all(TEXT[entity["start"] : entity["end"]] == entity["text"] for entity in row["entities"])


def test_what_was_found_becomes_the_annotation_of_the_document(tagger):
    document = Document("a", "renal pain", "a.txt", ())
    entity = {"start": 0, "end": 10, "label": "Disease", "score": 1.0, "text": "renal pain"}
    (mention,) = annotated(document, {"entities": [entity]}).mentions
    assert (mention.key, mention.kind, mention.start, mention.end) == ("T1", "Disease", 0, 10)
    with pytest.raises(RequestError, match="write JSON lines"):
        annotated(document, {"label": "yes"})


def test_predictions_as_text(tagger):
    entity = {"start": 4, "end": 14, "label": "Disease", "score": 1.0, "text": "renal pain"}
    row = {"id": "1", "text": "the renal pain fell", "entities": [entity]}
    item = read_input(tagger.task, {"id": "1", "text": row["text"]})
    assert list(as_conll([(item, row)])) == ["the\tO\nrenal\tB-Disease\npain\tI-Disease\nfell\tO\n\n"]
    assert as_line(row) == "Disease: renal pain\n"
    assert as_line({"label": ["a", "b"]}) == "a; b\n"
    assert as_line({"answer": ""}) == "\n"


def test_words_are_written_as_they_were_read_and_documents_are_kept_apart(tagger):
    """Words of a CoNLL file may have punctuation in them; a document is written passage by passage."""
    item = read_input(tagger.task, {"id": "1", "tokens": ["IL-2", "renal", "."]})
    entity = {"start": 5, "end": 10, "label": "Disease", "score": 1.0, "text": "renal"}
    row = {"id": "1", "text": "IL-2 renal .", "entities": [entity]}
    assert list(as_conll([(item, row)])) == ["IL-2\tO\nrenal\tB-Disease\n.\tO\n\n"]
    documents = [Document("a", "renal\npain", "a.txt", ()), Document("b", "drug", "b.txt", ())]
    found = "".join(as_conll((item, row | {"entities": []}) for item in passages_of(tagger, documents)))
    start = "-DOCSTART-\tO\n\n"
    assert found == f"{start}renal\tO\n\npain\tO\n\n{start}drug\tO\n\n"


def test_a_brat_folder_becomes_a_brat_folder_and_a_bioc_file(cli, trained, tmp_path):
    from linkbert.corpora.bioc_files import read_bioc
    from linkbert.corpora.brat import read_brat

    notes = tmp_path / "notes" / "ward"
    notes.mkdir(parents=True)
    (notes / "one.txt").write_text(TEXT, encoding="utf-8")
    run = trained / "runs" / "ncbi-disease" / "tiny" / "seed-1"
    expected = LoadedModel("ncbi-disease", run)
    entities = next(predict_documents(expected, [Document("ward/one", TEXT, "", ())]))[1]["entities"]
    for output in ("annotated", "found.xml", "found.json"):
        done = cli("predict", "ncbi-disease", tmp_path / "notes", "--model", run, "--output", output, "-q")
        assert done.exit_code == 0, done.stderr
        (document,) = read_brat(tmp_path / output) if output == "annotated" else read_bioc(tmp_path / output)
        assert document.key == "ward/one" and document.text.rstrip() == TEXT.rstrip()
        assert [(m.start, m.end) for m in document.mentions] == [(e["start"], e["end"]) for e in entities]
    again = cli("predict", "ncbi-disease", tmp_path / "found.xml", "--model", run)
    assert json.loads(again.stdout)["entities"] == entities
    # Annotations and predictions that are there are never replaced without being asked.
    command = ("predict", "ncbi-disease", tmp_path / "annotated", "--model", run, "--output")
    for output, message in (("annotated", "it is the folder of the input"), ("notes", "holds documents already"),
                            ("found.xml", "is there already")):  # fmt: skip
        refused = cli(*command, output)
        assert refused.exit_code == 2 and message in refused.stderr, refused.stderr
    assert cli(*command, "annotated", "--overwrite").exit_code == 2
    assert cli(*command, "notes", "--overwrite").stderr.startswith("written ")


def test_texts_that_mark_no_relation_are_counted(cli, trained):
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    done = cli("predict", "gad", "-", "--model", run, stdin="the pain\n@GENE$ and @DISEASE$\nthe drug\n")
    assert done.exit_code == 0 and "2 inputs mark no mentions, and their predictions mean nothing" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "--format", "brat"), "writes a folder; name it with --output"),
        (("-", "--format", "bioc", "--output", "x.json"), "name a BRAT folder, or a BioC or PubTator file"),
        (("-", "--format", "xml"), "expected one of"),
        (("nothing.txt",), "no such file"),
    ],
)
def test_wrong_combinations_are_refused(cli, trained, arguments, message):
    done = cli("predict", "ncbi-disease", *arguments, "--model", trained / "runs/ncbi-disease/tiny/seed-1", stdin="a\n")
    assert done.exit_code == 2 and message in done.stderr and done.stdout == ""


def test_inputs_that_lose_their_end_are_counted(cli, trained):
    run = trained / "runs" / "hoc" / "tiny" / "seed-1"
    done = cli("predict", "hoc", "-", "--model", run, stdin="the pain " * 200 + "\nthe drug\n")
    assert done.exit_code == 0 and "1 inputs were longer than the model's limit" in done.stderr


def test_spans_of_a_relation_are_marked_as_for_the_training():
    record = {
        "text": "aspirin cures pain",
        "first": {"start": 0, "end": 7, "label": "Drug"},
        "second": [14, 18, "Pain"],
    }
    names = {name: name for name in ("text", "first", "second")} | {"label": "relation"}
    cells = Cells("x", record | {"relation": "cures"}, Columns(names, marks="markers"))
    family = SimpleNamespace(label_column="label", from_text=None, columns=("text",))
    task = SimpleNamespace(definition={"family": "relation", "marks": "markers"}, family=family, parse=lambda row: row)
    expected = KINDS["relation"].convert(cells)["text"]
    assert (
        read_input(task, {"id": "1", **record}).example == {"id": "1", "text": expected} and expected != record["text"]
    )
    with pytest.raises(ValueError, match="^the column .second."):
        read_input(task, {"id": "1", **record, "second": "pain"})


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [("a.conll.gz", b"pain O\n", "conll"), ("a.IOB", b"pain O\n", "conll"), ("a.txt", b"pain\n", "lines"),
     ("a.pubtator.gz", b"1|t|pain\n", "pubtator"), ("a.xml.gz", b"<collection>", "bioc")],
)  # fmt: skip
def test_formats_of_inputs(tmp_path, name, content, found):
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert input_format(tmp_path / name) == found


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("a.CSV", b"a,b\n", "a table"), ("a.csv.gz", b"a,b\n", "a table"), ("a.ann", b"T1", "name the folder"),
     ("a.json", b'[{"text": "x"}]', "a list in JSON")],
)  # fmt: skip
def test_inputs_whose_lines_are_no_texts_are_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=said):
        input_format(tmp_path / name)


@pytest.mark.parametrize("content,column", [("O x the\nO y pain\n", 2), ("the\npain\n", 2), ("the O\npain O\n", -5)])
def test_words_stand_in_the_column_that_the_task_file_names_if_there_is_one(tmp_path, content, column):
    (tmp_path / "a.conll").write_text(content)
    family = SimpleNamespace(label_column="tags", from_text=None, columns=("tokens",))
    task = SimpleNamespace(definition={"family": "ner", "word_column": column}, family=family, parse=dict)
    assert [item.example["tokens"] for item in file_inputs(task, "conll", tmp_path / "a.conll")] == [["the", "pain"]]


@pytest.mark.parametrize("first", ["", "{number} "])
def test_words_of_a_conll_file_may_be_numbered(tmp_path, first):
    rows = (f"{first}{word} O".format(number=number) for number, word in enumerate(("the", "pain"), start=1))
    (tmp_path / "a.conll").write_text("\n".join(rows) + "\n")
    task = SimpleNamespace(
        definition=None, family=SimpleNamespace(label_column="tags", from_text=None, columns=("tokens",)), parse=dict
    )
    assert [item.example["tokens"] for item in file_inputs(task, "conll", tmp_path / "a.conll")] == [["the", "pain"]]


def test_relations_of_concepts_become_relations_of_mentions_with_keys_of_brat():
    mentions = (
        Mention("0-7-1", "Drug", 0, 7, "x", ("D1",)),
        Mention("9", "Pain", 14, 18, "x", ("D2",)),
        Mention("10", "Pain", 20, 24, "x", ("D2",)),
    )
    document = Document("d", "aspirin cures pain, ache", "x", mentions)
    found = annotated(document, {"relations": [{"label": "cures", "first": "D1", "second": "D2"}]})
    assert [mention.key for mention in found.mentions] == ["T1", "T2", "T3"]
    assert [(one.first, one.second) for one in found.relations] == [("T1", "T2"), ("T1", "T3")]
    found = annotated(document, {"relations": [{"label": "cures", "first": "0-7-1", "second": "9"}]})
    assert [(one.first, one.second) for one in found.relations] == [("T1", "T2")]
