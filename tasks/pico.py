"""EBM PICO: participants, interventions and outcomes, each word scored by itself."""

from dataclasses import replace

from ..corpora.iob import pico_formats
from .ner import NER
from .task import Task

PICO = replace(NER, name="PICO element extraction")
_TYPES = {"PAR": "PAR", "INT": "INT", "OUT": "OUT"}

EBM_PICO = Task(
    name="ebm-pico",
    version=1,
    title="EBM PICO",
    family=PICO,
    suite="blurb",
    task_type="pico",
    release="tokcls/ebmnlp_hf",
    counts=(339167, 85321, 16364),
    unit="labelled words",
    metric="word_macro_f1",
    labels=("O", "B-PAR", "B-INT", "B-OUT"),
    negative="O",
    tag_types=_TYPES,
    folders=("ebm_pico", "ebmnlp"),
    formats=pico_formats(_TYPES),
    accepted={"dev": (87308, "BLURB's own file holds 87308 labelled words; the printed count is not explained")},
    access="in the LinkBERT authors' release (`linkbert data download --accept-terms`), or BLURB's scripts",
)
TASKS = (EBM_PICO,)
