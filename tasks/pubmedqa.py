"""PubMedQA: yes, no or maybe, from the question and the abstract without its conclusion."""

from ..corpora.download import Remote
from ..corpora.pubmedqa import pubmedqa_formats
from . import decoding, encoding, texts
from .task import Family, Task

# BioASQ is of the same family: a question, a context, and a short answer.
QUESTION_ANSWERING = Family(
    name="question answering",
    head="sequence",
    columns=("sentence1", "sentence2"),
    schema=texts.class_schema,
    parse=texts.parse,
    read_label=texts.read_class,
    encode=encoding.encode_classes,
    decode=decoding.decode_class,
    describe=texts.describe_class,
    label_names=texts.class_names,
    one_label=True,
    text=texts.text,
    long_inputs=encoding.WINDOWED_CLASSES,
)
_ANSWERS = ("yes", "no", "maybe")

PUBMEDQA = Task(
    name="pubmedqa",
    version=1,
    title="PubMedQA",
    family=QUESTION_ANSWERING,
    suite="blurb",
    task_type="question-answering",
    release="seqcls/pubmedqa_hf",
    counts=(450, 50, 500),
    labels=_ANSWERS,
    metric="accuracy",
    formats=pubmedqa_formats(_ANSWERS),
    remotes=(
        Remote(
            "https://raw.githubusercontent.com/pubmedqa/pubmedqa/master/data/ori_pqal.json", "pubmedqa/ori_pqal.json"
        ),
    ),
    access="public (MIT): `linkbert data download pubmedqa` gets it from the authors' repository",
)
TASKS = (PUBMEDQA,)
