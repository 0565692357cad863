"""Comparing prepared corpora with the benchmark's official counts, and their splits with each other."""

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
        accepted: split -> (count that the benchmark's own file has, why it differs from the printed one).
        sha256: split -> checksum of the canonical prepared file, where it is known.
        parse: prepared row -> example with a label; raises ValueError if the row breaks the rules.
        size: example -> how many units it counts.
        text: example -> the text by which splits are compared, or None to leave the example out.
        missing: how to get a split that is missing.
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
    """What was found of one split.

    Attributes:
        official: the official count.
        found: the count that was found; None if the split is missing or cannot be read.
        status: `ok`, `differs` or `missing`.
        note: what a reader must know.
    """

    official: int
    found: int | None
    status: str
    note: str = ""


def verify(expected: Expected, data_dir: Path) -> dict[str, SplitReport]:
    """Return a report on each split of one dataset, with a note on splits that are equal or share texts."""
    reports: dict[str, SplitReport] = {}
    texts: dict[str, Counter[bytes]] = {}
    paths = {split: prepared_path(data_dir, expected.release, split) for split in expected.counts}
    for split in expected.counts:
        reports[split], texts[split] = _check(expected, data_dir, split)
    for first, second in combinations(expected.counts, 2):
        if all(reports[split].found is not None for split in (first, second)) and _same_file(
            paths[first], paths[second]
        ):
            _add_note(reports[second], f"the same file as {first}: a score on one of them measures nothing")
            continue
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
        report.note = "not the benchmark's file; get it again (or correct `counts`, if the task is your own)"
    elif found != official:
        report.note = expected.accepted[split][1]
    known = expected.sha256.get(split)
    if report.status == "ok" and known and known != sha256_of(path):
        _add_note(report, "counts only: the count agrees, the content is not the canonical one")
    return report, texts


def count_is_official(expected: Expected, split: str, found: int) -> bool:
    """Return whether a count is the printed one, or the one that the benchmark's own file is known to have."""
    return found in (expected.counts[split], expected.accepted.get(split, (None, ""))[0])


def _same_file(first: Path, second: Path) -> bool:
    return first.stat().st_size == second.stat().st_size and sha256_of(first) == sha256_of(second)


def _add_note(report: SplitReport, note: str) -> None:
    report.note = f"{report.note}; {note}" if report.note else note
