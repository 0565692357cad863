"""The contract of a task: a frozen value that says everything the trainer, the metrics and the corpora need."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..corpora.prepare import Corpus
from ..corpora.prepared import release_format
from ..corpora.sources import Format, Row, plain
from ..metrics import METRICS
from ..models.heads import HEAD_KINDS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# The six task types of BLURB, in its order, and the two suites beside it.
BLURB_TYPES = (
    "ner",
    "pico",
    "relation-extraction",
    "sentence-similarity",
    "document-classification",
    "question-answering",
)
SUITES = ("blurb", "medqa", "mmlu")
# The suite and task type of datasets beyond the published benchmark: they enter no BLURB score.
EXTRA = "extra"


@dataclass
class Truncation:
    """What encoding a split lost, counted per split and stored with the result.

    Attributes:
        examples: examples encoded.
        examples_cut: examples that lost tokens.
        tokens_cut: word pieces lost.
        masks_lost: examples that lost an entity mask, which makes them unanswerable.
        gold_labels_lost: labelled words that the model cannot see.
        windowed: examples that were split into overlapping windows, and lost nothing.
    """

    examples: int = 0
    examples_cut: int = 0
    tokens_cut: int = 0
    masks_lost: int = 0
    gold_labels_lost: int = 0
    windowed: int = 0


@dataclass(frozen=True)
class Recipe:
    """The settings of one fine-tuning run. Defaults are those of PROTOCOL: AdamW, linear decay, clipping at 1.

    Attributes:
        learning_rate: peak of the schedule.
        batch_size: examples per update, over all processes and micro-batches.
        epochs: passes over the training split.
        max_length: word pieces per sequence, special tokens counted.
        warmup: an integer is updates, a float below 1 a share of all updates, rounded up.
        weight_decay: of AdamW; biases and normalisation weights are spared.
        beta1: of AdamW.
        beta2: of AdamW.
        eps: of AdamW.
        max_grad_norm: gradients are clipped to this norm.
        dropout: hidden dropout; the checkpoint's own when None.
        attention_dropout: attention dropout; the checkpoint's own when None.
        group_by_length: draw batches of examples of like length (departs from the published order).
        origin: setting -> where its value came from.
    """

    learning_rate: float
    batch_size: int
    epochs: int
    max_length: int
    warmup: float = 0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    max_grad_norm: float = 1.0
    dropout: float | None = None
    attention_dropout: float | None = None
    group_by_length: bool = False
    origin: Mapping[str, str] = field(default_factory=dict, compare=False)

    def values(self) -> dict[str, Any]:
        """All settings by name, without their origins."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "origin"}

    def warmup_steps(self, steps: int) -> int:
        """Updates of warm-up in a run of `steps` updates."""
        return int(self.warmup) if self.warmup >= 1 else math.ceil(self.warmup * steps)


