"""PubMedQA: yes, no or maybe, from the question and the abstract without its conclusion."""

from ..corpora.pubmedqa import pubmedqa_formats
from . import encoding, families
from .task import Family, Task

# Also the family of BioASQ: a question, a context, and a short answer.
QUESTION_ANSWERING = Family(
    name="question answering",
    head="sequence",
    columns=("sentence1", "sentence2"),
    schema=families.texts_schema,
    parse=families.parse_texts,
    encode=encoding.encode_texts,
    decode=families.decode_class,
    encoded=families.encoded_schema,
    text=families.pair_text,
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
    access="public (MIT): `linkbert data download pubmedqa` gets it from the authors' repository",
)
TASKS = (PUBMEDQA,)
