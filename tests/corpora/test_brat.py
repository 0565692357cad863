"""BRAT folders: texts with mentions and relations, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora.annotated import Document, paragraphs
from linkbert.corpora.brat import read_brat, read_brat_document, write_brat
from linkbert.errors import RequestError

TEXT = "Aspirin cures pain.\nWomen took it.\n"
LETTERS = st.text(st.sampled_from("ab \n\r\U0001f600\u00e9"), min_size=1, max_size=30)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "brat"


def write(folder, ann, text=TEXT, name="d"):
    path = folder / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.with_suffix(".ann").write_bytes(ann.encode() if isinstance(ann, str) else ann)


def spans_in(text):
    """Draw spans that do not begin or end with white space."""
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    pairs = [(a, b + 1) for a in places for b in places if a <= b]
    return st.lists(st.sampled_from(pairs), max_size=4) if pairs else st.just([])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again(tmp_path_factory, data):
    text = data.draw(LETTERS)
    spans = data.draw(spans_in(text))
    folder = tmp_path_factory.getbasetemp() / "brat-written"
    # BRAT writes a line end inside of a mention as a space.
    ann = "".join(
        f"T{number}\tX{number % 2} {start} {after}\t{' '.join(text[start:after].splitlines())}\n"
        for number, (start, after) in enumerate(spans)
    )
    write(folder, ann, text)
    (document,) = read_brat(folder)
    assert document.text == text and document.key == "d"
    found = {(mention.key, mention.start, mention.end, mention.kind) for mention in document.mentions}
    assert found == {(f"T{number}", start, after, f"X{number % 2}") for number, (start, after) in enumerate(spans)}
    # No mention is cut by the passages in which examples are made.
    parts = list(paragraphs(document))
    assert all(sum(start <= m.start and m.end <= end for start, end in parts) == 1 for m in document.mentions)


@given(st.one_of(st.binary(max_size=50), st.lists(st.sampled_from(
    [b"T1", b"R1", b"\t", b" ", b"0", b"7", b";", b"X", b"Arg1:T1", b"Arg2:T1", b"\n", b"9" * 5000, b"\xff", b"Aspirin", b"#"]
), max_size=14).map(b"".join)))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_annotation_is_read_or_refused(tmp_path_factory, ann):
    folder = tmp_path_factory.getbasetemp() / "brat-any"
    write(folder, ann)
    try:
        read_brat_document(folder / "d.txt", folder / "d.ann", "d")
    except RequestError as error:
        assert "d.ann" in str(error)


@pytest.mark.parametrize(
    ("ann", "message"),
    [
        ("\nT1\tDrug 0 70\tAspirin\n", r"d.ann:2: the span 0 to 70 of Drug T1 lies outside its text, which has 35"),
        ("T1\tDrug 1 8\tAspirin\n", r"d.ann:1: Drug T1 should be 'Aspirin', but its text has 'spirin '"),
        ("T1\tDrug 7 7\t\n", "d.ann:1: the span 7 to 7 of Drug T1 is empty"),
        ("T1\tDrug 7 8\t \n", "d.ann:1: the span 7 to 8 of Drug T1 holds only white space"),
        ("T1\tDrug 0 3;5 99\tAsp in\n", "d.ann:1: the span 5 to 99 of Drug T1 lies outside its text"),
        ("T1\tDrug 0 " + "9" * 5000 + "\tAspirin\n", "d.ann:1: expected `T1<TAB>TYPE START END<TAB>TEXT`"),
        ("T1\tDrug 0 7\tAspirin\nT1\tPain 14 18\tpain\n", "d.ann:2: the id T1 occurs twice"),
        ("T1\tDrug 0 7\tAspirin\nR1\tcures Arg1:T1 Arg2:T9\n", "d.ann:2: the relation names T9"),
        ("R1\tcures T1 T2\n", "d.ann:1: expected `R1<TAB>TYPE Arg1:T1 Arg2:T2`"),
        ("hello\n", "d.ann:1: not a line of a BRAT file"),
        (b"T1\tDr\xfcg 0 7\tAspirin\n", "d.ann:1: not UTF-8"),
    ],
)
def test_a_wrong_annotation_is_refused_with_file_and_line(folder, ann, message):
    write(folder, ann)
    with pytest.raises(RequestError, match=message):
        list(read_brat(folder))


def test_a_discontinuous_mention_reaches_from_its_first_piece_to_its_last(folder):
    write(folder, "T1\tDrug 4 7;0 3\tAsp rin\n")
    ((mention,),) = (document.mentions for document in read_brat(folder))
    assert (mention.start, mention.end, mention.pieces) == (0, 7, 2)


def test_a_text_in_another_encoding_is_refused_with_its_line(folder):
    write(folder, "", "fine\npa\u00eds".encode("latin-1"))
    with pytest.raises(RequestError, match=r"d.txt:2: not UTF-8 \(byte 0xed\)"):
        list(read_brat(folder))


def test_a_byte_order_mark_is_no_character(folder):
    write(folder, "T1\tDrug 0 7\tAspirin\n", b"\xef\xbb\xbfAspirin\n")
    assert next(read_brat(folder)).text == "Aspirin\n"


def test_subfolders_empty_annotations_and_windows_line_ends_are_read(folder):
    write(folder, "", name="a/d")
    write(folder, "T1\tDrug 0 7\tAspirin\r\nR1\tx Arg1:E1 Arg2:T1\r\nE1\tDrug:T1\r\n#1\tNote\r\n", name="b/d")
    first, second = read_brat(folder)
    assert (first.key, first.mentions) == ("a/d", ())
    assert (second.key, len(second.mentions), second.relations) == ("b/d", 1, ())


def test_a_text_without_annotations_is_refused_by_name(folder):
    write(folder, "")
    (folder / "README.txt").write_text("how")
    with pytest.raises(RequestError, match="README.txt: its annotation file README.ann is missing"):
        list(read_brat(folder))


def test_a_mention_across_a_line_end_joins_the_lines(folder):
    write(folder, "T1\tX 14 25\tpain. Women\n", TEXT + "Third line.\n")
    (document,) = read_brat(folder)
    assert list(paragraphs(document)) == [(0, 34), (35, 46)]


def test_a_document_is_not_written_outside_of_the_folder(tmp_path):
    with pytest.raises(RequestError, match=r"'\.\./escaped' would be a file outside of"):
        write_brat(tmp_path / "out", Document("../escaped", "pain", "x.pubtator", (), ()))
    assert not list(tmp_path.iterdir())
