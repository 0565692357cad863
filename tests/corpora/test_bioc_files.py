"""BioC files in XML and JSON give the same documents, and what is refused."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora.annotated import Origin
from linkbert.corpora.bioc_files import read_bioc
from linkbert.corpora.bioc_writing import bioc_json, bioc_xml
from linkbert.errors import RequestError

ANNOTATION = {
    "id": "T1", "infons": {"type": "Drug"}, "text": "Aspirin", "locations": [{"offset": 30, "length": 7}],
}  # fmt: skip
PASSAGE = {
    "offset": 30, "infons": {}, "text": "Aspirin cures.", "sentences": [], "annotations": [ANNOTATION], "relations": [],
}  # fmt: skip
DOCUMENT = {
    "id": "d1", "infons": {}, "annotations": [], "relations": [],
    "passages": [{"offset": 0, "infons": {}, "text": "A title.", "sentences": [], "annotations": [], "relations": []}, PASSAGE],
}  # fmt: skip
KEYS = (
    "offset",
    "length",
    "text",
    "infons",
    "locations",
    "annotations",
    "passages",
    "id",
    "relations",
    "type",
    "sentences",
)
VALUES = st.sampled_from([None, 5, -1, 1.5, "x", "", [], {}, [1], True, [{}], float("nan"), "\ud800"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bioc")


def read_json(folder, *documents):
    path = folder / "train.json"
    path.write_text(json.dumps({"source": "", "date": "", "key": "", "infons": {}, "documents": documents}, indent=1))
    return list(read_bioc(path))


def changed(document, key, value):
    """Return a copy of a document in which every field of this name has another value."""
    if isinstance(document, dict):
        return {k: value if k == key else changed(v, key, value) for k, v in document.items()}
    return [changed(item, key, value) for item in document] if isinstance(document, list) else document


def with_annotation(**fields):
    document = deepcopy(DOCUMENT)
    document["passages"][1]["annotations"] = [ANNOTATION | fields]
    return document


def test_json_and_xml_give_the_same_document(folder):
    from bioc import BioCCollection, biocjson, biocxml

    collection = BioCCollection()
    collection.add_document(biocjson.fromJSON(DOCUMENT, "BioCDocument"))
    documents = read_json(folder, DOCUMENT)
    for name, encoding in (("train.xml", "utf-8"), ("other.xml", "utf-16")):
        text = biocxml.dumps(collection).replace("UTF-8", encoding.upper())
        (folder / name).write_bytes(text.encode(encoding))
        (document,) = read_bioc(folder / name)
        assert (document.key, document.text, document.passages) == ("d1", "A title.\nAspirin cures.", ((0, 8), (9, 23)))
        assert [(m.kind, m.start, m.end) for m in document.mentions] == [("Drug", 9, 16)]
        assert document.text == documents[0].text and document.passages == documents[0].passages
    assert [(m.kind, m.start, m.end) for m in documents[0].mentions] == [("Drug", 9, 16)]


@given(
    st.lists(st.text(st.sampled_from("ab \u00e9\U0001f600"), min_size=1, max_size=9), min_size=1, max_size=5), st.data()
)
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_again(folder, texts, data):
    passages, expected, offset, begin = [], [], data.draw(st.integers(0, 50)), 0
    for number, text in enumerate(texts):
        place = data.draw(st.integers(0, len(text) - 1))
        annotations = []
        if text[place] != " ":
            annotations = [
                ANNOTATION
                | {"id": str(number), "text": text[place], "locations": [{"offset": offset + place, "length": 1}]}
            ]
            expected.append((str(number), begin + place))
        passages.append(PASSAGE | {"offset": offset, "text": text, "annotations": annotations})
        offset, begin = offset + len(text) + data.draw(st.integers(0, 9)), begin + len(text) + 1
    (document,) = read_json(folder, DOCUMENT | {"passages": passages})
    assert document.text == "\n".join(texts)
    assert [(mention.key, mention.start) for mention in document.mentions] == expected


@given(st.sampled_from(KEYS), VALUES)
@settings(max_examples=60, deadline=None)
def test_a_field_with_any_value_is_read_or_refused(folder, key, value):
    document = changed(DOCUMENT, key, value)
    try:
        read_json(folder, document)
    except RequestError as error:
        assert "train.json" in str(error)


@pytest.mark.parametrize("name", ["train.json", "train.xml"])
@given(content=st.one_of(st.binary(max_size=50), st.lists(st.sampled_from(
    [b"<collection>", b"<document>", b"<id>1</id>", b"<passage>", b"<offset>", b"</offset>", b"</passage>", b"</document>",
     b"</collection>", b'{"documents": [', b"]}", b"{}", b"0", b"\xff\xfe", b"&x;", b"<text>a</text>", b"<annotation>"]
), max_size=12).map(b"".join)))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(folder, name, content):
    (folder / name).write_bytes(content)
    try:
        list(read_bioc(folder / name))
    except RequestError as error:
        assert name in str(error)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"locations": [{"offset": 30, "length": 99}]},
            "annotation T1: the span 0 to 99 of Drug T1 lies outside its text",
        ),
        ({"locations": [{"offset": 3, "length": 7}]}, "annotation T1: its offset 3 lies before its passage"),
        ({"locations": [{"offset": "30", "length": 7}]}, "a field is missing or of another type"),
        ({"locations": []}, "annotation T1: Drug has no location"),
        (
            {"locations": [{"offset": 30, "length": 3}, {"offset": 2, "length": 3}]},
            "its offset 2 lies before its passage",
        ),
        ({"text": "Heparin"}, "Drug T1 should be 'Heparin', but its text has 'Aspirin'"),
        ({"infons": {}}, "annotation T1: no infon `type` says what it is"),
    ],
)
def test_a_wrong_annotation_is_refused_with_the_line_of_its_document(folder, fields, message):
    # With an indentation of 1, the id of the second document is on line 51 at the earliest.
    with pytest.raises(RequestError, match=rf"train.json:\d\d: document d2.*{message}"):
        read_json(folder, DOCUMENT, with_annotation(**fields) | {"id": "d2"})


def test_exports_of_pubtator_are_read(folder):
    """One document a line, without lists that are empty; or a collection whose list has another name."""
    first, second = (deepcopy(DOCUMENT) | {"id": key} for key in ("d1", "d2"))
    for document in (first, second):
        del document["annotations"], document["relations"], document["passages"][0]["sentences"]
    (folder / "lines.jsonl").write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    (folder / "other.json").write_text(json.dumps({"PubTator3": [first, second]}))
    for name in ("lines.jsonl", "other.json"):
        found = list(read_bioc(folder / name))
        assert [document.key for document in found] == ["d1", "d2"] and found[1].mentions[0].kind == "Drug"
    (folder / "one.json").write_text(json.dumps(first))
    assert [document.key for document in read_bioc(folder / "one.json")] == ["d1"]
    (folder / "list.json").write_text(json.dumps([first]))
    with pytest.raises(RequestError, match="list.json: not what a BioC file holds: expected an object"):
        list(read_bioc(folder / "list.json"))


@pytest.mark.parametrize(
    "infons",
    [
        {"relation": "CID", "Chemical": "D1", "Disease": "D2"},
        {"type": "CID", "entity1": "D1", "entity2": "D2", "novel": "No", "extra": "x"},
    ],
)
def test_relations_of_concepts_have_no_nodes(folder, infons):
    """As in BC5CDR and BioRED."""
    document = with_annotation(infons={"type": "Chemical", "MESH": "D1|D3"})
    document["relations"] = [{"id": "R1", "infons": infons, "nodes": []}, {"id": "R2", "infons": {"type": "x"}}]
    (found,) = read_json(folder, document)
    assert [(item.kind, item.first, item.second) for item in found.relations] == [("CID", "D1", "D2")]
    assert found.mentions[0].concepts == ("D1", "D3")


def test_several_locations_are_the_pieces_of_one_mention(folder):
    pieces = [{"offset": 30, "length": 3}, {"offset": 34, "length": 3}]
    found = read_json(folder, with_annotation(locations=pieces))[0]
    (mention,) = (item for item in found.mentions if item.key == "T1")
    assert mention.pieces == 2 and found.text[mention.start : mention.end] == "Aspirin"


def test_a_relation_names_exactly_one_annotation(folder):
    relation = {"id": "R1", "infons": {"type": "cures"}, "nodes": [{"refid": key, "role": ""} for key in ("T1", "T2")]}
    with pytest.raises(RequestError, match="relation R1: it names T2, which is not among the annotations"):
        read_json(folder, DOCUMENT | {"relations": [relation]})
    twice = with_annotation() | {"relations": [relation]}
    twice["passages"][1]["annotations"] *= 2
    with pytest.raises(RequestError, match="relation R1: it names T1, which is the id of 2 annotations"):
        read_json(folder, twice)


def test_each_document_is_placed_at_its_own_line(folder):
    documents = read_json(folder, *(DOCUMENT | {"id": f"d{number}"} for number in range(3)))
    lines = (folder / "train.json").read_text().splitlines()
    for number, document in enumerate(documents):
        line = int(document.where.split(":")[1])
        assert f'"id": "d{number}"' in lines[line - 1]


def test_a_packed_file_is_refused_with_what_to_do(folder):
    (folder / "train.xml.gz").write_bytes(b"")
    with pytest.raises(RequestError, match="unpack it with gunzip"):
        list(read_bioc(folder / "train.xml.gz"))


@pytest.mark.parametrize("write", [bioc_json, bioc_xml])
def test_offsets_and_infons_of_the_source_are_kept(folder, write):
    passage = deepcopy(PASSAGE) | {"infons": {"type": "abstract"}}
    (found,) = read_json(folder, DOCUMENT | {"infons": {"tt": "1"}, "passages": [DOCUMENT["passages"][0], passage]})
    found = replace(found, origin=Origin("PubTator", "2026", "BioC.key", {"tool": "x & y"}))
    path = folder / ("again.json" if write is bioc_json else "again.xml")
    path.write_text("".join(write([found])))
    (again,) = read_bioc(path)
    assert again.offsets == found.offsets == (0, 30) and again.infons[1] == {"type": "abstract"}
    assert (again.about, again.origin) == ({"tt": "1"}, found.origin)
    assert again.mentions[0].start == found.mentions[0].start == 9, "in the text of the document"
    place = str(again.offsets[1])
    assert f'"offset": {place}' in path.read_text() or f'offset="{place}"' in path.read_text()
