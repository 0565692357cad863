"""BIOSSES: similarity of two sentences from 0 to 4, Pearson correlation."""

from ..corpora.tables import biosses_format
from . import decoding, encoding, texts
from .mistakes import wrong_number
from .task import Family, Task

SENTENCE_SIMILARITY = Family(
    name="sentence similarity",
    head="regression",
    columns=("sentence1", "sentence2"),
    schema=texts.number_schema,
    parse=texts.parse,
    read_label=texts.read_number,
    encode=encoding.encode_texts,
    decode=decoding.decode_number,
    describe=texts.describe_number,
    mistakes=lambda task, example, gold, given, scores: wrong_number(example, gold, given),
    text=texts.text,
    long_inputs=encoding.WINDOWED_TEXTS,
)

BIOSSES = Task(
    name="biosses",
    version=1,
    title="BIOSSES",
    family=SENTENCE_SIMILARITY,
    suite="blurb",
    task_type="sentence-similarity",
    release="seqcls/BIOSSES_hf",
    counts=(64, 16, 20),
    metric="pearson",
    formats=(biosses_format(),),
    access="in the LinkBERT authors' release (`linkbert data download --accept-terms`), or BLURB's scripts",
)
TASKS = (BIOSSES,)
