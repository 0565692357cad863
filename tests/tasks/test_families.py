"""A task family turns prepared rows into examples, and model outputs into predictions."""

import numpy as np
import pytest
from linkbert.tasks.registry import TASKS


def parsed_tags(task, *found):
    row = {"id": "1", "tokens": ["w"] * len(found), "ner_tags": list(found)}
    return TASKS[task].parse(row)["label"]


def test_tags_with_and_without_a_type_become_the_labels_of_the_task():
    assert parsed_tags("ncbi-disease", "B", "I", "O") == ["B-Disease", "I-Disease", "O"]
    assert parsed_tags("bc5-chem", "B-Chemical", "I") == ["B-Chemical", "I-Chemical"]
    assert parsed_tags("bc2gm", "B-GENE", "B-Gene") == ["B-Gene", "B-Gene"]
    assert parsed_tags("jnlpba", "B-protein", "I-DNA", "B-Entity") == ["B-Entity", "I-Entity", "B-Entity"]
    assert parsed_tags("ebm-pico", "I-PAR", "B-INT", "O") == ["B-PAR", "B-INT", "O"]


@pytest.mark.parametrize(
    ("task", "tag"), [("ncbi-disease", "B-Gene"), ("ebm-pico", "B"), ("jnlpba", "X"), ("bc2gm", "")]
)
def test_tags_that_the_task_does_not_have_are_refused(task, tag):
    with pytest.raises(ValueError, match="not in the task's set"):
        parsed_tags(task, tag)


def test_a_word_without_a_word_piece_is_predicted_as_o():
    task = TASKS["ncbi-disease"]
    output = np.array([[0, 5, 0], [np.nan] * 3, [0, 0, 5]], dtype=np.float32)
    prediction, scores = task.family.decode(task, output, {})
    assert prediction == ["B-Disease", "O", "I-Disease"] and scores[1] == 0.0 and scores[0] > 0.9


def test_hoc_predicts_every_label_with_a_probability_above_one_half():
    task = TASKS["hoc"]
    logits = np.array([-1, 0, 0.01, 9, -9, 0, 0, 0, 0, 0], dtype=np.float32)
    prediction, scores = task.family.decode(task, logits, {})
    assert prediction == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0] and scores[task.labels[1]] == 0.5


def test_outputs_of_multiple_choice_regression_and_classification_are_decoded():
    assert TASKS["medqa"].family.decode(TASKS["medqa"], np.array([0.0, 3, 1, 2]), {})[0] == 1
    assert TASKS["biosses"].family.decode(TASKS["biosses"], np.array([2.5]), {})[0] == 2.5
    assert TASKS["pubmedqa"].family.decode(TASKS["pubmedqa"], np.array([0.0, 1, 5]), {})[0] == "maybe"


def test_sent2_is_put_before_every_option_unless_it_is_empty():
    row = {"id": "1", "sent1": "q", "sent2": "it is", "label": 0, **{f"ending{n}": "abcd"[n] for n in range(4)}}
    assert TASKS["medqa"].parse(row)["options"][1] == "it is b"
    assert TASKS["medqa"].parse(row | {"sent2": ""})["options"][1] == "b"
