"""Encoded examples, read from Arrow tables into flat arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

_ROWS_AT_A_TIME = 1000  # rows in memory while lengths and token ids are counted


@dataclass(frozen=True)
class EncodedRows:
    """Encoded examples as flat arrays.

    Attributes:
        input_ids: the tokens of all sequences, one sequence after the other, shape (tokens,).
        token_type_ids: their token types, shape (tokens,); empty if the model has none.
        lengths: number of tokens of each sequence, shape (sequences,).
        sequences: number of sequences of each example, shape (examples,).
        labels: one label per token, or one label or vector per example; None if the examples have no labels.
        word_index: the word that is predicted at each token, or `UNSCORED`; None if the head does not read words.
        n_words: number of words of each example; None if the head does not read words.
        token_spans: start and end of each token in its context, or -1, shape (tokens, 2); None if the head does not
            look for spans.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    lengths: np.ndarray
    sequences: np.ndarray
    labels: np.ndarray | None
    word_index: np.ndarray | None
    n_words: np.ndarray | None
    token_spans: np.ndarray | None = None

    @classmethod
    def read(cls, table: pa.Table) -> EncodedRows:
        """Read a table of encoded rows, as `Family.encode` makes them."""
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        outer = columns["input_ids"]
        words = columns.get("word_index")
        return cls(
            _values(outer),
            _values(columns["token_type_ids"]),
            _sizes(outer.flatten()),
            _sizes(outer),
            None if columns["labels"].null_count else _labels(columns["labels"]),
            None if words is None else _values(words),
            columns["n_words"].to_numpy(zero_copy_only=False) if words is not None else None,
            _values(columns["token_spans"]).reshape(-1, 2) if "token_spans" in columns else None,
        )


def _sizes(lists: Any) -> np.ndarray:
    import pyarrow.compute

    pc: Any = pyarrow.compute  # Its functions are made at run time, so that pyright does not know them.
    return pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)


def _values(lists: Any) -> np.ndarray:
    return lists.flatten().flatten().to_numpy(zero_copy_only=False)


def _labels(column: Any) -> np.ndarray:
    import pyarrow as pa

    if not pa.types.is_list(column.type):
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_list(column.type.value_type):
        return _values(column)
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _tables(dataset: Dataset) -> Iterator[pa.Table]:
    tables: Any = dataset.with_format("arrow").iter(_ROWS_AT_A_TIME)
    return tables


def lengths_of(dataset: Dataset) -> np.ndarray:
    """Return the number of tokens of each example, summed over its sequences, in the order of the dataset."""
    return np.concatenate([lengths_of_table(table) for table in _tables(dataset)])


def lengths_of_table(table: pa.Table) -> np.ndarray:
    """Return the number of tokens of each example of a table of encoded rows."""
    column = table["input_ids"].combine_chunks()
    tokens, sequences = _sizes(column.flatten()), _sizes(column)
    owners = np.repeat(np.arange(len(sequences)), sequences)
    return np.bincount(owners, weights=tokens, minlength=len(sequences)).astype(np.int64)


def token_ids_of(dataset: Dataset) -> np.ndarray:
    """Return the token ids that occur in a dataset, each once, in ascending order."""
    found = np.empty(0, dtype=np.int64)
    for table in _tables(dataset):
        found = np.union1d(found, _values(table["input_ids"].combine_chunks()))
    return found
