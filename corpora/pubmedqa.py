"""Read PubMedQA's labelled questions (PQA-L), and split them as its authors do."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .json_files import field, read_json
from .sources import Format, Found, Row, below
from .tables import check_label

_FOLDS = 10


def pubmedqa_formats(labels: tuple[str, ...]) -> tuple[Format, ...]:
    """Return the two formats of PubMedQA, the preferred one first.

    The first is three files that are split already: `train_set.json` and `dev_set.json` in `pqal_fold0`, and
    `test_set.json`. The second is `ori_pqal.json`, the whole corpus, which is split here.

    Args:
        labels: the answers that the task allows.
    """
    return (
        Format("BLURB PubMedQA JSON", _find_split, partial(_read_split, labels=labels)),
        Format("PubMedQA ori_pqal.json", _find_whole, partial(_read_whole, labels=labels)),
    )


def _find_whole(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        if path.name == "ori_pqal.json":
            for split in ("train", "dev", "test"):
                yield split, (path,)


def _find_split(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        if path.name in ("train_set.json", "dev_set.json") and path.parent.name == "pqal_fold0":
            yield path.name.removesuffix("_set.json"), (path,)
        # The test set is outside `pqal_fold0`, because all ten folds share it.
        elif path.name == "test_set.json" and below(path, folders):
            yield "test", (path,)


def _read_whole(files: tuple[Path, ...], split: str, labels: tuple[str, ...]) -> Iterator[Row]:
    questions = _questions(files[0], labels)
    try:
        pmids = split_pqal({key: row["label"] for key, row in questions.items()})[split]
    except ValueError as error:
        raise RequestError(f"{files[0]}: {error}; the original file has 1000 questions, get it again") from error
    for pmid in pmids:
        yield questions[pmid]


def _read_split(files: tuple[Path, ...], split: str, labels: tuple[str, ...]) -> Iterator[Row]:
    yield from _questions(files[0], labels).values()


def _questions(path: Path, labels: tuple[str, ...]) -> dict[str, Row]:
    """Return PMID -> row in the prepared format, in the order of the file."""
    # LONG_ANSWER and the `reasoning_*_pred` fields give the answer away. They are never read, so that they cannot
    # become input of the model.
    data = read_json(path)
    if not isinstance(data, dict) or not data:
        raise RequestError(
            f"{path}: expected one JSON object (PMID -> question, at least one), found {type(data).__name__}; "
            "get the file again"
        )
    return {pmid: _row(path, pmid, record, labels) for pmid, record in data.items()}


def _row(path: Path, pmid: str, record: Any, labels: tuple[str, ...]) -> Row:
    where = f"{path}: PMID {pmid}"
    contexts = field(record, "CONTEXTS", list, where)
    if not all(isinstance(context, str) for context in contexts):
        raise RequestError(f"{where}: the field 'CONTEXTS' should be a list of strings; get the file again")
    label = field(record, "final_decision", str, where).strip()
    check_label(f"{path}", 1, label, labels)
    return {
        "id": pmid,
        "sentence1": field(record, "QUESTION", str, where).strip(),
        "sentence2": " ".join(context.strip() for context in contexts if context.strip()),
        "label": label,
    }


def split_pqal(answers: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the PMIDs of `train`, `dev` and `test`, split as the authors of PubMedQA split PQA-L.

    The procedure is that of Jin et al. (2019) and of their script `preprocess/split_dataset.py`. One random generator
    with seed 0 makes two stratified halves; the second half is the test set. Then it cuts the first half into ten
    stratified folds; fold 0 is dev, and folds 1 to 9 are train.

    Args:
        answers: PMID -> yes, no or maybe. The order must be that of `ori_pqal.json`, because the split depends on it.

    Raises:
        ValueError: there are too few questions for ten folds.
    """
    stream = random.Random(0)  # noqa: S311 - a published split, not a secret
    half, test = _stratified(answers, 2, stream)
    folds = _stratified({pmid: answers[pmid] for pmid in half}, _FOLDS, stream)
    return {"train": [pmid for fold in folds[1:] for pmid in fold], "dev": folds[0], "test": test}


def _stratified(answers: Mapping[str, str], parts: int, stream: random.Random) -> list[list[str]]:
    """Return the PMIDs in `parts` lists, each with nearly the same share of every answer."""
    # Every shuffle and choice below advances the generator, so their order (and yes, no, maybe) is part of the split.
    by_answer: dict[str, list[str]] = {"yes": [], "no": [], "maybe": []}
    for pmid, answer in answers.items():
        by_answer[answer].append(pmid)
    output: list[list[str]] = [[] for _ in range(parts)]
    for pmids in by_answer.values():
        stream.shuffle(pmids)
        size = math.ceil(len(pmids) / parts)
        for part in range(parts):
            output[part] += pmids[part * size : (part + 1) * size] if part < parts - 1 else pmids[part * size :]
    if len(output[-1]) != len(output[0]):
        # Sizes are rounded up, so the last part can be too short. As in the authors' script, it then takes one random
        # question from each other part.
        for part in output[:-1]:
            if not part:
                raise ValueError(_too_few(answers, parts))
            picked = stream.choice(part)
            part.remove(picked)
            output[-1].append(picked)
    if not all(output):
        raise ValueError(_too_few(answers, parts))
    return output


def _too_few(answers: Mapping[str, str], parts: int) -> str:
    return f"{len(answers)} questions are too few for {parts} folds"
