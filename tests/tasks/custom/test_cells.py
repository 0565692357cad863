"""The cells of tables: which column holds what, and what each family makes of a record."""

import pytest
from linkbert.errors import RequestError
from linkbert.tasks.custom.cells import Cells, Columns, find_columns
from linkbert.tasks.custom.kinds import KINDS
from linkbert.tasks.custom.table_rows import separator_of


def row_of(family, record, names=None, **options):
    kind = KINDS[family]
    names = find_columns(kind.columns, kind.needs, names or {}, list(record), "d.csv:1")
    return kind.convert(Cells("d.csv:7", record, Columns(names, **options)))


# --- columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "record", "found"),
    [
        ("classification", {"Text": "a", "LABEL": "x"}, {"text": "Text", "label": "LABEL"}),
        ("classification", {"abstract": "a", "pmid": "1", "outcome": "x"}, {"text": "abstract", "label": "outcome", "document": "pmid"}),
        ("pair", {"sentence1": "a", "sentence2": "b", "label": "x"}, {"text": "sentence1", "text_pair": "sentence2", "label": "label"}),
        ("extractive-qa", {"question": "a", "context": "b", "answer": "x"}, {"question": "question", "context": "context", "answers": "answer"}),
    ],
)  # fmt: skip
def test_usual_names_of_columns_are_recognised(family, record, found):
    kind = KINDS[family]
    assert find_columns(kind.columns, kind.needs, {}, list(record), "x") == found


def test_a_named_column_is_not_taken_for_something_else_because_of_its_usual_name():
    """An `id` column that repeats could not be declared to hold documents."""
    kind = KINDS["classification"]
    found = find_columns(kind.columns, kind.needs, {"document": "id"}, ["id", "text", "label"], "x")
    assert found == {"text": "text", "label": "label", "document": "id"}


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"text": "txt"}, "d.csv:1: no column 'txt' for text; did you mean text?"),
        ({"text": 7}, "d.csv:1: no column 7 for text; there are text, outcome2"),
        (
            {},
            r"d.csv:1: which column holds label\? Name it under \[columns\] of the task file; there are text, outcome2",
        ),
    ],
)
def test_a_column_that_is_not_there_is_refused(named, message):
    with pytest.raises(RequestError, match=message):
        row_of("classification", {"text": "a", "outcome2": "x"}, named)


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "label"), [("yes", "yes"), (" yes ", "yes"), (1, "1"), (1.0, "1"), (True, "True")])
def test_labels_are_texts(value, label):
    assert row_of("classification", {"text": "a", "label": value}) == {"text": "a", "label": label}


@pytest.mark.parametrize("value", [None, "", " ", 0.5, float("nan"), float("inf"), ["a"], b"a", {}])
def test_what_is_not_a_label_is_refused(value):
    with pytest.raises(RequestError, match=r"d.csv:7: the column 'label' \(label\) should be a label, found"):
        row_of("classification", {"text": "a", "label": value})


@pytest.mark.parametrize("value", [None, 5, ["a"], b"a", float("nan")])
def test_what_is_not_a_text_is_refused(value):
    with pytest.raises(RequestError, match=r"d.csv:7: the column 'text' \(text\) should be a text, found"):
        row_of("classification", {"text": value, "label": "x"})


@pytest.mark.parametrize(
    ("value", "labels"),
    [("a; b;a", ["a", "b"]), ("a|b", ["a", "b"]), ("", []), (None, []), (["b", "a "], ["b", "a"]), ('["a", "b"]', ["a", "b"]), ("a b", ["a b"])],
)  # fmt: skip
def test_several_labels_in_one_cell(value, labels):
    assert row_of("multi-label", {"text": "t", "labels": value})["label"] == labels


def test_a_separator_and_one_column_for_each_label():
    assert row_of("multi-label", {"text": "t", "labels": "a; b/c"}, separator="/")["label"] == ["a; b", "c"]
    record = {"text": "t", "a": "1", "b": 0, "c": True, "d": 1.0}
    assert row_of("multi-label", record, {"labels": list("abcd")})["label"] == ["a", "c", "d"]
    with pytest.raises(RequestError, match="should hold 0 or 1 in 'a', found '2'"):
        row_of("multi-label", record | {"a": 2}, {"labels": list("abcd")})


