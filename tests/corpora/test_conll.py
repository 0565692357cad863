"""Token-per-line files: their columns, their tag schemes, and what is refused."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora.conll import bio_tags, read_conll
from linkbert.errors import RequestError
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

WORD = st.text(st.characters(exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc"), exclude_characters="#"), min_size=1)
TYPES = ("Disease", "Cell-Line")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("conll") / "train.conll"


def read(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_conll(path))


@given(
    st.lists(st.lists(st.tuples(WORD, WORD, WORD), min_size=1, max_size=4), min_size=1, max_size=4),
    st.sampled_from((" ", "\t", "  ")), st.sampled_from(("\n", "\r\n")), st.sampled_from(("", "\ufeff")),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_again(path, sentences, separator, end, mark):
    text = mark + end.join(end.join(separator.join(row) for row in rows) + end for rows in sentences)
    found = read(path, text)
    assert [[tuple(row) for row in sentence.rows] for sentence in found] == sentences
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    for sentence in found:
        assert all(lines[line - 1].startswith(row[0]) for line, row in zip(sentence.lines, sentence.rows))


@given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(
    [b"a", b"O", b"\t", b" ", b"\n", b"\r\n", b"#", b"-DOCSTART-", b"\xff", b"\xc2\xa0", b"\xef\xbb\xbf", b"\0", b"B-X"]
), max_size=30).map(b"".join)))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(path, content):
    path.write_bytes(content)
    try:
        for sentence in read_conll(path):
            assert len(sentence.rows) == len(sentence.lines) > 0
    except RequestError as error:
        assert "train.conll" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a B-X\nb\n", r"train.conll:2: expected 2 columns, separated by spaces, found 1; correct the line"),
        ("a\tNN\tO\nb c O\n", r"train.conll:2: expected 3 columns, separated by tabs, found 1"),
        ("a\nb\n", r"train.conll:1: expected 2 columns"),
        ("", "the file is empty"),
        (b"a O\n\xff O\n", "train.conll:2: not UTF-8"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(path, text, message):
    with pytest.raises(RequestError, match=message):
        read(path, text)


def test_comments_are_left_out_and_tokens_that_look_like_one_are_kept(path):
    (first, second) = read(path, "# O\n7 O\n\n# sent_id = 3\n# O\nb B-X\n")
    assert first.rows == [["#", "O"], ["7", "O"]]
    assert second.rows == [["#", "O"], ["b", "B-X"]] and second.lines == [5, 6]


def test_a_comment_with_as_many_words_as_there_are_columns_is_left_out(path):
    """A word `#` is kept wherever it has a tag, or stands in a sentence."""
    (first, second) = read(path, "# 3\na O\n# NN\n\n# B-X\nb O\n")
    assert first.rows == [["a", "O"], ["#", "NN"]]
    assert second.rows == [["#", "B-X"], ["b", "O"]]


def test_words_alone_may_be_read(path):
    path.write_text("#\nthe\n\n# a comment\npain\n", encoding="utf-8")
    assert [sentence.rows for sentence in read_conll(path, least=1)] == [[["#"], ["the"]], [["pain"]]]


def test_a_no_break_space_belongs_to_its_word(path):
    assert read(path, "10\u00a0mg O\n")[0].rows == [["10\u00a0mg", "O"]]


def test_document_markers_number_the_documents(path):
    found = read(path, "u O\n\n-DOCSTART- -X- O\n\na O\n\nb O\n-DOCSTART-\nc O\n")
    assert [(sentence.document, sentence.rows[0][0]) for sentence in found] == [(0, "u"), (1, "a"), (1, "b"), (2, "c")]


def test_a_document_may_have_a_name(path):
    found = read(path, "-DOCSTART- -X- -X- O\n\na O\n\n-DOCSTART- (10002)\n\nb O\n\nc O\n-DOCSTART- O\n\nd O\n")
    assert [sentence.name for sentence in found] == [None, "10002", "10002", None]


# --- tag schemes ---------------------------------------------------------------------------------------------------


@st.composite
def spans_of_a_sentence(draw):
    """Draw entities (first word, word after the last one, type) of a sentence of ten words, some of them adjacent."""
    ends = sorted(draw(st.sets(st.integers(0, 10), min_size=2, max_size=7)))
    return [(a, b, draw(st.sampled_from(TYPES))) for a, b in itertools.pairwise(ends) if draw(st.booleans())]


def in_scheme(spans, single, first, inner, last):
    tags = ["O"] * 10
    for start, after, kind in spans:
        prefixes = [single] if after - start == 1 else [first, *[inner] * (after - start - 2), last]
        tags[start:after] = [f"{prefix}-{kind}" for prefix in prefixes]
    return tags


@pytest.mark.parametrize("prefixes", ["BBII", "SBIE", "UBIL", "SBME"])
@given(spans=spans_of_a_sentence())
@settings(max_examples=40, deadline=None)
def test_every_scheme_gives_the_entities_that_were_written(prefixes, spans):
    found = bio_tags(in_scheme(spans, *prefixes))
    assert [(start, end + 1, kind) for kind, start, end in get_entities(found)] == spans


@pytest.mark.parametrize("prefixes,scheme", [("BBII", IOB2), ("SBIE", IOBES), ("UBIL", BILOU)])
@given(spans=spans_of_a_sentence())
@settings(max_examples=20, deadline=None)
def test_schemes_are_understood_as_by_seqeval(prefixes, scheme, spans):
    tags = in_scheme(spans, *prefixes)
    theirs = [(e.start, e.end, e.tag) for e in Entities([tags], scheme).entities[0]]
    assert [(start, end + 1, kind) for kind, start, end in get_entities(bio_tags(tags))] == theirs


def test_iob1_begins_an_entity_with_i_unless_it_touches_another_one():
    tags = ["I-X", "I-X", "B-X", "I-X", "I-Y", "O", "I-Y"]
    theirs = [(e.start, e.end, e.tag) for e in Entities([tags], IOB1).entities[0]]
    assert bio_tags(tags) == ["B-X", "I-X", "B-X", "I-X", "B-Y", "O", "B-Y"]
    assert [(start, end + 1, kind) for kind, start, end in get_entities(bio_tags(tags))] == theirs


def test_a_tag_without_a_type_is_an_entity_and_an_unknown_one_is_refused_with_its_position():
    assert bio_tags(["B", "I", "o", "S"]) == ["B-Entity", "I-Entity", "O", "B-Entity"]
    for tag in ("NN", "B-", "-X", "", "X-Disease", "B_Disease"):
        with pytest.raises(ValueError, match="neither O nor a prefix") as caught:
            bio_tags(["O", tag])
        assert caught.value.args[1] == 1
