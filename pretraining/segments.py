"""The word pieces of a corpus, and the segments into which its documents are divided."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError
from .cached import cached_folder
from .corpus import LinkedCorpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_log = logging.getLogger(__name__)

_VERSION = 2  # of how texts become word pieces
_BATCH = 1000  # documents that are tokenized at a time
_SHORTEST = 8  # word pieces; a document of twice as many is divided into two segments, so that it has a next one
SPECIAL_TOKENS = 3  # [CLS] A [SEP] B [SEP]


@dataclass(frozen=True)
class WordPieces:
    """The word pieces of all documents, memory-mapped.

    Attributes:
        ids: token ids, one document after the other; uint32, shape (word pieces,).
        begins: whether a word begins with the word piece; bool, same shape.
        offsets: where the word pieces of each document begin; int64, shape (documents + 1,).
    """

    ids: np.ndarray
    begins: np.ndarray
    offsets: np.ndarray


def word_pieces(corpus: LinkedCorpus, tokenizer: PreTrainedTokenizerFast) -> WordPieces:
    """Return the word pieces of a corpus; they are made once for each tokenizer, and kept in linkbert's cache.

    Corpora that differ in their links alone share them.
    """
    made_of = f"{_VERSION} {corpus.report['texts_sha256']} {tokenizer.backend_tokenizer.to_str()}"
    folder = cached_folder("", made_of, partial(_write, corpus, tokenizer))
    ids = np.memmap(folder / "ids", dtype=np.uint32, mode="r")
    begins = np.memmap(folder / "begins", dtype=bool, mode="r")
    return WordPieces(ids, begins, np.load(folder / "offsets.npy"))


def _write(corpus: LinkedCorpus, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    _log.info("dividing %d documents into word pieces", len(corpus))
    texts = corpus.texts()
    counts = []
    with (folder / "ids").open("wb") as ids, (folder / "begins").open("wb") as begins:
        while batch := list(islice(texts, _BATCH)):
            # `verbose` keeps the library from warning of texts that are longer than a model reads. A text that holds
            # "[SEP]" is about a model, and means no separator.
            encoded: Any = tokenizer(
                batch, add_special_tokens=False, return_attention_mask=False, verbose=False, split_special_tokens=True
            )
            for encoding in encoded.encodings:
                words = np.array([-1 if word is None else word for word in encoding.word_ids], dtype=np.int64)
                np.array(encoding.ids, dtype=np.uint32).tofile(ids)
                np.diff(words, prepend=-1).astype(bool).tofile(begins)
                counts.append(len(words))
    if len(counts) != len(corpus):
        raise RequestError(
            f"{corpus.folder}: has {len(counts)} documents where {len(corpus)} are expected; write the corpus again"
        )
    if not sum(counts):
        raise RequestError(f"{corpus.folder}: the tokenizer finds no word pieces in the documents")
    np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


@dataclass(frozen=True)
class Segments:
    """The segments of all documents, in the order of the corpus.

    A document is divided into as few segments of about equal length as fit; into two at least, unless it is very short.

    Attributes:
        starts: where each segment begins among the word pieces; int64, shape (segments,).
        lengths: number of word pieces of each segment, same shape.
        documents: the document of each segment, same shape.
        firsts: the number of each document's first segment; int64, shape (documents + 1,).
    """

    starts: np.ndarray
    lengths: np.ndarray
    documents: np.ndarray
    firsts: np.ndarray

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.starts)

    @classmethod
    def of(cls, offsets: np.ndarray, max_length: int) -> Segments:
        """Divide documents into segments, two of which fit into a sequence.

        Args:
            offsets: where the word pieces of each document begin, shape (documents + 1,).
            max_length: word pieces of a sequence, special tokens included.
        """
        longest = (max_length - SPECIAL_TOKENS) // 2
        sizes = np.diff(offsets)
        counts = -(-sizes // longest)
        counts = np.where((counts == 1) & (sizes >= 2 * _SHORTEST), 2, counts)
        firsts = np.concatenate([[0], np.cumsum(counts)])
        documents = np.repeat(np.arange(len(sizes)), counts)
        places = np.arange(len(documents)) - firsts[documents]
        begins = places * sizes[documents] // counts[documents]
        ends = (places + 1) * sizes[documents] // counts[documents]
        return cls(offsets[documents] + begins, ends - begins, documents, firsts)

    @property
    def counts(self) -> np.ndarray:
        """Number of segments of each document, shape (documents,)."""
        return np.diff(self.firsts)
