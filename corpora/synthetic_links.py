"""Write a small synthetic corpus with links: deterministic, learnable in minutes, and marked as synthetic."""

from __future__ import annotations

import json
import random
from pathlib import Path

from ..files import atomic_write_text
from .synthetic import NOTICE

_TOPICS = (
    ("kidney", "renal", "nephron", "dialysis", "glomerulus", "creatinine"),
    ("heart", "cardiac", "ventricle", "angina", "myocardium", "stent"),
    ("liver", "hepatic", "bilirubin", "cirrhosis", "portal", "hepatocyte"),
    ("lung", "pulmonary", "alveolus", "asthma", "spirometry", "bronchus"),
    ("skin", "dermal", "keratin", "eczema", "melanocyte", "ointment"),
    ("brain", "cerebral", "neuron", "seizure", "cortex", "dopamine"),
)
_OPENING = ("the aim of this study was to examine", "little is known about", "we recruited patients with",
            "earlier work described", "this trial compared")  # fmt: skip
_CLOSING = ("we conclude that more is known about", "the results showed an effect on", "changes were seen in",
            "follow-up confirmed the role of", "these findings support treatment of")  # fmt: skip
_CITED_PER_DOCUMENT = (2, 5)
_SUBJECTS = ("patients", "mice")  # of documents about every other organ
_SENTENCES = 3  # in each half of a document


def write_synthetic_links(path: Path, documents: int = 1200, seed: int = 0) -> None:
    """Write JSON lines with `id`, `text` and `links`.

    Each document is about one organ, opens with questions and closes with results. It links to documents about the next
    organ of a fixed circle, some of which are linked to more often than others. So contiguous segments share an organ
    and follow each other, linked ones are of neighbouring organs, and random ones mostly are not.

    The organs are studied in patients and in mice by turns, so that links lead from the ones to the others. That is
    learnt before which organ follows which; without it, some seeds stay for long at telling contiguous pairs alone,
    because neither segment by itself says anything about random and linked ones.

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
        sentences = [_sentence(stream, _OPENING, topic) for _ in range(_SENTENCES)]
        sentences += [_sentence(stream, _CLOSING, topic) for _ in range(_SENTENCES)]
        following = by_topic[(topic + 1) % len(_TOPICS)]
        # The square of a number below 1 favours the first documents, which so have a high in-degree.
        cited = {
            following[int(len(following) * stream.random() ** 2)] for _ in range(stream.randint(*_CITED_PER_DOCUMENT))
        }
        record = {"id": _name(number), "text": " ".join(sentences), "links": [_name(one) for one in sorted(cited)]}
        lines.append(json.dumps(record) + "\n")
    atomic_write_text(path, "".join(lines))


def _name(number: int) -> str:
    return f"{NOTICE}-{number:05d}"


def _sentence(stream: random.Random, openings: tuple[str, ...], topic: int) -> str:
    words = stream.sample(_TOPICS[topic], 3)
    subject = _SUBJECTS[topic % len(_SUBJECTS)]
    return f"{stream.choice(openings)} {words[0]} {words[1]} and {words[2]} in {subject}."
