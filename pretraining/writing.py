"""Writing a corpus with links, in two passes and in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..errors import RequestError, nearest
from ..files import atomic_folder, require_writable
from .corpus import FORMAT_VERSION, OFFSETS_FILE, TARGETS_FILE, shard_name, write_report
from .documents import read_documents
from .kinds import require_kinds
from .pending import PendingDocuments, Report
from .tfidf import nearest_documents

LinkKind = Literal["own", "tfidf", "random"]
LINK_KINDS: tuple[str, ...] = get_args(LinkKind)


def write_corpus(
    source: str | Path, output: str | Path, *, links: LinkKind | str = "own", neighbours: int = 5
) -> dict[str, Any]:
    """Read documents with links, and write them as a corpus for `linkbert pretrain`.

    If an identifier comes again, the later document wins. Links to unknown documents are counted and left out.

    Args:
        source: see `documents.read_documents`.
        output: the folder to write; it must not exist, or be empty.
        links: `own` for the links of the documents, `tfidf` for the nearest documents by the cosine of their TF-IDF, or
            `random` for as many links as the documents' own to documents drawn at random, a control.
        neighbours: number of nearest documents for `tfidf`.

    Returns:
        The report, as `corpus.json` holds it.

    Raises:
        RequestError: the source cannot be read, the output is there already, or fewer than two documents have a text.
    """
    _check({"source": source, "output": output, "links": links, "neighbours": neighbours})
    source, output = Path(source), Path(output)
    with atomic_folder(output) as folder:
        pending = PendingDocuments(folder)
        for document in read_documents(source):
            pending.add(document)
        report, kept = pending.finish()
        if report.documents < 2:
            raise RequestError(f"{source}: {report.documents} documents have a text; pairs need two at least")
        if links == "tfidf":
            offsets, targets = nearest_documents(folder, pending.shards, neighbours)
            report.links_out = report.self_links = report.repeated_links = 0
        else:
            offsets, targets = pending.resolve(kept, report)
            if links == "random":
                targets = _elsewhere(offsets, report.documents)
        pending.remove_files()
        _describe(offsets, targets, report)
        np.save(folder / OFFSETS_FILE, offsets)
        np.save(folder / TARGETS_FILE, targets)
        document = {
            "format": FORMAT_VERSION,
            "source": str(source),
            "link_kind": f"tfidf, {neighbours} nearest" if links == "tfidf" else links,
            "shards": pending.shards,
            **asdict(report),
            "texts_sha256": _digest(folder, map(shard_name, range(pending.shards))),
            "links_sha256": _digest(folder, (OFFSETS_FILE, TARGETS_FILE)),
        }
        write_report(folder, document)
    return document


def _check(request: Mapping[str, Any]) -> None:
    """Make sure that a corpus can be written as it was asked for."""
    kinds = {"source": (str, Path), "output": (str, Path), "links": (str,), "neighbours": (int,)}
    require_kinds(request, kinds)
    links, neighbours, output = request["links"], request["neighbours"], Path(request["output"])
    if links not in LINK_KINDS:
        raise RequestError(f"--links {links!r}: {nearest(links, LINK_KINDS)}")
    if neighbours < 1:
        raise RequestError(f"--neighbours should be at least 1, found {neighbours}")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise RequestError(f"{output}: is there already; remove it, or choose another --output")
    require_writable(output.parent, "the folder of --output")


def _elsewhere(offsets: np.ndarray, documents: int) -> np.ndarray:
    """Return as many targets for each document, drawn at random from the others without repetition."""
    generator = np.random.default_rng(0)
    targets = []
    for number, count in enumerate(np.diff(offsets)):
        drawn = generator.choice(documents - 1, size=count, replace=False)
        targets.append(np.sort(drawn + (drawn >= number)))
    return np.concatenate([np.zeros(0, dtype=np.int64), *targets]).astype(np.int32)


def _describe(offsets: np.ndarray, targets: np.ndarray, report: Report) -> None:
    """Add to a report what the links are like."""
    degrees = np.bincount(targets, minlength=report.documents)
    report.links = len(targets)
    report.without_links = int((np.diff(offsets) == 0).sum())
    report.without_in_links = int((degrees == 0).sum())
    report.largest_in_degree = int(degrees.max())
    powers = np.where(degrees, np.floor(np.log2(np.maximum(degrees, 1))).astype(int) + 1, 0)
    report.in_degrees = {_range(power): int(count) for power, count in enumerate(np.bincount(powers))}


def _range(power: int) -> str:
    low, high = 2 ** (power - 1), 2**power - 1
    return "0" if power == 0 else str(low) if low == high else f"{low}-{high}"


def _digest(folder: Path, names: Iterable[str]) -> str:
    """Return one SHA-256 of files in a folder."""
    total = hashlib.sha256()
    for name in names:
        with (folder / name).open("rb") as handle:
            total.update(hashlib.file_digest(handle, "sha256").digest())
    return total.hexdigest()
