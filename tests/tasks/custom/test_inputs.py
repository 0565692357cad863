"""Inputs of `predict` are read by the names that the training data had."""

import pytest
from linkbert.tasks.custom.inputs import as_prepared, input_columns


def test_columns_of_inputs_are_kept_and_those_of_labels_are_not():
    assert input_columns("classification", {"text": "note", "label": "outcome", "id": "n"}) == {"text": "note"}
    assert input_columns("choice", {"question": "q", "options": ["a", "b"], "answer": "k"}) == {
        "question": "q",
        "options": ["a", "b"],
    }
    assert input_columns("classification", {"text": 0, "label": 1}) == {}, "a table without a header names nothing"


@pytest.mark.parametrize(
    ("definition", "row", "expected"),
    [
        ({"family": "classification", "columns": {"text": "note"}}, {"note": "a"}, {"text": "a"}),
        ({"family": "classification", "columns": {"text": "note"}}, {"text": "a", "note": "b"}, {"text": "a"}),
        ({"family": "classification"}, {"abstract": "a"}, {"text": "a"}),
        ({"family": "pair"}, {"sentence1": "a", "sentence2": "b"}, {"text": "a", "text_pair": "b"}),
        ({"family": "choice", "columns": {"options": ["opa", "opb"]}}, {"question": "q", "opa": "x", "opb": "y"},
         {"question": "q", "options": ["x", "y"]}),
        ({"family": "choice"}, {"question": "q", "options": {"A": "x", "B": "y"}}, {"options": ["x", "y"]}),
        ({"family": "choice", "columns": {"options": ["opa", "opb"]}}, {"question": "q", "options": ["x", "y"]},
         {"options": ["x", "y"]}),
        ({"family": "extractive-qa", "columns": {"context": "body"}}, {"question": "q", "body": "c"}, {"context": "c"}),
        ({"family": "ner", "columns": {"tokens": "words"}}, {"words": ["a"]}, {"tokens": ["a"]}),
    ],
)  # fmt: skip
def test_fields_are_found_by_the_names_of_the_training_data_or_usual_ones(definition, row, expected):
    found = as_prepared(definition, {"id": "1", **row})
    assert {key: found[key] for key in expected} == expected


def test_what_is_missing_is_left_to_the_task_and_what_is_malformed_is_said():
    assert as_prepared({"family": "classification"}, {"id": "1", "x": "a"}) == {"id": "1", "x": "a"}
    with pytest.raises(ValueError, match=r"^the column 'options' \(options\) should be a list of texts"):
        as_prepared({"family": "choice"}, {"id": "1", "question": "q", "options": "x"})
