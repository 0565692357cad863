"""Links for documents without any: the nearest documents by the cosine of their TF-IDF vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .corpus import read_texts

_FEATURES = 2**18
_ROWS = 512  # documents that are compared with all others at a time


def nearest_documents(folder: Path, shards: int, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Return links from each document to the nearest others.

    The vectors are those of scikit-learn: counts of hashed words, sublinear, weighted by inverse document frequency and
    scaled to length 1. Words of more than a tenth of the documents are left out, because they say little, and cost the
    most. The time grows with the square of the number of documents. A document with no word in common with others has
    no link.

    Args:
        folder: holds the documents.
        shards: number of their files.
        neighbours: number of nearest documents.

    Returns:
        Offsets and targets (see `corpus.Links`).
    """
    vectors = _vectors(folder, shards)
    transposed = vectors.T.tocsc()
    counts, targets = [], []
    for start in range(0, vectors.shape[0], _ROWS):
        similar = (vectors[start : start + _ROWS] @ transposed).tocsr()
        for row in range(similar.shape[0]):
            begin, end = similar.indptr[row], similar.indptr[row + 1]
            found, cosines = similar.indices[begin:end], similar.data[begin:end]
            others = found != start + row
            found, cosines = found[others], cosines[others]
            # The nearest first; of equally near ones, the first of the corpus.
            chosen = found[np.lexsort((found, -cosines))[:neighbours]]
            counts.append(len(chosen))
            targets.append(np.sort(chosen))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return offsets, np.concatenate(targets).astype(np.int32)


def _vectors(folder: Path, shards: int) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    options: dict[str, Any] = {"n_features": _FEATURES, "alternate_sign": False, "norm": None, "dtype": np.float32}
    hashing = HashingVectorizer(stop_words="english", **options)
    hashed: Any = hashing.transform(read_texts(folder, shards))
    counts = hashed.tocsc()
    common = np.diff(counts.indptr) > max(2, counts.shape[0] // 10)
    if not common.all():
        counts = counts[:, ~common]
    weighted: Any = TfidfTransformer(sublinear_tf=True).fit_transform(counts.tocsr())
    return weighted.astype(np.float32)