@dataclass(frozen=True)
class Family:
    """What the datasets of one kind share.

    Attributes:
        name: the family's name.
        head: a head kind of `models.heads`.
        columns: fields of the prepared format that `predict` reads, in order; raw text fills the first if alone.
        schema: task -> Arrow schema of its examples.
        parse: (task, prepared row) -> example with `id` and, when the row has one, `label` in its prepared form;
            raises ValueError where the row breaks the rules.
        encode: (task, tokenizer, examples, maximum length, truncation counts to fill) -> encoded rows, in order:
            `input_ids` and `token_type_ids` as one list per sequence, `labels`, and for token heads `word_index`
            (the word predicted at each piece, else -1) and `n_words`.
        decode: (task, output of one example) -> (prediction in the form of the label, scores).
        encoded: task -> Arrow schema of the encoded rows.
        text: example -> text by which splits are compared, or None.
    """

    name: str
    head: str
    columns: tuple[str, ...]
    schema: Callable[[Task], pa.Schema]
    parse: Callable[[Task, Row], Row]
    encode: Callable[[Task, Any, Iterable[Row], int, Truncation], Iterator[Row]]
    decode: Callable[[Task, np.ndarray], tuple[Any, Any]]
    encoded: Callable[[Task], pa.Schema]
    text: Callable[[Row], str | None]

    def __post_init__(self) -> None:
        if self.head not in HEAD_KINDS:
            raise ValueError(f"family {self.name!r}: no head kind {self.head!r}; there are {', '.join(HEAD_KINDS)}")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One dataset of the benchmark. Checked when it is made: an unknown metric or label is an error at import.

    Attributes:
        name: the slug by which commands call it.
        version: raised when the corpus, the label set or the metric changes.
        title: the name in print.
        family: what it shares with its like.
        suite: `blurb`, `medqa`, `mmlu`, or `EXTRA`.
        task_type: one of `BLURB_TYPES` within BLURB, else the suite.
        release: its folder in the authors' release.
        counts: official counts of its splits, in `unit`.
        unit: what the counts count.
        labels: the label set in a fixed order; empty for regression and multiple choice.
        metric: a name of `metrics.METRICS`.
        negative: the class that F1 leaves out.
        splits: its splits; it is trained on the first unless `trained_on` names another task.
        tag_types: types in the source files -> the task's own type.
        folders: names of its folder in the source layouts.
        formats: its original formats, best first.
        accepted: split -> (count of the benchmark's own file, why it differs from the printed one).
        masks: whether its texts carry entity masks such as `@GENE$`.
        trained_on: the task whose fine-tuned model it is evaluated with.
        recipe_of: the task whose settings in the recipes it takes; its own when None.
        access: how to get it, in one sentence.
    """

    name: str
    version: int
    title: str
    family: Family
    suite: str
    task_type: str
    release: str
    counts: tuple[int, int, int]
    unit: str = "examples"
    labels: tuple[str, ...] = ()
    metric: str
    negative: str | None = None
    splits: tuple[str, ...] = ("train", "dev", "test")
    tag_types: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    formats: tuple[Format, ...] = ()
    accepted: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    masks: bool = False
    trained_on: str | None = None
    recipe_of: str | None = None
    access: str = ""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"task {self.name!r}: no metric {self.metric!r}; there are {', '.join(METRICS)}")
        if self.suite not in (*SUITES, EXTRA):
            raise ValueError(f"task {self.name!r}: no suite {self.suite!r}; there are {', '.join((*SUITES, EXTRA))}")
        if self.task_type not in (BLURB_TYPES if self.suite == "blurb" else (self.suite,)):
            raise ValueError(f"task {self.name!r}: no task type {self.task_type!r} in the suite {self.suite!r}")
        if self.negative is not None and self.negative not in self.labels:
            raise ValueError(f"task {self.name!r}: the negative class {self.negative!r} is not among its labels")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"task {self.name!r}: a label stands twice")

    @property
    def head(self) -> str:
        """The kind of head that the task needs."""
        return self.family.head

    @property
    def recipe_section(self) -> str:
        """The section of the recipes with its settings, or those of the task whose model it is evaluated with."""
        return self.recipe_of or self.trained_on or self.name

    @property
    def official(self) -> dict[str, int]:
        """Official count per split."""
        return dict(zip(self.splits, self.counts, strict=True))

    @property
    def corpus(self) -> Corpus:
        """The dataset as `corpora.prepare` sees it."""
        folders = tuple(plain(name) for name in (*self.folders, self.release.split("/")[-1].removesuffix("_hf")))
        formats = (*self.formats, release_format(self.release, self.splits, self.parse))
        return Corpus(self.name, self.release, self.splits, folders, formats, self.access)

    def parse(self, row: Row) -> Row:
        """Turn a prepared row into an example; ValueError where it breaks the task's rules."""
        return self.family.parse(self, row)

    def size(self, example: Row) -> int:
        """Count an example in the task's unit."""
        if self.unit == "mentions":
            return sum(tag.startswith("B-") for tag in example["label"])
        if self.unit == "labelled words":
            return sum(tag != "O" for tag in example["label"])
        return 1
