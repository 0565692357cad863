"""Writing a corpus with links, in two passes and in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

import numpy as np

from ..errors import RequestError, nearest
from ..files import atomic_folder
from .corpus import EQUALS_FILE, FORMAT_VERSION, OFFSETS_FILE, TARGETS_FILE, full_text, shard_name, write_report
from .documents import read_documents
from .growing import GrowingArray
from .linked import Document
from .tfidf import nearest_documents

LinkKind = Literal["own", "tfidf", "random"]
LINK_KINDS: tuple[str, ...] = get_args(LinkKind)
_SHARD_BYTES = 128 * 2**20  # of text; a shard is held in memory while it is written
_ROWS = 4096  # documents of a record batch
_CHUNK = 2**20  # links that are resolved at a time


@dataclass
class Report:
    """What is in a corpus, and what was left out of it.

    Attributes:
        documents: number of documents.
        words: number of words, divided by white space.
        links: number of different links between documents.
        links_out: links to documents that are not in the corpus.
        self_links: links of documents to themselves, which are left out.
        repeated_links: further links from one document to the same other one, which are left out.
        without_links: documents that link to none in the corpus.
        without_in_links: documents to which none links.
        in_degrees: number of documents by in-degree: 0, 1, 2-3, 4-7, and so on.
        largest_in_degree: of the document to which most others link.
        empty: documents without text, which are left out.
        replaced: earlier versions of documents whose identifier came again, which are left out.
        equal_texts: documents whose text stands in an earlier document too; they are kept.
    """

    documents: int = 0
    words: int = 0
    links: int = 0
    links_out: int = 0
    self_links: int = 0
    repeated_links: int = 0
    without_links: int = 0
    without_in_links: int = 0
    in_degrees: dict[str, int] | None = None
    largest_in_degree: int = 0
    empty: int = 0
    replaced: int = 0
    equal_texts: int = 0


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
    source, output = Path(source), Path(output)
    if links not in LINK_KINDS:
        raise RequestError(f"--links {links!r}: {nearest(links, LINK_KINDS)}")
    if neighbours < 1:
        raise RequestError(f"--neighbours should be at least 1, found {neighbours}")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise RequestError(f"{output}: is there already; remove it, or choose another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(output) as folder:
        pending = _Pending(folder)
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


class _Pending:
    """The documents that were read so far, on disk, with what is needed to resolve links.

    Of each document, the memory holds two 64-bit hashes; of each link, the disk holds the number of its document and
    the hash of its target. (Among ten million identifiers, two have the same hash with a probability of 3e-6.)

    Args:
        folder: where files are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.shards = folder, 0
        self._rows: list[tuple[str, str, str]] = []
        self._bytes = 0
        self._ids, self._texts = GrowingArray(np.uint64), GrowingArray(np.uint64)
        self._words = GrowingArray(np.int32)
        self._links: IO[bytes] = (folder / "links.pending").open("w+b")
        self._buffer: list[tuple[int, int]] = []

    def add(self, document: Document) -> None:
        number = len(self._ids)
        text = full_text(document.title, document.text)
        self._ids.append(_hash(document.id))
        self._texts.append(_hash(text) if document.text.strip() else 0)
        self._words.append(len(text.split()))
        self._rows.append((document.id, document.title, document.text))
        self._bytes += len(document.text)
        self._buffer += [(number, _hash(target)) for target in document.links]
        if self._bytes >= _SHARD_BYTES:
            self._write_shard()
        if len(self._buffer) >= _CHUNK:
            self._write_links()

    def _write_shard(self) -> None:
        import pyarrow as pa

        columns = [list(column) for column in zip(*self._rows, strict=True)]
        table = pa.table(dict(zip(("id", "title", "text"), columns, strict=True)))
        _write_table(self.folder / f"{self.shards}.pending", table)
        self.shards += 1
        self._rows, self._bytes = [], 0

    def _write_links(self) -> None:
        np.array(self._buffer, dtype=np.uint64).tofile(self._links)
        self._buffer = []

    def finish(self) -> tuple[Report, np.ndarray]:
        """Write the final shards, and return what was left out with, for each document read, whether it is kept."""
        if self._rows:
            self._write_shard()
        if self._buffer:
            self._write_links()
        ids, texts = self._ids.array(), self._texts.array()
        # Of documents with the same identifier, the last one with a text is kept.
        order = np.lexsort((np.arange(len(ids)), texts != 0, ids))
        last = np.ones(len(ids), dtype=bool)
        last[order[:-1]] = ids[order[1:]] != ids[order[:-1]]
        kept = last & (texts != 0)
        _, firsts, same = np.unique(texts[kept], return_index=True, return_inverse=True)
        if len(firsts) < len(same):
            np.save(self.folder / EQUALS_FILE, firsts[same].astype(np.int32))
        report = Report(
            documents=len(same),
            words=int(self._words.array()[kept].sum()),
            empty=int((texts == 0).sum()),
            replaced=int((~last & (texts != 0)).sum()),
            equal_texts=len(same) - len(firsts),
        )
        start = 0
        for number in range(self.shards):
            start = self._keep(number, kept, start)
        return report, kept

    def _keep(self, number: int, kept: np.ndarray, start: int) -> int:
        """Copy the documents of a shard that are kept, and return the number of the next shard's first document."""
        import pyarrow as pa

        pending = self.folder / f"{number}.pending"
        with pa.memory_map(str(pending)) as source:
            table = pa.ipc.open_file(source).read_all()
            chosen = table.filter(pa.array(kept[start : start + len(table)]))
            _write_table(self.folder / shard_name(number), chosen)
        pending.unlink()
        return start + len(table)

    def resolve(self, kept: np.ndarray, report: Report) -> tuple[np.ndarray, np.ndarray]:
        """Turn hashes of targets into numbers of documents, and return the links as offsets and targets."""
        ids = self._ids.array()
        numbers = np.cumsum(kept) - 1
        places = np.flatnonzero(kept)
        order = places[np.argsort(ids[places], kind="stable")]
        known = ids[order]
        self._links.seek(0)
        parts = []
        while len(chunk := np.fromfile(self._links, dtype=np.uint64, count=2 * _CHUNK)):
            pairs = chunk.reshape(-1, 2)
            sources = pairs[:, 0].astype(np.int64)
            pairs, sources = pairs[kept[sources]], sources[kept[sources]]
            found = np.minimum(np.searchsorted(known, pairs[:, 1]), len(known) - 1)
            inside = known[found] == pairs[:, 1]
            report.links_out += int((~inside).sum())
            targets, sources = numbers[order[found[inside]]], numbers[sources[inside]]
            own = targets == sources
            report.self_links += int(own.sum())
            parts.append((sources[~own].astype(np.int64) << 32) | targets[~own])
        every = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        different = np.unique(every)
        report.repeated_links = len(every) - len(different)
        counts = np.bincount(different >> 32, minlength=report.documents)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return offsets, (different & 0xFFFFFFFF).astype(np.int32)

    def remove_files(self) -> None:
        """Remove what only the writing needs."""
        self._links.close()
        (self.folder / "links.pending").unlink()


def _write_table(path: Path, table: Any) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
        out.write_table(table, max_chunksize=_ROWS)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


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
