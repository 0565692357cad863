"""Features of texts: the last hidden states of an encoder, as its model card computes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import RequestError, RunError, nearest
from ..files import atomic_write
from ..models.features import POOLINGS, Pooling, features_head, load_encoder
from ..models.loading import inspect_model
from ..models.sources import find_model

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 512  # texts that are encoded at a time
_HEADER = 128  # bytes of the header of a .npy file
FORMATS = (".npy", ".parquet")


@dataclass
class Embedder:
    """An encoder in memory. `linkbert.embed` makes one for a single call.

    Args:
        model: a preset, a folder (also a run folder), or a hub id.
        pooling: `cls` for the first token, `mean` over all tokens, or `none` for all tokens.
        max_length: word pieces per text; those of the model if None. A longer text loses its end, which is counted.
        precision: number format; fp32 gives what the code of the model's card gives.
        revision: a branch, tag or commit of a model of the hub.

    Attributes:
        cut: number of texts that were longer than the limit.

    Raises:
        RequestError: the model is not found, or an argument is wrong.
    """

    model: str
    pooling: Pooling = "cls"
    max_length: int | None = None
    precision: str = "fp32"
    revision: str | None = None
    cut: int = 0

    def __post_init__(self) -> None:
        from ..models.tokenizer_loading import load_tokenizer
        from ..training.predictor import Predictor

        if self.pooling not in POOLINGS:
            raise RequestError(f"--pooling {self.pooling!r}: {nearest(self.pooling, POOLINGS)}")
        source = find_model(self.model, revision=self.revision)
        info = inspect_model(source)
        longest = info.max_positions or 512
        if self.max_length is not None and not 2 <= self.max_length <= longest:
            raise RequestError(f"--max-length should be from 2 to the model's {longest}, found {self.max_length}")
        self.limit = self.max_length or longest
        self.size = info.hidden_size
        self._tokenizer: Any = load_tokenizer(source.path, words=False)
        self._predictor = Predictor(features_head(self.pooling), self._tokenizer, self.precision)
        self._encoder = load_encoder(source.path)

    def vectors(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """Yield the features of each text in order, float32, shape (hidden,), or (tokens, hidden) without pooling."""
        for _, vector in self.pieces_and_vectors(texts):
            yield vector

    def pieces_and_vectors(self, texts: Iterable[str]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yield the token ids and the features of each text in order, at constant memory."""
        import pyarrow as pa

        iterator = iter(texts)
        schema = pa.schema(
            {
                "input_ids": pa.list_(pa.list_(pa.int32())),
                "token_type_ids": pa.list_(pa.list_(pa.int8())),
                "labels": pa.int32(),
            }
        )
        done = 0
        while chunk := list(islice(iterator, _CHUNK)):
            for number, text in enumerate(chunk, start=done + 1):
                if not isinstance(text, str):
                    raise RequestError(f"text {number}: expected a text, found {type(text).__name__}")
            done += len(chunk)
            encoded = self._tokenizer(chunk, truncation=False, return_attention_mask=False, verbose=False)
            long = [index for index, ids in enumerate(encoded["input_ids"]) if len(ids) > self.limit]
            self.cut += len(long)
            if long:
                encoded = self._tokenizer(
                    chunk, truncation=True, max_length=self.limit, return_attention_mask=False, verbose=False
                )
            types = encoded.get("token_type_ids") or [[]] * len(chunk)
            rows = [
                {"input_ids": [ids], "token_type_ids": [kinds], "labels": None}
                for ids, kinds in zip(encoded["input_ids"], types, strict=True)
            ]
            outputs = self._predictor.predict_rows(self._encoder, pa.Table.from_pylist(rows, schema=schema))
            yield from zip(encoded["input_ids"], outputs, strict=True)

    def tokens(self, ids: list[int]) -> list[str]:
        """Return the word pieces of token ids."""
        return self._tokenizer.convert_ids_to_tokens(ids)