@pytest.mark.parametrize("value", ["[a", '["a", null]', '["a", 1]', ["a", None], "[" * 99_999, 5, float("nan")])
def test_broken_lists_of_labels_are_refused(value):
    with pytest.raises(RequestError, match=r"d.csv:7: the column 'labels' \(labels\)"):
        row_of("multi-label", {"text": "t", "labels": value})


def test_a_number_of_a_pair():
    assert row_of("similarity", {"text": "a", "text_pair": "b", "score": "2.5"})["label"] == 2.5
    for value in (None, "high", True, ["1"]):
        if value is not True:
            with pytest.raises(RequestError, match="should be a number"):
                row_of("similarity", {"text": "a", "text_pair": "b", "score": value})


# --- multiple choice -----------------------------------------------------------------------------------------------


def answer(value, options=("w", "x", "y"), **settings):
    return row_of("choice", {"question": "q", "options": list(options), "answer": value}, **settings)["label"]


@pytest.mark.parametrize(("value", "settings"), [
    ("B", {}), ("b", {}), (1, {}), ("1", {}), ("x", {}), (1.0, {}), (2, {"first_answer": 1}), ("2", {"first_answer": 1}), ("B", {"first_answer": "A"}),
])  # fmt: skip
def test_the_answer_is_a_letter_a_number_or_a_text(value, settings):
    assert answer(value, **settings) == 1


@pytest.mark.parametrize("count", [2, 26])
def test_two_to_twenty_six_options(count):
    options = [f"option {number}" for number in range(count)]
    assert answer(chr(ord("A") + count - 1), options) == answer(options[-1], options) == count - 1


@pytest.mark.parametrize("count", [0, 1, 27])
def test_fewer_or_more_options_are_refused(count):
    with pytest.raises(RequestError, match=f"has {count} options, expected 2 to 26"):
        answer("A", ["x"] * count)


@pytest.mark.parametrize("value", ["D", 3, -1, "-1", True, "z", None, "", "9" * 5000])
def test_an_answer_that_names_no_option_is_refused(value):
    with pytest.raises(RequestError, match=r"d.csv:7: the column 'answer' \(answer\) should be a"):
        answer(value)


def test_a_number_is_not_the_text_of_another_option():
    """`3` with the options 0, 1, 3 and 4 was taken for the third option."""
    assert answer(3, ["0", "1", "3", "4"]) == 3
    assert answer("3", ["0", "1", "3", "4"], first_answer=0) == 3
    assert answer("20", ["10", "20", "30"]) == answer(20, ["10", "20", "30"]) == 1


def columns_answer(record, value, **settings):
    names = {"question": "question", "options": ["A", "B", "C", "D"], "answer": "answer"}
    return row_of("choice", {"question": "q", **record, "answer": value}, names, **settings)


def test_an_empty_column_is_no_option_and_the_others_keep_their_letters():
    record = {"A": "a0", "B": "", "C": "c0", "D": "d0"}
    for value in ("C", "c0", "2"):
        row = columns_answer(record, value)
        assert row["options"][row["label"]] == "c0" and row["options"] == ["a0", "c0", "d0"]
    assert columns_answer(record, "3", first_answer=1)["label"] == 1
    with pytest.raises(RequestError, match="should be a letter"):
        columns_answer(record, "B")


def test_the_letters_of_an_object_name_its_options():
    options = {"D": "d0", "A": "a0", "B": "b0", "C": "c0"}
    for value, text in (("B", "b0"), ("D", "d0"), ("1", "b0"), ("c0", "c0")):
        row = row_of("choice", {"question": "q", "options": options, "answer": value})
        assert row["options"][row["label"]] == text
    named = {"question": "q", "options": {"op1": "x", "op2": "y"}, "answer": "op2"}
    assert row_of("choice", named)["label"] == 1


def test_a_column_has_one_separator():
    assert separator_of(["pain, chronic; fever", "nausea"]) == ";"
    assert separator_of(["pain, fever", "nausea"]) == "," and separator_of(["pain", None]) == ";"


@pytest.mark.parametrize(("value", "options"), [("3", ["0", "1", "3", "4"]), ("A", ["E", "A", "D", "K"])])
def test_an_answer_that_can_be_read_in_two_ways_is_refused_until_the_task_file_tells(value, options):
    with pytest.raises(RequestError, match='stands for one option and is the text of another; .* first_answer = "A"'):
        answer(value, options)
    assert answer("A", ["E", "A", "D", "K"], first_answer="A") == 0


