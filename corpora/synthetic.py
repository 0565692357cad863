"""Write a small synthetic corpus in the original formats: deterministic, learnable, and marked as synthetic."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from ..files import atomic_write_text

NOTICE = "synthetic"  # marks generated data wherever the format has an id or an unused field for it
SYNTHETIC_TASKS = ("ncbi-disease", "gad", "pubmedqa", "medqa")
# The number of rows per split; it is small so that the demo also runs without a GPU.
_SIZES = {"train": 240, "dev": 40, "test": 120}

_SITES = ("renal", "hepatic", "cardiac", "pulmonary", "gastric", "retinal", "thyroid", "cerebral", "bone", "skin")
_KINDS = ("carcinoma", "fibrosis", "dystrophy", "anemia", "neuropathy", "sclerosis", "dysplasia", "lymphoma")
_GENES = ("ABC1", "TRX4", "KLP7", "NOD3", "VEX2", "SOR9", "MYL6", "PAX8", "GATB", "RNF5")
_DRUGS = ("zolatrine", "mivoprene", "karbexol", "tenalide", "orvastil", "pelindone", "quelorin", "dasimide")
_PEOPLE = ("patients", "children", "adults", "carriers", "women", "men", "families", "volunteers")
_VERBS = ("showed", "had", "developed", "were screened for", "recovered from", "presented with")
_POSITIVE = ("is strongly associated with", "increases the risk of", "contributes to", "confers susceptibility to")
_NEGATIVE = ("is not associated with", "has no influence on", "shows no link to", "does not alter the course of")
_FINDINGS = {
    "yes": ("a clear benefit was seen", "the treated group improved markedly", "the difference was significant"),
    "no": ("no benefit was seen", "the groups did not differ", "the difference was not significant"),
    "maybe": ("the evidence was mixed", "results varied between centres", "the sample was too small to tell"),
}


def write_synthetic(folder: Path, seed: int = 0) -> list[Path]:
    """Write a synthetic corpus for four datasets in their original formats, and return the paths of the files.

    The texts are made from templates and contain no sentence of a real corpus. The same seed gives the same bytes.

    Args:
        folder: the folder in which `ncbi_disease/`, `gad/`, `pubmedqa/` and `medqa/` are written.
        seed: the seed of the random generator.
    """
    stream = random.Random(seed)  # noqa: S311 - texts, not secrets
    written = []
    for split, size in _SIZES.items():
        written += [
            _write(folder / "ncbi_disease" / f"{split}.tsv", "\n".join(_ner(stream) for _ in range(size)) + "\n"),
            _write(folder / "gad" / f"{split}.tsv", _table(_relation, stream, size)),
            _write(
                folder / "medqa" / "4_options" / f"phrases_no_exclude_{split}.jsonl",
                "".join(json.dumps(_choice(stream)) + "\n" for _ in range(size)),
            ),
        ]
    # As in the original, there is one file with 1000 questions, which the reader divides into the three splits.
    questions = {f"{NOTICE}-{number:04d}": _question(stream) for number in range(1000)}
    written.append(_write(folder / "pubmedqa" / "ori_pqal.json", json.dumps(questions, indent=1)))
    written.append(_write(folder / "README.txt", "Synthetic text made by `linkbert demo`; no real corpus.\n"))
    return written


def _write(path: Path, text: str) -> Path:
    atomic_write_text(path, text)
    return path


def _disease(stream: random.Random) -> list[str]:
    return [stream.choice(_SITES), stream.choice(_KINDS)]


def _ner(stream: random.Random) -> str:
    """Return one sentence in BLURB's token format."""
    rows = [(stream.choice(_PEOPLE).capitalize(), "O"), (stream.choice(_VERBS), "O")]
    rows += zip(_disease(stream), ("B", "I"), strict=True)
    # A decoy such as "normal renal function" is not a disease, so a word of `_SITES` alone does not reveal a mention.
    if stream.random() < 0.5:
        rows += [("but", "O"), ("normal", "O"), (stream.choice(_SITES), "O"), ("function", "O")]
    if stream.random() < 0.5:
        rows += [("and", "O"), *zip(_disease(stream), ("B", "I"), strict=True)]
    rows += [("under", "O"), (stream.choice(_DRUGS), "O"), (".", "O")]
    # Only `_VERBS` hold more than one word; they are not part of a mention, so every word gets the same tag.
    return "".join(f"{word}\t{tag}\n" for token, tag in rows for word in token.split())


def _table(make: Callable[[random.Random], tuple[str, str]], stream: random.Random, size: int) -> str:
    """Return a table in GAD's format with `size` rows; `make` returns the text and the label of a row."""
    rows = (make(stream) for _ in range(size))
    return "index\tsentence\tlabel\n" + "".join(f"{n}\t{text}\t{label}\n" for n, (text, label) in enumerate(rows))


def _relation(stream: random.Random) -> tuple[str, str]:
    """Return a sentence in the style of GAD and its label, which depends on the verb alone."""
    label = stream.choice("01")
    verb = stream.choice(_POSITIVE if label == "1" else _NEGATIVE)
    who = stream.choice(_PEOPLE)
    return f"In {who}, a variant of @GENE$ near {stream.choice(_GENES)} {verb} @DISEASE$.", label


def _question(stream: random.Random) -> dict[str, object]:
    """Return a question in the format of `ori_pqal.json`; the second context holds the finding that decides it."""
    # As in PubMedQA, yes is the most frequent answer and maybe the rarest.
    answer = stream.choices(("yes", "no", "maybe"), weights=(5, 4, 2))[0]
    drug, disease = stream.choice(_DRUGS), " ".join(_disease(stream))
    return {
        "QUESTION": f"Does {drug} help in {disease}?",
        "CONTEXTS": [
            f"We gave {drug} to {stream.randint(20, 400)} {stream.choice(_PEOPLE)} with {disease}.",
            f"After {stream.randint(4, 52)} weeks, {stream.choice(_FINDINGS[answer])}.",
        ],
        "final_decision": answer,
        "LONG_ANSWER": f"{NOTICE}: {answer}",
    }


def _choice(stream: random.Random) -> dict[str, object]:
    """Return a question in MedQA's format; the right option is the drug that the question names."""
    options = stream.sample(_DRUGS, 4)
    answer = stream.randrange(4)
    disease = " ".join(_disease(stream))
    stem = f"A person with {disease} took {options[answer]} and recovered. Which drug was it?"
    letters = dict(zip("ABCD", options, strict=True))
    return {"question": stem, "answer": options[answer], "options": letters, "answer_idx": "ABCD"[answer]}
