"""EBM PICO: participants, interventions and outcomes, each word scored by itself."""

from dataclasses import replace
from typing import Any

from ..corpora.iob import begin_tag, pico_formats
from ..corpora.sources import Row
from . import words
from .ner import NER
from .task import Task
from .word_division import Division

_TYPES = {"PAR": "PAR", "INT": "INT", "OUT": "OUT"}


def _read_tags(task: Task, tags: Any, example: Row) -> list[str]:
    # The score treats each word by itself, so the label of every labelled word begins with B.
    return [begin_tag(tag, task.tag_types) for tag in words.checked_tags(tags, example)]


PICO = replace(
    NER,
    name="PICO element extraction",
    read_label=_read_tags,
    describe=words.describe_spans,
    label_names=words.word_types,
    mistakes=words.mistakes_in_spans,
    size=words.labelled_words,
    unit="labelled words",
)

EBM_PICO = Task(
    name="ebm-pico",
    version=1,
    title="EBM PICO",
    family=PICO,
    suite="blurb",
    task_type="pico",
    release="tokcls/ebmnlp_hf",
    counts=(339167, 85321, 16364),
    metric="word_macro_f1",
    labels=("O", "B-PAR", "B-INT", "B-OUT"),
    negative="O",
    tag_types=_TYPES,
    division=Division(inside="*-./·", before="'-./", after="+-/"),  # what `DivisionCounter` finds in dev
    folders=("ebm_pico", "ebmnlp"),
    formats=pico_formats(_TYPES),
    accepted={"dev": (87308, "BLURB's own file holds 87308 labelled words; the printed count is not explained")},
    access="in the LinkBERT authors' release (`linkbert data download --accept-terms`), or BLURB's scripts",
)
TASKS = (EBM_PICO,)
