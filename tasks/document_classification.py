"""HoC: which of the ten hallmarks of cancer an abstract is about."""

from ..corpora.hoc_archive import hoc_archive_format
from ..corpora.tables import hoc_format
from . import decoding, encoding, texts
from .mistakes import wrong_flags
from .task import Family, Task

DOCUMENT_CLASSIFICATION = Family(
    name="document classification",
    head="multi-label",
    columns=("sentence",),
    schema=texts.flags_schema,
    parse=texts.parse,
    read_label=texts.read_flags,
    encode=encoding.encode_texts,
    decode=decoding.decode_flags,
    describe=texts.describe_flags,
    label_names=texts.flag_names,
    mistakes=lambda task, example, gold, given, scores: wrong_flags(task.labels, gold, given, example),
    text=texts.text,
    from_text=texts.from_text,
    long_inputs=encoding.WINDOWED_TEXTS,
)
_HALLMARKS = (
    "activating invasion and metastasis",
    "avoiding immune destruction",
    "cellular energetics",
    "enabling replicative immortality",
    "evading growth suppressors",
    "genomic instability and mutation",
    "inducing angiogenesis",
    "resisting cell death",
    "sustaining proliferative signaling",
    "tumor promoting inflammation",
)

HOC = Task(
    name="hoc",
    version=1,
    title="Hallmarks of Cancer",
    family=DOCUMENT_CLASSIFICATION,
    suite="blurb",
    task_type="document-classification",
    release="seqcls/HoC_hf",
    counts=(1295, 186, 371),
    labels=_HALLMARKS,
    metric="multi_label_micro_f1",
    formats=(hoc_format(len(_HALLMARKS)), hoc_archive_format(_HALLMARKS)),
    access=(
        "get the corpus repository as Hallmarks-of-Cancer-master.zip (GPL-3.0) with BLURB's PMID lists; "
        "or the LinkBERT authors' release (`linkbert data download --accept-terms`)"
    ),
)
TASKS = (HOC,)
