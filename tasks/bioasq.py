"""BioASQ task 7b, the yes/no questions."""

from ..corpora.bioasq_json import bioasq_golden_format
from ..corpora.tables import bioasq_format
from .pubmedqa import QUESTION_ANSWERING
from .task import Task

_ANSWERS = ("yes", "no")

BIOASQ = Task(
    name="bioasq",
    version=1,
    title="BioASQ 7b yes/no",
    family=QUESTION_ANSWERING,
    suite="blurb",
    task_type="question-answering",
    release="seqcls/bioasq_hf",
    counts=(670, 75, 140),
    labels=_ANSWERS,
    metric="accuracy",
    formats=(bioasq_format(_ANSWERS), bioasq_golden_format(_ANSWERS)),
    access=(
        "register at participants-area.bioasq.org, get BioASQ-training7b.zip and Task7BGoldenEnriched.zip and run "
        "BLURB's data_generation scripts; or the LinkBERT authors' release (`linkbert data download --accept-terms`)"
    ),
)
TASKS = (BIOASQ,)
