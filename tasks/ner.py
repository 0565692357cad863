"""Named entity recognition: five corpora, entity F1."""

from typing import Any

from ..corpora.download import mtl_remotes
from ..corpora.iob import ner_formats
from . import decoding, encoding, words
from .task import Family, Task
from .word_division import Division

_MTL = "public: `linkbert data download` gets it from the MTL-Bioinformatics-2016 repository"

NER = Family(
    name="named entity recognition",
    head="token",
    columns=("tokens",),
    schema=words.schema,
    parse=words.parse,
    read_label=words.read_tags,
    encode=encoding.encode_words,
    decode=decoding.decode_words,
    describe=words.describe_mentions,
    label_names=words.mention_types,
    mistakes=words.mistakes_in_mentions,
    text=words.text,
    from_text=words.from_text,
    label_column="ner_tags",
    size=words.mentions,
    unit="mentions",
)


def ner_task(types: dict[str, str], **fields: Any) -> Task:
    """Declare an NER corpus.

    Args:
        types: the entity types in the source's tags -> the task's own types. Several source types may become one type,
            as in JNLPBA, and a corpus may have any number of types of its own.
        **fields: the fields of `Task`; those of the list below may be left out.
    """
    labels = [f"{prefix}-{kind}" for kind in dict.fromkeys(types.values()) for prefix in "BI"]
    shared: dict[str, Any] = {
        "version": 1,
        "family": NER,
        "suite": "blurb",
        "task_type": "ner",
        "metric": "entity_f1",
        "labels": ("O", *labels),
        "tag_types": types,
        "formats": ner_formats(types),
    }
    return Task(**(shared | fields))


# Each `types` below maps the type in the source's typed tags to the task's own type.
BC5_CHEM = ner_task(
    {"Chemical": "Chemical"},
    name="bc5-chem",
    title="BC5CDR chemicals",
    release="tokcls/BC5CDR-chem_hf",
    counts=(5203, 5347, 5385),
    folders=("bc5chem", "bc5-chem", "BC5CDR-chem-IOB"),
    remotes=mtl_remotes("BC5CDR-chem-IOB"),
    access=_MTL,
)
BC5_DISEASE = ner_task(
    {"Disease": "Disease"},
    name="bc5-disease",
    title="BC5CDR diseases",
    release="tokcls/BC5CDR-disease_hf",
    counts=(4182, 4244, 4424),
    folders=("bc5disease", "bc5-disease", "BC5CDR-disease-IOB"),
    remotes=mtl_remotes("BC5CDR-disease-IOB"),
    access=_MTL,
    accepted={"dev": (4246, "BLURB's own file holds 4246: a sentence break cuts one mention, twice")},
)
NCBI_DISEASE = ner_task(
    {"Disease": "Disease"},
    name="ncbi-disease",
    title="NCBI-disease",
    release="tokcls/NCBI-disease_hf",
    counts=(5134, 787, 960),
    folders=("ncbi_disease", "NCBI-disease-IOB"),
    remotes=mtl_remotes("NCBI-disease-IOB"),
    access=_MTL,
)
BC2GM = ner_task(
    {"GENE": "Gene", "Gene": "Gene"},  # the source's spelling, and our own
    name="bc2gm",
    title="BC2GM genes",
    release="tokcls/BC2GM_hf",
    counts=(15197, 3061, 6325),
    folders=("BC2GM-IOB",),
    remotes=mtl_remotes("BC2GM-IOB"),
    access=_MTL,
)
JNLPBA = ner_task(
    dict.fromkeys(("protein", "DNA", "RNA", "cell_line", "cell_type", "Entity"), "Entity"),
    name="jnlpba",
    title="JNLPBA (types merged)",
    release="tokcls/JNLPBA_hf",
    counts=(46750, 4551, 8662),
    folders=("JNLPBA-IOB",),
    remotes=mtl_remotes("JNLPBA"),
    division=Division(inside="*-./_", before="-./", after="+-/"),  # what `DivisionCounter` finds in train
    access=_MTL,
)
TASKS = (BC5_CHEM, BC5_DISEASE, NCBI_DISEASE, BC2GM, JNLPBA)
