"""Links for documents without any: the nearest documents by the cosine of their TF-IDF vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .corpus import read_texts

_log = logging.getLogger(__name__)

_FEATURES = 2**18
_TEXTS = 4096  # documents whose words are counted at a time
_ROWS = 256  # documents that are compared with all others at a time
_COMMON_SHARE = 10  # a word of more than a tenth of the documents is common,
_COMMON_COUNT = 2000  # and so is one of more than that many


def nearest_documents(folder: Path, shards: int, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Return links from each document to the nearest others.

    The vectors are those of scikit-learn: counts of hashed words, sublinear, weighted by inverse document frequency and
    scaled to length 1. Common words are left out, because they say little and cost the most: those of more than a tenth
    of the documents, and those of more than 2,000 documents. So time and memory grow with the number of documents and
    not with its square. A document with no word in common with others has no link.

    Args:
        folder: holds the documents.
        shards: number of their files.
        neighbours: number of nearest documents.

    Returns:
        Offsets and targets (see `corpus.Links`).
    """
    vectors = _vectors(folder, shards)
    transposed = vectors.T.tocsr()
    counts, targets = [], []
    for start in range(0, vectors.shape[0], _ROWS):
        similar = vectors[start : start + _ROWS] @ transposed
        for row in range(similar.shape[0]):
            begin, end = similar.indptr[row], similar.indptr[row + 1]
            found, cosines = similar.indices[begin:end], similar.data[begin:end]
            others = found != start + row
            chosen = _largest(found[others], cosines[others], neighbours)
            counts.append(len(chosen))
            targets.append(np.sort(chosen))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return offsets, np.concatenate(targets).astype(np.int32)


def _largest(found: np.ndarray, cosines: np.ndarray, count: int) -> np.ndarray:
    """Return the documents with the largest cosines; of equal ones, the first of the corpus."""
    if len(found) > count:
        enough = cosines >= np.partition(cosines, -count)[-count]
        found, cosines = found[enough], cosines[enough]
    return found[np.lexsort((found, -cosines))[:count]]


def _vectors(folder: Path, shards: int) -> Any:
    """Return the vectors of all documents as a sparse matrix, shape (documents, words that are not common)."""
    from scipy.sparse import csr_matrix, vstack
    from sklearn.feature_extraction.text import TfidfTransformer

    documents, frequencies = 0, np.zeros(_FEATURES, dtype=np.int64)
    for counted in _counts(folder, shards):
        documents += counted.shape[0]
        frequencies += np.bincount(counted.indices, minlength=_FEATURES)
    rare = frequencies <= max(2, min(documents // _COMMON_SHARE, _COMMON_COUNT))
    kept = np.flatnonzero(rare & (frequencies > 0))
    if not len(kept):
        _log.warning("every word is in too many documents, so that no document is near to another one")
        return csr_matrix((documents, 1), dtype=np.float32)
    counts = vstack([counted[:, kept] for counted in _counts(folder, shards)], format="csr")
    weighted: Any = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    return weighted.astype(np.float32)


def _counts(folder: Path, shards: int) -> Iterator[Any]:
    """Yield how often each word is in each document, as sparse matrices for some documents at a time."""
    from sklearn.feature_extraction.text import HashingVectorizer

    options: dict[str, Any] = {"n_features": _FEATURES, "alternate_sign": False, "norm": None, "dtype": np.float32}
    hashing = HashingVectorizer(stop_words="english", **options)
    texts = read_texts(folder, shards)
    while batch := list(islice(texts, _TEXTS)):
        yield hashing.transform(batch)
