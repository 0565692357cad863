"""Links for documents without any: the nearest documents by the cosine of their TF-IDF vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .corpus import read_texts

_log = logging.getLogger(__name__)

_FEATURES = 2**20
_TEXTS = 4096  # documents whose words are counted at a time
_BLOCK = 250_000  # documents that are in memory, to be compared with all others
_PAIRS = 4_000_000  # cosines that are computed at a time, at most
_COMMON_SHARE = 10  # a word of more than a tenth of the documents is common,
_COMMON_COUNT = 2000  # and so is one of more than that many


def nearest_documents(folder: Path, shards: int, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Return links from each document to the nearest others.

    The vectors are those of scikit-learn: counts of hashed words, sublinear, weighted by inverse document frequency and
    scaled to length 1. Common words are left out, because they say little and cost the most: those of more than a tenth
    of the documents, and those of more than 2,000 documents. So the number of pairs with a word in common grows with
    the number of documents and not with its square. A document with no word in common with others has no link.

    The vectors are in files, and only some of them in memory at a time.

    Args:
        folder: holds the documents.
        shards: number of their files.
        neighbours: number of nearest documents.

    Returns:
        Offsets and targets (see `corpus.Links`).
    """
    with TemporaryDirectory(dir=folder) as place:
        vectors = _write_vectors(folder, shards, Path(place))
        count = len(vectors)
        nearest = np.full((count, neighbours), -1, dtype=np.int32)
        cosines = np.zeros((count, neighbours), dtype=np.float32)
        for begin in range(0, count, _BLOCK):
            block = vectors.rows(begin, min(begin + _BLOCK, count)).T.tocsr()
            for start, end in vectors.parts(block.shape[1]):
                similar = vectors.rows(start, end) @ block
                for row, (first, last) in enumerate(pairwise(similar.indptr), start):
                    found, cosine = similar.indices[first:last] + begin, similar.data[first:last]
                    _keep_largest(nearest[row], cosines[row], found[found != row], cosine[found != row])
    there = nearest >= 0
    offsets = np.concatenate([[0], np.cumsum(there.sum(1))]).astype(np.int64)
    nearest.sort(1)
    return offsets, nearest[nearest >= 0]


def _keep_largest(nearest: np.ndarray, cosines: np.ndarray, found: np.ndarray, cosine: np.ndarray) -> None:
    """Replace a document's nearest ones by nearer ones among further documents; of equal ones, the first stay.

    Args:
        nearest: the nearest documents so far, -1 where there are none yet; it is changed.
        cosines: their cosines; it is changed.
        found: further documents, which come later in the corpus than those so far.
        cosine: their cosines.
    """
    count = len(nearest)
    if len(found) > count:
        enough = cosine >= np.partition(cosine, -count)[-count]
        found, cosine = found[enough], cosine[enough]
    there = nearest >= 0
    found, cosine = np.concatenate([nearest[there], found]), np.concatenate([cosines[there], cosine])
    order = np.lexsort((found, -cosine))[:count]
    nearest[: len(order)], cosines[: len(order)] = found[order], cosine[order]


@dataclass(frozen=True)
class _Vectors:
    """Sparse vectors in files.

    Attributes:
        folder: holds the files.
        offsets: where the values of each vector begin; int64, shape (documents + 1,).
        reached: for each document, in how many others its words are, counted for each word; int64, shape (documents,).
        size: length of the vectors.
    """

    folder: Path
    offsets: np.ndarray
    reached: np.ndarray
    size: int

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self.reached)

    def rows(self, start: int, end: int) -> Any:
        """Read vectors as the rows of a sparse matrix."""
        from scipy.sparse import csr_matrix

        first, last = int(self.offsets[start]), int(self.offsets[end])
        indices, values = (
            np.fromfile(self.folder / name, kind, last - first, offset=4 * first)
            for name, kind in (("indices", np.int32), ("values", np.float32))
        )
        return csr_matrix((values, indices, self.offsets[start : end + 1] - first), shape=(end - start, self.size))

    def parts(self, others: int) -> Iterator[tuple[int, int]]:
        """Divide the vectors, so that few of each part have a word in common with `others` other ones."""
        sums = np.cumsum(np.minimum(self.reached, others))
        start = 0
        while start < len(self):
            before = sums[start - 1] if start else 0
            end = max(start + 1, int(np.searchsorted(sums, before + _PAIRS, side="right")))
            yield start, end
            start = end


def _write_vectors(folder: Path, shards: int, place: Path) -> _Vectors:
    """Write the vectors of all documents, whose values are of words that are not common."""
    from sklearn.preprocessing import normalize

    documents, frequencies = 0, np.zeros(_FEATURES, dtype=np.int64)
    for counted in _counts(folder, shards):
        documents += counted.shape[0]
        frequencies += np.bincount(counted.indices, minlength=_FEATURES)
    rare = frequencies <= max(2, min(documents // _COMMON_SHARE, _COMMON_COUNT))
    kept = np.flatnonzero(rare & (frequencies > 0))
    if not len(kept):
        _log.warning("every word is in too many documents, so that no document is near to another one")
    # As in scikit-learn's TfidfTransformer.
    weights = 1 + np.log((1 + documents) / (1 + frequencies[kept])).astype(np.float32)
    sizes, reached = [], []
    with (place / "indices").open("wb") as indices, (place / "values").open("wb") as values:
        for counted in _counts(folder, shards):
            vectors = counted[:, kept]
            sizes.append(np.diff(vectors.indptr))
            sums = np.concatenate([[0], np.cumsum(frequencies[kept][vectors.indices])])
            reached.append(np.diff(sums[vectors.indptr]))
            vectors.data = (1 + np.log(vectors.data)) * weights[vectors.indices]
            if vectors.nnz:  # it refuses vectors of length 0
                normalize(vectors, copy=False)
            vectors.indices.astype(np.int32).tofile(indices)
            vectors.data.astype(np.float32).tofile(values)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    return _Vectors(place, offsets, np.concatenate(reached), len(kept))


def _counts(folder: Path, shards: int) -> Iterator[Any]:
    """Yield how often each word is in each document, as sparse matrices for some documents at a time."""
    from sklearn.feature_extraction.text import HashingVectorizer

    options: dict[str, Any] = {"n_features": _FEATURES, "alternate_sign": False, "norm": None, "dtype": np.float32}
    hashing = HashingVectorizer(stop_words="english", **options)
    texts = read_texts(folder, shards)
    while batch := list(islice(texts, _TEXTS)):
        yield hashing.transform(batch)
