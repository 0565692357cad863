"""The readers of the original formats give the prepared rows, and refuse broken files."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkbert.corpora.bioasq_json import bioasq_golden_format
from linkbert.corpora.ddi_xml import ddi_xml_format, mask_pair
from linkbert.corpora.iob import begin_tag, prepared_tag, read_iob
from linkbert.corpora.lines import decode_lines, read_lines
from linkbert.corpora.multiple_choice import read_medqa, read_mmlu_csv, read_mmlu_parquet
from linkbert.corpora.prepared import prepared_line, read_examples
from linkbert.corpora.pubmedqa import pubmedqa_formats, split_pqal
from linkbert.corpora.tables import read_bioasq, read_biosses, read_hoc, read_relations
from linkbert.errors import RequestError

TYPES = {"Disease": "Disease"}


def write(tmp_path, text, name="train.tsv"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read_ner(path):
    return list(read_iob(path, lambda tag: prepared_tag(tag, TYPES)))


def test_iob_document_markers_of_any_form_are_not_tokens(tmp_path):
    text = "-DOCSTART- 95369245\n\na\tB\nb\tI\n\n-DOCSTART-\tO\n\nc\tO\n-DOCSTART- (1)\nd\tB"
    assert read_ner(write(tmp_path, text)) == [
        {"tokens": ["a", "b"], "ner_tags": ["B", "I"], "id": "0"},
        {"tokens": ["c"], "ner_tags": ["O"], "id": "1"},
        {"tokens": ["d"], "ner_tags": ["B"], "id": "2"},
    ]


def test_tags_with_and_without_a_type_give_the_same_rows(tmp_path):
    typed, bare = "a\tB-Disease\nb\tI-Disease\nc\tB-Disease\n\n", "a\tB\nb\tI\nc\tB\n\n"
    assert read_ner(write(tmp_path, typed)) == read_ner(write(tmp_path, bare))


def test_tag_types_are_kept_and_required_in_a_corpus_with_several_types(tmp_path):
    types = {"GENE": "Gene", "Chemical": "Chemical"}
    path = write(tmp_path, "a\tB-GENE\nb\tI-GENE\nc\tB-Chemical\n")
    (row,) = read_iob(path, lambda tag: prepared_tag(tag, types))
    assert row["ner_tags"] == ["B-Gene", "I-Gene", "B-Chemical"]
    with pytest.raises(RequestError, match=r"tag 'B' is not in the task's set \(O or typed: B-GENE, B-Chemical\)"):
        list(read_iob(write(tmp_path, "a\tB\n"), lambda tag: prepared_tag(tag, types)))


def test_every_labelled_word_of_pico_gets_a_b_tag(tmp_path):
    path = write(tmp_path, "a\tI-PAR\nb\tI-PAR\nc\tO\n")
    rows = list(read_iob(path, lambda tag: begin_tag(tag, {"PAR": "PAR"})))
    assert rows[0]["ner_tags"] == ["B-PAR", "B-PAR", "O"]


def test_only_a_line_feed_ends_a_line(tmp_path):
    path = write(tmp_path, "a\u2029b\x0bc\r\nd\n")
    assert list(read_lines(path)) == [(1, "a\u2029b\x0bc\r"), (2, "d")]


@given(st.text(alphabet=st.characters(exclude_characters="\n", exclude_categories=("Cs",))))
def test_any_text_is_decoded_unchanged_except_for_a_byte_order_mark(text):
    lines = list(decode_lines(io.BytesIO(text.encode() + b"\n"), "x"))
    assert lines == [(1, text.removeprefix("\ufeff"))]


def test_spaces_at_the_end_of_a_relation_sentence_are_kept(tmp_path):
    path = write(tmp_path, "DDI.p0\t@DRUG$ and @DRUG$.  \tDDI-false\n")
    assert list(read_relations(path, ("0", "DDI-int"), "0")) == [
        {"id": "DDI.p0", "sentence": "@DRUG$ and @DRUG$.  ", "label": "0"}
    ]


@pytest.mark.parametrize("label", ["false", "CPR:false", "DDI-false"])
def test_any_relation_label_that_contains_false_is_the_negative_class(tmp_path, label):
    path = write(tmp_path, f"1\ta\t{label}\n")
    assert next(read_relations(path, ("0",), "0"))["label"] == "0"


def test_quotation_marks_in_a_table_are_ordinary_characters(tmp_path):
    path = write(tmp_path, "labels\tsentence\tindex\n" + ",".join(f"{k}_0" for k in range(10)) + '\t"a "b" c\t7_s0\n')
    assert next(read_hoc(path, 10))["sentence"] == '"a "b" c'


def test_hoc_joins_the_sentences_of_an_abstract_and_combines_their_labels(tmp_path):
    def flags(*on):
        return ",".join(f"{k}_{int(k in on)}" for k in range(10))

    rows = f"{flags(1)}\ta .\t7_s0\n{flags(3)}\tb .\t7_s1\n{flags()}\tc .\t8_s0\n"
    found = list(read_hoc(write(tmp_path, "labels\tsentence\tindex\n" + rows), 10))
    assert found[0] == {"sentence": "a . b .", "label": [0, 1, 0, 1, 0, 0, 0, 0, 0, 0], "id": "7"}
    assert found[1] == {"sentence": "c .", "label": [0] * 10, "id": "8"}


def test_tables_of_biosses_and_bioasq_are_read(tmp_path):
    path = write(tmp_path, "pair_id\tsent1\tsent2\tscore\n35\ta\u00a0b\tc\t2.0\n")
    assert list(read_biosses(path)) == [{"sentence1": "a\u00a0b", "sentence2": "c", "label": 2.0, "id": "35"}]
    path = write(tmp_path, "id1\t is it? \t yes it is\tyes\n")
    assert list(read_bioasq(path, ("yes", "no"))) == [
        {"id": "id1", "sentence1": "is it?", "sentence2": "yes it is", "label": "yes"}
    ]


def test_two_spans_get_one_common_mask_only_if_they_overlap():
    assert mask_pair("abcdef", (0, 2), (3, 5), "@D$", "@DD$") == "@D$c@D$f"
    assert mask_pair("abcdef", (0, 4), (2, 5), "@D$", "@DD$") == "@DD$f"
    assert mask_pair("abcdef", (1, 6), (2, 3), "@D$", "@DD$") == "a@DD$"


DDI_XML = """<document id="d"><sentence id="d.s0" text="aspirin and&#xd;&#xa;warfarin cream now">
<entity id="e0" charOffset="0-6"/><entity id="e1" charOffset="13-20"/><entity id="e2" charOffset="13-16;22-26"/>
<pair id="p0" e1="e0" e2="e1" ddi="true" type="effect"/><pair id="p1" e1="e1" e2="e2" ddi="false"/></sentence></document>"""


def write_ddi_archive(tmp_path, xml):
    import io
    import tarfile

    path = tmp_path / "ddi" / "DDIextraction_2013.tar.gz"
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("DDIextraction_2013/train_dataset/Med Line/My file.xml")
        member.size = len(xml.encode())
        tar.addfile(member, io.BytesIO(xml.encode()))
    listing = path.with_name("train_files.tsv")
    listing.write_text("train_dataset/Med Line/My file.xml\n", encoding="utf-8")
    return path, listing


def test_ddi_rows_are_read_from_xml_with_masked_drugs(tmp_path):
    source_format = ddi_xml_format(("0", "DDI-effect"), "0")
    rows = list(source_format.read(write_ddi_archive(tmp_path, DDI_XML), "train"))
    assert rows[0] == {"id": "p0", "sentence": "@DRUG$ and  @DRUG$ cream now", "label": "DDI-effect"}
    # A mention in several parts is masked from the start of the first part to the end of the last one. Two mentions that
    # overlap get one common mask.
    assert rows[1] == {"id": "p1", "sentence": "aspirin and  @DRUG-DRUG$ now", "label": "0"}


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<document>", "not well-formed XML"),
        (DDI_XML.replace('e1="e0"', 'e1="e9"'), "unknown entity"),
        (DDI_XML.replace('"0-6"', '"soon"'), "charOffset"),
        (DDI_XML.replace('type="effect"', 'type="cure"'), "label 'DDI-cure'"),
    ],
)
def test_broken_ddi_xml_is_refused(tmp_path, xml, words):
    with pytest.raises(RequestError, match=words):
        list(ddi_xml_format(("0", "DDI-effect"), "0").read(write_ddi_archive(tmp_path, xml), "train"))


def test_a_broken_ddi_archive_is_refused(tmp_path):
    path, listing = write_ddi_archive(tmp_path, DDI_XML)
    whole = path.read_bytes()
    path.write_bytes(whole[:60])
    with pytest.raises(RequestError, match="not a whole tar.gz"):
        list(ddi_xml_format(("0",), "0").read((path, listing), "train"))
    path.write_bytes(whole)
    listing.write_text("train_dataset/other.xml\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"train_files.tsv:1: .*other.xml is not in"):
        list(ddi_xml_format(("0",), "0").read((path, listing), "train"))


def test_the_pubmedqa_splits_have_their_official_sizes_and_share_no_question():
    answers = {str(n): ("yes" if n % 9 < 5 else "no" if n % 9 < 8 else "maybe") for n in range(1000)}
    split = split_pqal(answers)
    assert {name: len(pmids) for name, pmids in split.items()} == {"train": 450, "dev": 50, "test": 500}
    assert len({pmid for pmids in split.values() for pmid in pmids}) == 1000
    shuffled = split_pqal(dict(reversed(answers.items())))
    assert shuffled["dev"] != split["dev"], "the split depends on the order"


def test_pubmedqa_rows_hold_only_question_contexts_and_label(tmp_path):
    record = {
        "QUESTION": " q? ", "CONTEXTS": [" a. ", " ", "b."], "final_decision": "yes", "LONG_ANSWER": "SECRET",
        "reasoning_free_pred": "yes",
    }  # fmt: skip
    path = write(tmp_path, json.dumps({"1": record}), "dev_set.json")
    rows = list(pubmedqa_formats(("yes", "no", "maybe"))[0].read((path,), "dev"))
    assert rows == [{"id": "1", "sentence1": "q?", "sentence2": "a. b.", "label": "yes"}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"), ("[]", "expected one JSON object"), ("{}", "expected one JSON object"),
        ('{"1": {}}', "PMID 1: the field 'CONTEXTS' is missing"),
        ('{"1": {"CONTEXTS": [1], "QUESTION": "q", "final_decision": "yes"}}', "list of strings"),
        ('{"1": {"CONTEXTS": ["a"], "QUESTION": "q", "final_decision": "perhaps"}}', "label 'perhaps'"),
        ('{"1": {"CONTEXTS": ["a"], "QUESTION": "q", "final_decision": "yes"}}', "too few"),
    ],
)  # fmt: skip
def test_broken_pubmedqa_files_are_refused(tmp_path, text, words):
    path = write(tmp_path, text, "ori_pqal.json")
    with pytest.raises(RequestError, match=words):
        list(pubmedqa_formats(("yes", "no", "maybe"))[1].read((path,), "train"))


def test_only_yes_no_questions_and_their_snippets_are_read_from_bioasq_golden_files(tmp_path):
    questions = [
        {"id": "1", "type": "list", "body": "?", "exact_answer": [["x"]], "snippets": []},
        {"id": "2", "type": "yesno", "body": "is\nit?", "exact_answer": "yes", "snippets": [{"text": "a\nb"}, {"text": "c "}],
         "ideal_answer": "SECRET"},
    ]  # fmt: skip
    path = write(tmp_path, json.dumps({"questions": questions}), "7B1_golden.json")
    rows = list(bioasq_golden_format(("yes", "no")).read((path,), "test"))
    assert rows == [{"id": "2", "sentence1": "is it?", "sentence2": "a b c", "label": "yes"}]


def medqa_line(**changes):
    record = {
        "question": " q\nr ",
        "answer": "b",
        "options": {"D": "d", "B": "b", "A": "a", "C": "c"},
        "answer_idx": "B",
    }
    return json.dumps(record | changes) + "\n"


def test_medqa_text_is_unchanged_and_options_are_in_the_order_of_their_letters(tmp_path):
    (row,) = read_medqa(write(tmp_path, medqa_line()), "test")
    assert row == {
        "id": "test-00000", "sent1": " q\nr ", "sent2": "", "ending0": "a", "ending1": "b", "ending2": "c",
        "ending3": "d", "label": 1,
    }  # fmt: skip
    assert list(row)[:3] == ["id", "sent1", "sent2"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer_idx": "E"}, "answer from A to D"),
        ({"options": {"A": "a"}}, "expected the options A, B, C, D"),
        ({"answer": "z"}, "not that of option B"),
        ({"question": None}, "'question'"),
    ],
)
def test_broken_medqa_lines_are_refused_with_their_number(tmp_path, changes, words):
    path = write(tmp_path, medqa_line() + medqa_line(**changes))
    with pytest.raises(RequestError, match=f"{path}:2: .*{words}"):
        list(read_medqa(path, "test"))


def test_mmlu_csv_files_with_and_without_a_header_give_the_same_rows(tmp_path):
    official = write(tmp_path, '"a ""b"", c",w,x,y,z,D\r\nd,w,x,y,z,A', "o.csv")
    serialised = write(
        tmp_path, 'question,choice0,choice1,choice2,choice3,answer\n"a ""b"", c",w,x,y,z,3\nd,w,x,y,z,0\n', "s.csv"
    )
    rows = list(read_mmlu_csv(official, "test"))
    assert rows == list(read_mmlu_csv(serialised, "test")) and rows[0]["sent1"] == 'a "b", c' and rows[0]["label"] == 3
    assert [row["id"] for row in rows] == ["professional_medicine_test-00000", "professional_medicine_test-00001"]


@pytest.mark.parametrize(("text", "words"), [("a,b\n", "found 2"), ("q,a,b,c,d,E\n", "found 'E'"), ('"q,a', "not CSV")])
def test_broken_mmlu_csv_files_are_refused(tmp_path, text, words):
    with pytest.raises(RequestError, match=words):
        list(read_mmlu_csv(write(tmp_path, text), "test"))


def test_mmlu_is_read_from_parquet_and_a_damaged_file_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "test-00000-of-00001.parquet"
    pq.write_table(
        pa.table({"question": ["q"], "subject": ["s"], "choices": [["a", "b", "c", "d"]], "answer": [2]}), path
    )
    (row,) = read_mmlu_parquet(path, "test")
    assert row["label"] == 2 and row["ending3"] == "d"
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(RequestError, match="not a Parquet file"):
        list(read_mmlu_parquet(path, "test"))


def test_prepared_lines_have_the_same_bytes_as_in_the_release_of_the_authors():
    row = {"id": "1", "sentence": 'é\u2029"', "label": "0"}
    assert prepared_line(row) == b'{"id": "1", "sentence": "\\u00e9\\u2029\\"", "label": "0"}\n'


@given(st.lists(st.text(max_size=20), min_size=1, max_size=10))
def test_prepared_rows_are_unchanged_after_writing_and_reading(texts):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.json"
        rows = [{"id": str(number), "sentence": text} for number, text in enumerate(texts)]
        path.write_bytes(b"".join(map(prepared_line, rows)))
        assert list(read_examples(path, dict)) == rows


line_noise = st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode))


@given(line_noise)
def test_arbitrary_bytes_are_read_or_refused_with_an_error_that_names_the_file(noise):
    import tempfile
    from pathlib import Path

    readers = [
        lambda path: read_iob(path, lambda tag: prepared_tag(tag, TYPES)),
        lambda path: read_relations(path, ("0", "1"), "0"),
        read_biosses,
        lambda path: read_hoc(path, 10),
        lambda path: read_bioasq(path, ("yes", "no")),
        lambda path: read_medqa(path, "test"),
        lambda path: read_mmlu_csv(path, "test"),
        lambda path: pubmedqa_formats(("yes", "no", "maybe"))[0].read((path,), "dev"),
        lambda path: bioasq_golden_format(("yes", "no")).read((path,), "test"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise"
        path.write_bytes(noise)
        for read in readers:
            try:
                assert all(isinstance(row, dict) for row in read(path))
            except RequestError as error:
                assert str(path) in str(error)
