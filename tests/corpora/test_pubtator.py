"""PubTator files: articles with mentions and relations between concepts, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora.pubtator import read_pubtator
from linkbert.errors import RequestError

ARTICLE = (
    "1|t|Aspirin\n1|a|It cures pain.\n1\t0\t7\tAspirin\tDrug\tD1\n1\t17\t21\tpain\tPain\tD2|D3\n1\tcures\tD1\tD2\n"
)
WORDS = st.lists(st.text(st.sampled_from("ab|-\u00e9\U0001f600"), min_size=1, max_size=4), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("pubtator") / "train.txt"


def read(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_pubtator(path))


def test_title_and_abstract_are_one_text_and_mentions_name_their_concepts(path):
    (document,) = read(path, ARTICLE)
    assert document.text == "Aspirin It cures pain." and document.passages == ((0, 7), (8, 22))
    assert [(m.kind, document.text[m.start : m.end], m.concepts, m.where) for m in document.mentions] == [
        ("Drug", "Aspirin", ("D1",), f"{path}:3"), ("Pain", "pain", ("D2", "D3"), f"{path}:4"),
    ]  # fmt: skip
    assert [(r.kind, r.first, r.second) for r in document.relations] == [("cures", "D1", "D2")]


@given(st.lists(st.tuples(WORDS, WORDS, st.data()), min_size=1, max_size=3), st.sampled_from(("\n", "\r\n")))
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_again(path, articles, end):
    lines, expected = [], []
    for number, (title, abstract, data) in enumerate(articles):
        text = " ".join(title + abstract)
        first = data.draw(st.integers(0, len(text) - 1).filter(lambda place, text=text: text[place] != " "))
        lines += [f"{number}|t|{' '.join(title)}", f"{number}|a|{' '.join(abstract)}"]
        lines += [f"{number}\t{first}\t{first + 1}\t{text[first]}\tKind\t-", ""]
        expected.append((str(number), text, first))
    found = read(path, end.join(lines))
    assert [(d.key, d.text, d.mentions[0].start) for d in found] == expected
    assert all(d.mentions[0].concepts == () for d in found)


@given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(
    [b"1", b"2", b"|t|", b"|a|", b"\t", b"0", b"Aspirin", b"\n", b"\r\n", b"9" * 5000, b"\xff", b"Drug", b"|"]
), max_size=20).map(b"".join).map(lambda tail: ARTICLE.encode() + tail)))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(path, content):
    path.write_bytes(content)
    try:
        list(read_pubtator(path))
    except RequestError as error:
        assert "train.txt" in str(error)


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("1\t0\t70\tAspirin\tDrug\tD1\n", "train.txt:6: the span 0 to 70 of Drug 0-70-3 lies outside its text"),
        ("1\t0\t6\tAspirin\tDrug\tD1\n", "train.txt:6: Drug 0-6-3 should be 'Aspirin', but its text has 'Aspiri'"),
        ("1\t0\t" + "9" * 5000 + "\tAspirin\tDrug\tD1\n", "train.txt:6: expected a mention"),
        ("1\t0\t7\tAspirin\t\tD1\n", "train.txt:6: the mention 'Aspirin' has no type"),
        ("2\t0\t7\tAspirin\tDrug\tD1\n", "train.txt:6: an annotation of '2' below the text of '1'"),
        ("2|a|Another one.\n", "train.txt:6: an abstract of '2' below the title of '1'"),
        ("1|a|Another one.\n", "train.txt:6: a second abstract of '1'"),
        ("1\t0\n", "train.txt:6: expected a mention .* found 2 fields"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(path, tail, message):
    with pytest.raises(RequestError, match=message):
        read(path, ARTICLE + tail)


def test_a_file_that_does_not_begin_with_a_title_is_refused(path):
    with pytest.raises(RequestError, match=r"train.txt:2: expected a line PMID\|t\|TITLE, found 'text,label'"):
        read(path, "\ntext,label\n")
