"""Named entity recognition: five corpora, entity F1."""

from typing import Any

from ..corpora.iob import ner_formats
from . import encoding, families
from .task import Family, Task

NER = Family(
    name="named entity recognition",
    head="token",
    columns=("tokens",),
    schema=families.words_schema,
    parse=families.parse_words,
    encode=encoding.encode_words,
    decode=families.decode_words,
    encoded=families.encoded_schema,
    text=families.words_text,
)


def ner_task(types: dict[str, str], **fields: Any) -> Task:
    """Declare an NER corpus; `types` maps the types of its typed tags to the task's own one."""
    own = next(iter(types.values()))
    shared: dict[str, Any] = {
        "version": 1,
        "family": NER,
        "suite": "blurb",
        "task_type": "ner",
        "unit": "mentions",
        "metric": "entity_f1",
        "labels": ("O", f"B-{own}", f"I-{own}"),
        "tag_types": types,
        "formats": ner_formats(types),
        "access": "public: `linkbert data download` gets it from the MTL-Bioinformatics-2016 repository",
    }
    return Task(**(shared | fields))


BC5_CHEM = ner_task(
    {"Chemical": "Chemical"},
    name="bc5-chem",
    title="BC5CDR chemicals",
    release="tokcls/BC5CDR-chem_hf",
    counts=(5203, 5347, 5385),
    folders=("bc5chem", "bc5-chem", "BC5CDR-chem-IOB"),
)
BC5_DISEASE = ner_task(
    {"Disease": "Disease"},
    name="bc5-disease",
    title="BC5CDR diseases",
    release="tokcls/BC5CDR-disease_hf",
    counts=(4182, 4244, 4424),
    folders=("bc5disease", "bc5-disease", "BC5CDR-disease-IOB"),
    accepted={"dev": (4246, "BLURB's own file holds 4246: a sentence break cuts one mention, twice")},
)
NCBI_DISEASE = ner_task(
    {"Disease": "Disease"},
    name="ncbi-disease",
    title="NCBI-disease",
    release="tokcls/NCBI-disease_hf",
    counts=(5134, 787, 960),
    folders=("ncbi_disease", "NCBI-disease-IOB"),
)
BC2GM = ner_task(
    {"GENE": "Gene", "Gene": "Gene"},
    name="bc2gm",
    title="BC2GM genes",
    release="tokcls/BC2GM_hf",
    counts=(15197, 3061, 6325),
    folders=("BC2GM-IOB",),
)
JNLPBA = ner_task(
    dict.fromkeys(("protein", "DNA", "RNA", "cell_line", "cell_type", "Entity"), "Entity"),
    name="jnlpba",
    title="JNLPBA (types merged)",
    release="tokcls/JNLPBA_hf",
    counts=(46750, 4551, 8662),
    folders=("JNLPBA-IOB",),
)
TASKS = (BC5_CHEM, BC5_DISEASE, NCBI_DISEASE, BC2GM, JNLPBA)
