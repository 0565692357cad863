"""Prepared rows become examples, and outputs become predictions."""

import numpy as np
import pytest
from linkbert.tasks.registry import TASKS


def tags(task, *found):
    row = {"id": "1", "tokens": ["w"] * len(found), "ner_tags": list(found)}
    return TASKS[task].parse(row)["label"]


def test_bare_and_typed_tags_become_the_tasks_own_labels():
    assert tags("ncbi-disease", "B", "I", "O") == ["B-Disease", "I-Disease", "O"]
    assert tags("bc5-chem", "B-Chemical", "I") == ["B-Chemical", "I-Chemical"]
    assert tags("bc2gm", "B-GENE", "B-Gene") == ["B-Gene", "B-Gene"]
    assert tags("jnlpba", "B-protein", "I-DNA", "B-Entity") == ["B-Entity", "I-Entity", "B-Entity"]
    assert tags("ebm-pico", "I-PAR", "B-INT", "O") == ["B-PAR", "B-INT", "O"]


@pytest.mark.parametrize(
    ("task", "tag"), [("ncbi-disease", "B-Gene"), ("ebm-pico", "B"), ("jnlpba", "X"), ("bc2gm", "")]
)
def test_other_tags_are_refused(task, tag):
    with pytest.raises(ValueError, match="not in the task's set"):
        tags(task, tag)


def test_a_word_without_a_piece_is_predicted_o():
    task = TASKS["ncbi-disease"]
    output = np.array([[0, 5, 0], [np.nan] * 3, [0, 0, 5]], dtype=np.float32)
    prediction, scores = task.family.decode(task, output)
    assert prediction == ["B-Disease", "O", "I-Disease"] and scores[1] == 0.0 and scores[0] > 0.9


def test_hoc_takes_every_label_above_one_half():
    task = TASKS["hoc"]
    logits = np.array([-1, 0, 0.01, 9, -9, 0, 0, 0, 0, 0], dtype=np.float32)
    prediction, scores = task.family.decode(task, logits)
    assert prediction == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0] and scores[task.labels[1]] == 0.5


def test_choice_and_regression_and_class():
    assert TASKS["medqa"].family.decode(TASKS["medqa"], np.array([0.0, 3, 1, 2]))[0] == 1
    assert TASKS["biosses"].family.decode(TASKS["biosses"], np.array([2.5]))[0] == 2.5
    assert TASKS["pubmedqa"].family.decode(TASKS["pubmedqa"], np.array([0.0, 1, 5]))[0] == "maybe"


def test_sent2_opens_every_option_when_it_is_there():
    row = {"id": "1", "sent1": "q", "sent2": "it is", "label": 0, **{f"ending{n}": "abcd"[n] for n in range(4)}}
    assert TASKS["medqa"].parse(row)["options"][1] == "it is b"
    assert TASKS["medqa"].parse(row | {"sent2": ""})["options"][1] == "b"
