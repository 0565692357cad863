"""A loaded model predicts many times, at constant memory, for lines and for documents."""

import json

import pytest
from linkbert.corpora.annotated import Document
from linkbert.errors import RequestError
from linkbert.experiments.document_prediction import annotated, predict_documents
from linkbert.experiments.loaded import LoadedModel, load
from linkbert.experiments.prediction_formats import as_text

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
    assert as_text(tagger.task, row, "conll") == "the\tO\nrenal\tB-Disease\npain\tI-Disease\nfell\tO\n\n"
    assert as_text(tagger.task, row, "text") == "Disease: renal pain\n"
    assert as_text(tagger.task, {"label": ["a", "b"]}, "text") == "a; b\n"
    assert as_text(tagger.task, {"answer": ""}, "text") == "\n"
    with pytest.raises(RequestError, match="does not predict"):
        as_text(tagger.task, {"label": "a"}, "conll")


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
