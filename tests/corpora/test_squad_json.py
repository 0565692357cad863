"""SQuAD files of both versions, and what is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora.squad_json import read_squad
from linkbert.errors import RequestError

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
QUESTION = {"id": "q1", "question": "Who?", "answers": [{"text": "cat", "answer_start": 4}]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("squad") / "train.json"


def read(path, *questions, context="The cat.", title="a"):
    article = {"title": title, "paragraphs": [{"context": context, "qas": questions}]}
    path.write_text(json.dumps({"version": "v2.0", "data": [article]}), encoding="utf-8")
    return list(read_squad(path))


@given(TEXT, st.lists(st.tuples(TEXT, st.lists(st.tuples(TEXT, st.integers(0, 99)), max_size=2)), max_size=3))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_again(path, context, questions):
    written = [
        {"id": str(number), "question": question, "answers": [{"text": t, "answer_start": s} for t, s in answers]}
        for number, (question, answers) in enumerate(questions)
    ]
    found = [row for _, row in read(path, *written, context=context)]
    assert [
        (row["question"], list(zip(row["answers"]["text"], row["answers"]["answer_start"]))) for row in found
    ] == questions
    assert all(row["context"] == context and row["document"] == "a" for row in found)


def test_a_title_that_all_articles_have_is_no_document(path):
    articles = [
        {"title": "BioASQ", "paragraphs": [{"context": "The cat.", "qas": [QUESTION | {"id": str(n)}]}]}
        for n in range(2)
    ]
    path.write_text(json.dumps({"data": articles}))
    assert ["document" in row for _, row in read_squad(path)] == [False, False]
    path.write_text(json.dumps({"data": [articles[0], articles[1] | {"title": "b"}]}))
    assert [row["document"] for _, row in read_squad(path)] == ["BioASQ", "b"]


def test_a_question_without_an_answer_has_none_even_if_plausible_ones_are_listed(path):
    ((_, row),) = read(path, QUESTION | {"is_impossible": True})
    assert row["answers"] == {"text": [], "answer_start": []}


@given(st.binary(max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_read_or_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(RequestError, match="train.json"):
        list(read_squad(path))


@given(
    st.sampled_from(["id", "question", "answers", "is_impossible"]),
    st.sampled_from([None, 1, 1.5, "x", [], [1], {}, [{}], True]),
)
@settings(max_examples=50, deadline=None)
def test_a_field_with_any_value_is_read_or_refused(path, key, value):
    try:
        read(path, QUESTION | {key: value})
    except RequestError as error:
        assert "train.json: article 1, paragraph 1, question" in str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"data": [', r"train.json:1: not JSON"),
        ("[]", "not a SQuAD file, it has no field 'data'"),
        ('{"data": [{"title": "a"}]}', "train.json: article 1: the field 'paragraphs' is missing"),
        ('{"data": [{"paragraphs": [{"context": 5}]}]}', "article 1, paragraph 1: the field 'context' should be str"),
        ('{"data": [{"paragraphs": [{"context": "", "qas": [5]}]}]}', "question : the field 'answers' is missing"),
        ('{"data": NaN}', "not strict JSON"),
    ],
)
def test_another_structure_is_refused_with_its_place(path, content, message):
    path.write_text(content)
    with pytest.raises(RequestError, match=message):
        list(read_squad(path))


def test_untitled_articles_of_two_files_are_two_and_answers_may_be_missing(tmp_path):
    question = {"id": "1", "question": "q"}
    for name in ("train.json", "dev.json"):
        content = {"data": [{"paragraphs": [{"context": "c", "qas": [question]}]}]}
        (tmp_path / name).write_text(json.dumps(content))
    found = [next(read_squad(tmp_path / name, labelled=False))[1] for name in ("train.json", "dev.json")]
    assert len({row["document"] for row in found}) == 2 and found[0]["answers"]["text"] == []
    with pytest.raises(RequestError, match="answers"):
        list(read_squad(tmp_path / "dev.json"))
