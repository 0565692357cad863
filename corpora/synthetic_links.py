"""Write a small synthetic corpus with links: deterministic, learnable in minutes, and marked as synthetic."""

from __future__ import annotations

import json
import random
from pathlib import Path

from ..files import atomic_write_text
from .synthetic import NOTICE

# Of each organ, words for the first half of a document, and for the second.
_TOPICS = (
    (("kidney", "renal", "nephron"), ("dialysis", "glomerulus", "creatinine")),
    (("heart", "cardiac", "ventricle"), ("angina", "myocardium", "stent")),
    (("liver", "hepatic", "bilirubin"), ("cirrhosis", "portal", "hepatocyte")),
    (("lung", "pulmonary", "alveolus"), ("asthma", "spirometry", "bronchus")),
    (("skin", "dermal", "keratin"), ("eczema", "melanocyte", "ointment")),
    (("brain", "cerebral", "neuron"), ("seizure", "cortex", "dopamine")),
)
_BEGINNINGS = (
    "the aim of this study was to examine",
    "little is known about",
    "we recruited patients with",
    "earlier work described",
    "this trial compared",
    "we conclude that more is known about",
    "the results showed an effect on",
    "changes were seen in",
    "follow-up confirmed the role of",
    "these findings support treatment of",
)
_CITED_PER_DOCUMENT = (2, 5)
_SENTENCES = 2  # in each half of a document


def write_synthetic_links(path: Path, documents: int = 1200, seed: int = 0) -> None:
    """Write JSON lines with `id`, `text` and `links`.

    Each document is about one organ, and links to others about the same one, some of which are linked to more often
    than others. Its halves have different words for the organ. So contiguous segments are the first and the second half
    about one organ, linked ones are any halves about one organ, and random ones are mostly about two. A quarter of the
    linked pairs cannot be told from contiguous ones, and a sixth of the random ones share an organ, so that about 86%
    can be told.

    The halves are told apart by the words for the organs, and not by the phrases around them: a model learns first to
    attend to what tells the halves apart, and with the phrases, some seeds never began to attend to the organs.

    Args:
        path: the file.
        documents: number of documents.
        seed: the seed of the random generator.
    """
    stream = random.Random(seed)  # noqa: S311 - texts, not secrets
    topics = [number % len(_TOPICS) for number in range(documents)]
    by_topic = [[number for number in range(documents) if topics[number] == topic] for topic in range(len(_TOPICS))]
    lines = []
    for number, topic in enumerate(topics):
        sentences = [_sentence(stream, words) for words in _TOPICS[topic] for _ in range(_SENTENCES)]
        others = by_topic[topic]
        # The square of a number below 1 favours the first documents, which so have a high in-degree.
        cited = {others[int(len(others) * stream.random() ** 2)] for _ in range(stream.randint(*_CITED_PER_DOCUMENT))}
        cited.discard(number)
        record = {"id": _name(number), "text": " ".join(sentences), "links": [_name(one) for one in sorted(cited)]}
        lines.append(json.dumps(record) + "\n")
    atomic_write_text(path, "".join(lines))


def _name(number: int) -> str:
    return f"{NOTICE}-{number:05d}"


def _sentence(stream: random.Random, words: tuple[str, ...]) -> str:
    first, second = stream.sample(words, 2)
    return f"{stream.choice(_BEGINNINGS)} {first} and {second}."
