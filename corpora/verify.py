"""Holding prepared corpora against the benchmark's official counts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ..errors import RequestError
from ..files import sha256_of
from .prepared import prepared_path, read_examples
from .sources import Row


@dataclass(frozen=True)
class Expected:
    """What a prepared dataset should be.

    Attributes:
        release: its folder.
        counts: split -> official count in the dataset's unit.
        accepted: split -> (count that the benchmark's own files have, why it is not the printed one).
        sha256: split -> checksum of the canonical prepared file, where known.
        parse: prepared row -> example.
        size: example -> how many units it counts.
        text: example -> the text by which splits are compared, or None to leave it out.
        missing: why a split is often missing, and how to get it.
    """

    release: str
    counts: dict[str, int]
    accepted: dict[str, tuple[int, str]]
    sha256: dict[str, str]
    parse: Callable[[Row], Row]
    size: Callable[[Row], int]
    text: Callable[[Row], str | None]
    missing: str


@dataclass
class SplitReport:
    """What was found of one split; `status` is `ok`, `differs` or `missing`."""

    official: int
    found: int | None
    status: str
    note: str = ""


def verify(expected: Expected, data_dir: Path) -> dict[str, SplitReport]:
    """Report each split of one dataset, and note the texts that its splits share."""
    reports: dict[str, SplitReport] = {}
    texts: dict[str, Counter[bytes]] = {}
    for split in expected.counts:
        reports[split], texts[split] = _check(expected, data_dir, split)
    for first, second in combinations(expected.counts, 2):
        shared = texts[first].keys() & texts[second].keys()
        if shared:
            examples = sum(texts[second][digest] for digest in shared)
            _add_note(reports[second], f"{len(shared)} texts ({examples} examples) are also in {first}")
    return reports


def _check(expected: Expected, data_dir: Path, split: str) -> tuple[SplitReport, Counter[bytes]]:
    official, texts = expected.counts[split], Counter[bytes]()
    path = prepared_path(data_dir, expected.release, split)
    if not path.exists():
        return SplitReport(official, None, "missing", expected.missing), texts
    found = 0
    try:
        for example in read_examples(path, expected.parse):
            found += expected.size(example)
            text = expected.text(example)
            if text is not None:
                digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).digest()
                texts[digest] += 1
    except RequestError as error:
        return SplitReport(official, None, "differs", str(error)), texts
    report = SplitReport(official, found, "ok" if count_is_official(expected, split, found) else "differs")
    if report.status == "differs":
        report.note = "not the benchmark's file; get it again"
    elif found != official:
        report.note = expected.accepted[split][1]
    known = expected.sha256.get(split)
    if report.status == "ok" and known and known != sha256_of(path):
        _add_note(report, "counts only: the count agrees, the content is not the canonical one")
    return report, texts


def count_is_official(expected: Expected, split: str, found: int) -> bool:
    """Tell whether a count is the printed one, or the one that the benchmark's own files are known to have."""
    return found in (expected.counts[split], expected.accepted.get(split, (None, ""))[0])


def _add_note(report: SplitReport, note: str) -> None:
    report.note = f"{report.note}; {note}" if report.note else note
