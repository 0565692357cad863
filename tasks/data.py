"""Examples and encodings of a task's splits as memory-mapped datasets, which are made once and cached."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from ..corpora.arrow import cached_dataset
from ..corpora.prepared import prepared_path, read_examples
from ..corpora.sources import Row
from ..corpora.verify import Expected, count_is_official
from ..errors import RequestError
from ..files import sha256_of
from . import encoding
from .task import CUT, Task, Truncation

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast


class SplitRecord(TypedDict):
    """A split as results describe it: the checksum of its file, its count, and whether both are the benchmark's."""

    sha256: str
    count: int
    official: bool


@dataclass(frozen=True)
class Split:
    """One split of a task, ready to be encoded.

    Attributes:
        name: train, dev, val or test.
        examples: the memory-mapped examples, with `id`, the inputs, and `label` in its prepared form.
        sha256: SHA-256 of the prepared file.
        count: number of examples, or of the units that the task's family counts.
        official: whether the count and, where it is known, the content are those of the benchmark.
    """

    name: str
    examples: Dataset
    sha256: str
    count: int
    official: bool

    def as_json(self) -> SplitRecord:
        """Return the entry of this split in the `data` of a result file."""
        return {"sha256": self.sha256, "count": self.count, "official": self.official}


@cache
def checksums() -> dict[str, dict[str, str]]:
    """Return the SHA-256 of the canonical prepared files as task -> split -> checksum, where they are known."""
    return tomllib.loads(Path(__file__).with_name("checksums.toml").read_text(encoding="utf-8"))


def expected(task: Task) -> Expected:
    """Return what `corpora.verify` compares a task's prepared files with."""
    return Expected(
        release=task.release,
        counts=task.official,
        accepted=dict(task.accepted),
        sha256=checksums().get(task.name, {}),
        parse=task.parse_labelled,
        size=task.family.size,
        text=task.family.text,
        missing=task.access,
    )


def require_data_folder(data_dir: Path) -> None:
    """Raise a RequestError that says how to get data if there is no such folder."""
    if not data_dir.is_dir():
        raise RequestError(
            f"{data_dir}: no such data folder; name it with --data-dir or LINKBERT_DATA_DIR, or make it: `linkbert "
            "data download` gets what is public, `linkbert data prepare --source FOLDER` reads files that you have"
        )


def require_split(task: Task, split: str, data_dir: Path) -> Path:
    """Return the prepared file of a split.

    Raises:
        RequestError: there is no such split, data folder or file. The message says how to get it.
    """
    if split not in task.splits:
        raise RequestError(f"{task.name} has no split {split!r}; it has {', '.join(task.splits)}")
    if task.prepared is not None:
        return task.prepared(split)
    if task.definition is not None:
        raise RequestError(
            f"{task.name}: its data are not at hand; name its task file in place of its name (`show` and `diff` take "
            "it as --task)"
        )
    require_data_folder(data_dir)
    path = prepared_path(data_dir, task.release, split)
    if path.is_dir():
        raise RequestError(f"{path}: expected a file, found a folder")
    if not path.exists():
        raise RequestError(
            f"{path}: the {split} split of {task.name} is missing; prepare it with `linkbert data prepare {task.name} "
            f"--source FOLDER`. How to get it: {task.access}"
        )
    return path


def load_split(task: Task, split: str, data_dir: Path) -> Split:
    """Read and check a prepared split.

    Raises:
        RequestError: the split is missing, or malformed; the message names file and line.
    """
    path = require_split(task, split, data_dir)
    digest = sha256_of(path)
    key = {"kind": "examples", "task": task.name, "version": task.version, "data": digest, "split": split}

    def rows() -> tuple[Iterable[Row], Callable[[], dict]]:
        notes = {"count": 0}

        def examples() -> Iterator[Row]:
            for example in read_examples(path, task.parse_labelled):
                notes["count"] += task.family.size(example)
                yield example

        return examples(), lambda: notes

    dataset, notes = cached_dataset(f"{task.name}-{split}", key, task.family.schema(task), rows, ("count",))
    known = checksums().get(task.name, {}).get(split)
    # There is no other file of a user's own task that it could differ from.
    own = task.definition is not None
    official = own or (count_is_official(expected(task), split, notes["count"]) and known in (None, digest))
    return Split(split, dataset, digest, notes["count"], official)


def count_shared_texts(task: Task, train: Split, test: Split) -> int:
    """Return how many test examples have a text that is also in train.

    Texts that are too short to mean something (`Family.text` is None) are left out.
    """
    text = task.family.text
    trained_on: Any = train.examples  # pyright does not know what iterating a dataset yields
    tested_on: Any = test.examples
    known = {text(example) for example in trained_on} - {None}
    return sum(text(example) in known for example in tested_on)


def encode_split(
    task: Task, split: Split, tokenizer: PreTrainedTokenizerFast, max_length: int, long_inputs: str = CUT
) -> tuple[Dataset, Truncation]:
    """Encode a split for one tokenizer, maximum length and way to treat long inputs, and count what was cut.

    The cache key holds all of these, the task's version and the data: two models share token ids only if their
    tokenizers are the same.
    """
    key = {
        "kind": "encoded",
        "encoding": encoding.VERSION,
        "task": task.name,
        "version": task.version,
        "data": split.sha256,
        "split": split.name,
        "tokenizer": tokenizer_fingerprint(tokenizer),
        "max_length": max_length,
        "long_inputs": long_inputs,
    }

    def rows() -> tuple[Iterable[Row], Callable[[], dict]]:
        truncation = Truncation()
        examples: Any = split.examples
        encoded = task.encode(tokenizer, examples, max_length, truncation, long_inputs)
        return encoded, lambda: asdict(truncation)

    schema = encoding.encoded_schema(task)
    names = tuple(item.name for item in fields(Truncation))
    dataset, notes = cached_dataset(f"{task.name}-{split.name}-{max_length}", key, schema, rows, names)
    return dataset, Truncation(**notes)


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerFast) -> str:
    """Return a checksum of everything that a tokenizer's output depends on."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    backend.pop("truncation", None)
    backend.pop("padding", None)
    described = [backend, type(tokenizer).__name__, sorted(tokenizer.model_input_names)]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
