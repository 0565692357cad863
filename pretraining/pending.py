"""The first pass over documents with links: what is kept of them in memory and on disk until links can be resolved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from .corpus import EQUALS_FILE, full_text, shard_name
from .growing import GrowingArray
from .linked import Document

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
        deleted: versions of documents that the source deletes after them, which are left out.
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
    deleted: int = 0
    equal_texts: int = 0


class PendingDocuments:
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
        self._deleted: dict[int, int] = {}  # hash of an identifier -> number of documents read before it was deleted
        self._links: IO[bytes] = (folder / "links.pending").open("w+b")
        self._buffer: list[tuple[int, int]] = []

    def add(self, document: Document) -> None:
        """Add a document, or note that the earlier ones of its identifier are deleted."""
        number = len(self._ids)
        if document.deleted:
            self._deleted[_hash(document.id)] = number
            return
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
        empty = int((texts == 0).sum())
        deleted = self._are_deleted(ids) & (texts != 0)
        texts[deleted] = 0
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
            empty=empty,
            replaced=int((~last & (texts != 0)).sum()),
            deleted=int(deleted.sum()),
            equal_texts=len(same) - len(firsts),
        )
        start = 0
        for number in range(self.shards):
            start = self._keep(number, kept, start)
        return report, kept

    def _are_deleted(self, ids: np.ndarray) -> np.ndarray:
        """Return whether each document was deleted after it was read, for the hashes of their identifiers."""
        if not self._deleted:
            return np.zeros(len(ids), dtype=bool)
        hashes = np.array(sorted(self._deleted), dtype=np.uint64)
        until = np.array([self._deleted[value] for value in hashes.tolist()])
        places = np.minimum(np.searchsorted(hashes, ids), len(hashes) - 1)
        return (hashes[places] == ids) & (np.arange(len(ids)) < until[places])

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
