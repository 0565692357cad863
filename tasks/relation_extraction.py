"""Relation extraction between two masked mentions in a sentence."""

from ..corpora.ddi_xml import ddi_xml_format
from ..corpora.tables import relation_format
from . import decoding, encoding, texts
from .task import Family, Task

RELATION_EXTRACTION = Family(
    name="relation extraction",
    head="sequence",
    columns=("sentence",),
    schema=texts.class_schema,
    parse=texts.parse,
    read_label=texts.read_class,
    encode=encoding.encode_classes,
    decode=decoding.decode_class,
    describe=texts.describe_class,
    label_names=texts.class_names,
    one_label=True,
    text=texts.text,
    from_text=texts.from_text,
    long_inputs=encoding.KEEPING_MENTIONS,
)
_CHEMPROT = ("0", "CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9")
_DDI = ("0", "DDI-advise", "DDI-effect", "DDI-int", "DDI-mechanism")
_GAD = ("0", "1")


def _relations(**fields) -> Task:
    return Task(
        version=1,
        family=RELATION_EXTRACTION,
        suite="blurb",
        task_type="relation-extraction",
        metric="micro_f1",
        negative="0",
        marked=True,
        **fields,
    )


CHEMPROT = _relations(
    name="chemprot",
    title="ChemProt",
    release="seqcls/chemprot_hf",
    counts=(18035, 11268, 15745),
    document_of=lambda identifier: identifier.split(".")[0],  # PMID.first.second
    labels=_CHEMPROT,
    formats=(relation_format(_CHEMPROT, negative="0"),),
    access=(
        "register at the BioCreative site, get ChemProt_Corpus.zip and run BLURB's data_generation scripts on it; "
        "or the LinkBERT authors' release (`linkbert data download --accept-terms`)"
    ),
)
DDI = _relations(
    name="ddi",
    title="DDI",
    release="seqcls/DDI_hf",
    counts=(25296, 2496, 5716),
    document_of=lambda identifier: identifier.split(".s")[0],  # DDI-SOURCE.document.sentence.pair
    labels=_DDI,
    formats=(relation_format(_DDI, negative="0"), ddi_xml_format(_DDI, negative="0")),
    access=(
        "get DDIextraction_2013.tar.gz (CC BY-NC) and put BLURB's file lists beside it; "
        "or the LinkBERT authors' release (`linkbert data download --accept-terms`)"
    ),
)
GAD = _relations(
    name="gad",
    title="GAD",
    release="seqcls/GAD_hf",
    counts=(4261, 535, 534),
    labels=_GAD,
    formats=(relation_format(_GAD, negative="0", header=("index", "sentence", "label")),),
    access="in the LinkBERT authors' release (`linkbert data download --accept-terms`), or BLURB's scripts",
)
TASKS = (CHEMPROT, DDI, GAD)