def test_options_in_several_columns_may_be_fewer_in_some_questions():
    record = {"question": "q", "a": "w", "b": "x", "c": "", "answer": "B"}
    assert row_of("choice", record, {"options": ["a", "b", "c"]}) == {
        "question": "q",
        "options": ["w", "x"],
        "label": 1,
    }
    assert row_of("choice", {"question": "q", "options": {"A": "w", "B": "x"}, "answer": "B"})["label"] == 1


# --- spans ---------------------------------------------------------------------------------------------------------


def test_spans_of_a_text_become_tags():
    record = {
        "text": "Aspirin cures",
        "entities": [{"start": 0, "end": 7, "label": "Drug", "text": "Aspirin"}, [8, 13, "Verb"]],
    }
    assert row_of("ner", record) == {"tokens": ["Aspirin", "cures"], "ner_tags": ["B-Drug", "B-Verb"], "notes": []}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([0, 70, "Drug"], "d.csv:7: the span 0 to 70 of Drug span 1 lies outside its text, which has 13 characters"),
        ({"start": 0, "end": 7, "label": "Drug", "text": "Heparin"}, "Drug span 1 should be 'Heparin'"),
        ({"start": "0", "end": 7, "label": "Drug"}, r"expected \{start, end, label\} or \[start, end, label\]"),
        ([0, 7, ""], "expected"), ([0], "expected"), ("x", "expected"), ([True, 7, "Drug"], "expected"),
    ],
)  # fmt: skip
def test_wrong_spans_are_refused(item, message):
    with pytest.raises(RequestError, match=message):
        row_of("ner", {"text": "Aspirin cures", "entities": [item]})


def test_words_and_tags_of_different_number_or_with_unknown_tags_are_refused():
    assert row_of("ner", {"tokens": ["a", "b"], "tags": ["I-X", "O"]})["ner_tags"] == ["B-X", "O"]
    with pytest.raises(RequestError, match="has 1 tags for 2 tokens"):
        row_of("ner", {"tokens": ["a", "b"], "tags": ["O"]})
    with pytest.raises(RequestError, match="d.csv:7: the tag 'NN' is neither O"):
        row_of("ner", {"tokens": ["a"], "tags": ["NN"]})


def test_a_relation_is_marked_where_its_mentions_are_given_and_grouped_by_its_text():
    record = {
        "text": "a cures b",
        "first": {"start": 0, "end": 1, "label": "Drug"},
        "second": [8, 9, "Pain"],
        "label": "cures",
    }
    row = row_of("relation", record, marks="masks")
    assert row == {"text": "@DRUG$ cures @PAIN$", "label": "cures", "group": "a cures b"}
    assert row_of("relation", {"text": "@DRUG$ cures", "label": "cures"}) == {"text": "@DRUG$ cures", "label": "cures"}


# --- answers -------------------------------------------------------------------------------------------------------

CONTEXT = "a cat and a dog"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("cat", (["cat"], [2])), ("", ([], [])), (None, ([], [])), ([], ([], [])),
        ({"text": ["cat"], "answer_start": [2]}, (["cat"], [2])),
        ([{"text": "cat", "answer_start": 2}, {"text": "dog", "answer_start": 12}], (["cat", "dog"], [2, 12])),
    ],
)  # fmt: skip
def test_answers_in_any_form(answers, expected):
    row = row_of("extractive-qa", {"question": "q", "context": CONTEXT, "answers": answers})
    assert (row["answers"]["text"], row["answers"]["answer_start"]) == expected


@pytest.mark.parametrize(("text", "count"), [("a", 4), ("bird", 0)])
def test_an_answer_without_a_position_occurs_once(text, count):
    with pytest.raises(RequestError, match=f"'{text}' stands {count} times in the context, expected once"):
        row_of("extractive-qa", {"question": "q", "context": CONTEXT, "answers": text})


@pytest.mark.parametrize("start", ["nan", "inf", "2.5", "x", None])
def test_a_position_is_a_whole_number(start):
    record = {"question": "q", "context": CONTEXT, "answers": "a", "answer_start": start}
    assert row_of("extractive-qa", record | {"answer_start": "10"})["answers"]["answer_start"] == [10]
    with pytest.raises(RequestError, match=r"d.csv:7: the column 'answer_start' \(answer_start\) should be a"):
        row_of("extractive-qa", record)