def embed(texts: str | Iterable[str], *, model: str, pooling: Pooling = "cls", **options: Any) -> Any:
    """Return the features of texts.

    Args:
        texts: one text, or several.
        model: a preset, a folder, or a hub id.
        pooling: `cls`, `mean`, or `none`.
        **options: `max_length`, `precision` and `revision`, see `Embedder`.

    Returns:
        An array of float32: shape (hidden,) for one text, (texts, hidden) for several. Without pooling, shape
        (tokens, hidden) for one text, and a list of such arrays for several.

    Raises:
        RequestError: the model is not found, or an argument is wrong.
    """
    import numpy as np

    if not isinstance(texts, Iterable) or hasattr(texts, "columns"):
        raise RequestError(
            f"texts should be one text or several, found {type(texts).__name__}; of a data frame, give a column"
        )
    embedder = Embedder(model, pooling, **options)
    if isinstance(texts, str):
        return next(embedder.vectors([texts]))
    vectors = list(embedder.vectors(texts))
    if pooling == "none":
        return vectors
    return np.stack(vectors) if vectors else np.zeros((0, embedder.size), dtype=np.float32)


def write_embeddings(embedder: Embedder, texts: Iterable[str], output: Path) -> int:
    """Write the features of texts into a file, which appears when it is complete, and return their number.

    Args:
        embedder: the encoder.
        texts: the texts, in order.
        output: a `.npy` file with an array (texts, hidden), or a `.parquet` file with the columns `text`, `embedding`
            and, without pooling, `tokens`.

    Raises:
        RequestError: the format is unknown, or cannot hold features without pooling.
        RunError: the file cannot be written.
    """
    check_output(output, embedder.pooling)
    try:
        with atomic_write(output) as handle:
            if output.suffix == ".npy":
                return _write_npy(embedder, texts, handle)
            return _write_parquet(embedder, texts, handle)
    except OSError as error:
        raise RunError(
            f"{output}: cannot be written ({error.strerror}); free disk space, or name another file"
        ) from error


def check_output(output: Path, pooling: str) -> None:
    """Make sure that a file can hold features.

    Raises:
        RequestError: the format is unknown, or cannot hold features without pooling.
    """
    if output.suffix not in FORMATS:
        raise RequestError(f"--output {output}: its name should end in {' or '.join(FORMATS)}")
    if pooling == "none" and output.suffix == ".npy":
        raise RequestError("--pooling none gives each text another number of vectors; write them into a .parquet file")


def _write_npy(embedder: Embedder, texts: Iterable[str], handle: IO[bytes]) -> int:
    # The number of rows is known at the end alone, so that the header is written last, into the space left for it.
    handle.write(b"\0" * _HEADER)
    count = 0
    for vector in embedder.vectors(texts):
        handle.write(vector.astype("<f4").tobytes())
        count += 1
    handle.seek(0)
    # The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {embedder.size}), }}"
    header = text.ljust(_HEADER - 11) + "\n"
    handle.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin-1"))
    return count


def _write_parquet(embedder: Embedder, texts: Iterable[str], handle: IO[bytes]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vector = pa.list_(pa.float32(), embedder.size)
    fields: dict[str, Any] = {"text": pa.string(), "embedding": vector}
    if embedder.pooling == "none":
        fields = {"text": pa.string(), "tokens": pa.list_(pa.string()), "embedding": pa.list_(vector)}
    schema = pa.schema(fields)
    count = 0
    iterator = iter(texts)
    with pq.ParquetWriter(handle, schema) as writer:
        while chunk := list(islice(iterator, _CHUNK)):
            found = list(embedder.pieces_and_vectors(chunk))
            columns: dict[str, Any] = {"text": chunk}
            if embedder.pooling == "none":
                columns["tokens"] = [embedder.tokens(ids) for ids, _ in found]
                columns["embedding"] = [list(map(list, values)) for _, values in found]
            else:
                columns["embedding"] = [values.tolist() for _, values in found]
            writer.write_table(pa.table(columns, schema=schema))
            count += len(chunk)
    return count
