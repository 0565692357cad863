"""A corpus with links on disk: documents in Arrow files, links as a sparse matrix in memory-mapped arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import RequestError

CORPUS_FILE = "corpus.json"
OFFSETS_FILE, TARGETS_FILE = "link-offsets.npy", "link-targets.npy"
EQUALS_FILE = "equal-texts.npy"  # only where several documents have the same text
FORMAT_VERSION = 2
_REPORTED = {"documents": int, "shards": int, "source": str, "links": int, "link_kind": str, "texts_sha256": str,
             "links_sha256": str}  # fmt: skip


def shard_name(number: int) -> str:
    """Return the name of the file with the documents of one shard."""
    return f"documents-{number:05d}.arrow"


@dataclass(frozen=True)
class Links:
    """The links of all documents, as a compressed sparse row matrix without values.

    Attributes:
        offsets: where the targets of each document begin; int64, shape (documents + 1,).
        targets: the numbers of the documents that are linked to, each once for a document and in ascending order;
            int32, shape (links,).
    """

    offsets: np.ndarray
    targets: np.ndarray

    @cached_property
    def out_degrees(self) -> np.ndarray:
        """Number of documents to which each document links, shape (documents,)."""
        return np.diff(self.offsets)

    @cached_property
    def in_degrees(self) -> np.ndarray:
        """Number of documents that link to each document, shape (documents,)."""
        return np.bincount(self.targets, minlength=len(self.offsets) - 1)

    def of(self, document: int) -> np.ndarray:
        """Return the numbers of the documents to which a document links."""
        return self.targets[self.offsets[document] : self.offsets[document + 1]]


@dataclass(frozen=True)
class LinkedCorpus:
    """A corpus that `linkbert pretrain data` has written.

    Attributes:
        folder: its folder.
        report: what `corpus.json` says.
        links: the links, memory-mapped.
        firsts: for each document, the first one with the same text, memory-mapped; None if all texts differ.
    """

    folder: Path
    report: dict[str, Any]
    links: Links
    firsts: np.ndarray | None = None

    @classmethod
    def open(cls, folder: Path) -> LinkedCorpus:
        """Open a corpus; nothing but its report is read.

        Raises:
            RequestError: the folder is not a corpus, or its files do not fit together.
        """
        file = folder / CORPUS_FILE
        if not file.is_file():
            raise RequestError(
                f"{folder}: not a corpus with links, it has no {CORPUS_FILE}; `linkbert pretrain data SOURCE --output "
                f"{folder}` writes one"
            )
        report = read_json(file, OWN_LIMIT)
        if not isinstance(report, dict) or report.get("format") != FORMAT_VERSION:
            raise RequestError(f"{file}: this version reads format {FORMAT_VERSION}; write the corpus again")
        if not all(isinstance(report.get(key), kind) for key, kind in _REPORTED.items()):
            raise RequestError(f"{file}: damaged; write the corpus again")
        try:
            offsets, targets = (np.load(folder / name, mmap_mode="r") for name in (OFFSETS_FILE, TARGETS_FILE))
            equals = folder / EQUALS_FILE
            firsts = np.load(equals, mmap_mode="r") if equals.is_file() else None
        except (OSError, ValueError) as error:
            raise RequestError(f"{folder}: the links cannot be read ({error}); write the corpus again") from error
        fits = firsts is None or len(firsts) == report["documents"]
        if len(offsets) != report["documents"] + 1 or offsets[-1] != len(targets) or not fits:
            raise RequestError(f"{folder}: links and documents do not fit together; write the corpus again")
        return cls(folder, report, Links(offsets, targets), firsts)

    def __len__(self) -> int:
        """Return the number of documents."""
        return self.report["documents"]

    def texts(self) -> Iterator[str]:
        """Yield the text of each document, its title in front."""
        return read_texts(self.folder, self.report["shards"])


def read_texts(folder: Path, shards: int) -> Iterator[str]:
    """Yield the text of each document of the shards in a folder, its title in front.

    Raises:
        RequestError: a shard is missing or damaged.
    """
    import pyarrow as pa

    for number in range(shards):
        file = folder / shard_name(number)
        try:
            with pa.memory_map(str(file)) as source:
                reader = pa.ipc.open_file(source)
                for index in range(reader.num_record_batches):
                    batch = reader.get_batch(index)
                    for title, text in zip(batch["title"].to_pylist(), batch["text"].to_pylist(), strict=True):
                        yield full_text(title, text)
        except (OSError, KeyError, pa.ArrowException) as error:
            raise RequestError(f"{file}: cannot be read ({error}); write the corpus again") from error


def full_text(title: str, text: str) -> str:
    """Return a title and a text as one text."""
    if not title or not text:
        return title or text
    return f"{title} {text}" if title.endswith(("?", "!")) else f"{title.rstrip('.')}. {text}"


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write `corpus.json`, which completes a corpus."""
    (folder / CORPUS_FILE).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
