"""The registry declares the fifteen datasets of the protocol, and a wrong declaration is refused."""

from dataclasses import FrozenInstanceError, replace

import pytest
from linkbert.errors import RequestError
from linkbert.tasks.registry import TASKS, get_task
from linkbert.tasks.task import EXTRA

COUNTS = {
    "bc5-chem": (5203, 5347, 5385), "bc5-disease": (4182, 4244, 4424), "ncbi-disease": (5134, 787, 960),
    "bc2gm": (15197, 3061, 6325), "jnlpba": (46750, 4551, 8662), "ebm-pico": (339167, 85321, 16364),
    "chemprot": (18035, 11268, 15745), "ddi": (25296, 2496, 5716), "gad": (4261, 535, 534), "biosses": (64, 16, 20),
    "hoc": (1295, 186, 371), "pubmedqa": (450, 50, 500), "bioasq": (670, 75, 140), "medqa": (10178, 1272, 1273),
    "mmlu-professional-medicine": (5, 31, 272),
}  # fmt: skip
METRICS = {
    "bc5-chem": "entity_f1", "bc5-disease": "entity_f1", "ncbi-disease": "entity_f1", "bc2gm": "entity_f1",
    "jnlpba": "entity_f1", "ebm-pico": "word_macro_f1", "chemprot": "micro_f1", "ddi": "micro_f1", "gad": "micro_f1",
    "biosses": "pearson", "hoc": "multi_label_micro_f1", "pubmedqa": "accuracy", "bioasq": "accuracy",
    "medqa": "accuracy", "mmlu-professional-medicine": "accuracy",
}  # fmt: skip
FOLDERS = {
    "bc5-chem": "tokcls/BC5CDR-chem_hf", "bc5-disease": "tokcls/BC5CDR-disease_hf",
    "ncbi-disease": "tokcls/NCBI-disease_hf", "bc2gm": "tokcls/BC2GM_hf", "jnlpba": "tokcls/JNLPBA_hf",
    "ebm-pico": "tokcls/ebmnlp_hf", "chemprot": "seqcls/chemprot_hf", "ddi": "seqcls/DDI_hf", "gad": "seqcls/GAD_hf",
    "biosses": "seqcls/BIOSSES_hf", "hoc": "seqcls/HoC_hf", "pubmedqa": "seqcls/pubmedqa_hf",
    "bioasq": "seqcls/bioasq_hf", "medqa": "mc/medqa_usmle_hf",
    "mmlu-professional-medicine": "mc/mmlu_hf/professional_medicine",
}  # fmt: skip


def test_the_fifteen_datasets_have_the_counts_metrics_and_folders_of_the_protocol():
    published = {name: task for name, task in TASKS.items() if task.suite != EXTRA}
    assert {name: task.counts for name, task in published.items()} == COUNTS
    assert {name: task.metric for name, task in published.items()} == METRICS
    assert {name: task.release for name, task in published.items()} == FOLDERS
    assert TASKS["mmlu-professional-medicine"].splits == ("dev", "val", "test")
    assert TASKS["mmlu-professional-medicine"].trained_on == "medqa"


def test_labels_and_negative_classes_are_those_of_the_benchmark():
    assert TASKS["chemprot"].labels[1:] == ("CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9")
    assert TASKS["ddi"].labels[1:] == ("DDI-advise", "DDI-effect", "DDI-int", "DDI-mechanism")
    assert all(TASKS[name].negative == "0" for name in ("chemprot", "ddi", "gad"))
    assert TASKS["hoc"].labels[0] == "activating invasion and metastasis" and len(TASKS["hoc"].labels) == 10
    assert TASKS["jnlpba"].labels == ("O", "B-Entity", "I-Entity")
    assert TASKS["ebm-pico"].labels == ("O", "B-PAR", "B-INT", "B-OUT")


@pytest.mark.parametrize(
    "change",
    [{"metric": "f2"}, {"suite": "glue"}, {"task_type": "tagging"}, {"negative": "none"}, {"labels": ("0", "0")}],
)
def test_a_wrong_declaration_is_refused_when_it_is_created(change):
    with pytest.raises(ValueError, match="task 'gad'"):
        replace(TASKS["gad"], **change)


def test_a_task_cannot_be_changed_and_has_no_unknown_fields():
    with pytest.raises(FrozenInstanceError):
        TASKS["gad"].name = "x"
    with pytest.raises(TypeError):
        replace(TASKS["gad"], colour="red")


def test_a_mistyped_task_name_is_answered_with_the_nearest_one():
    with pytest.raises(RequestError, match="did you mean pubmedqa"):
        get_task("pubmed-qa")


@pytest.mark.parametrize("name", TASKS)
def test_the_size_of_an_example_is_in_the_unit_of_the_official_counts(name):
    task = TASKS[name]
    if task.head.per_word:
        label = [task.labels[1], task.labels[2], "O", task.labels[1]]
        assert task.family.size({"label": label}) == (3 if name == "ebm-pico" else 2)
    else:
        assert task.family.size({"label": None}) == 1
