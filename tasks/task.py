"""The contract of a task: a frozen value with everything that the trainer, the metrics and the corpora need to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpora.download import Remote
from ..corpora.prepare import Corpus
from ..corpora.prepared import release_format
from ..corpora.sources import Format, Row, plain
from ..metrics import METRICS
from ..models.heads import HEADS, Head, HeadKind
from .mistakes import Mistake, wrong_label
from .truncation import Truncation
from .word_division import Division

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast

# The six task types of BLURB in the order of its tables.
BLURB_TYPES = (
    "ner",
    "pico",
    "relation-extraction",
    "sentence-similarity",
    "document-classification",
    "question-answering",
)
SUITES = ("blurb", "medqa", "mmlu")
# The suite and task type of datasets beyond the published benchmark. They enter no BLURB score.
EXTRA = "extra"
CUT = "cut"  # what is done with long inputs where nothing else is asked for: they lose their ends


def _mistakes(task: Task, example: Row, gold: Any, prediction: Any, scores: Any) -> Iterator[Mistake]:
    return wrong_label(example, gold, prediction, scores)


def _no_names(task: Task, label: Any) -> Iterable[str]:
    return ()


def _one(example: Row) -> int:
    return 1


# (task, tokenizer, examples, maximum length, truncation counts to fill) -> encoded rows in the same order.
Encode = Callable[["Task", "PreTrainedTokenizerFast", Iterable[Row], int, Truncation], Iterator[Row]]


@dataclass(frozen=True)
class Family:
    """What the datasets of one kind share: the head, and functions from prepared rows to printed predictions.

    Attributes:
        name: the family's name in print.
        head: the kind of head that its models need.
        columns: the fields of the prepared format that `predict` reads, in order.
        schema: task -> Arrow schema of its examples.
        parse: (task, prepared row) -> example with `id` and, if the row has a label, `label` in its prepared form.
            Raises ValueError if the row breaks the rules.
        read_label: (task, label or prediction in its prepared form, example) -> the same, checked. Raises ValueError.
        encode: makes encoded rows, with `input_ids` and `token_type_ids` as one list per sequence and `labels`. Heads
            that read words also need `word_index` (the word that is predicted at each word piece, else -1) and
            `n_words`.
        long_inputs: other things that can be done with inputs that are too long -> `encode` that does them.
        decode: (task, output of one example, the example) -> (prediction in the form of the prepared label, scores).
        describe: (task, input row, example, prediction, scores) -> what `predict` prints for the example.
        mistakes: (task, example, gold label, prediction, scores) -> what is wrong in it; `show` prints the worst.
        label_names: (task, label of an example) -> the names of the labels in it, which are counted.
        one_label: whether each example has one label of a set.
        text: example -> the text by which splits are compared, or None if it is too short for that.
        from_text: (task, raw text) -> prepared row without a label; None if an example consists of several texts.
        label_column: the field of the prepared format that holds the label.
        size: example -> how many units it counts.
        unit: what the official counts count.
    """

    name: str
    head: HeadKind
    columns: tuple[str, ...]
    schema: Callable[[Task], pa.Schema]
    parse: Callable[[Task, Row], Row]
    read_label: Callable[[Task, Any, Row], Any]
    encode: Encode
    decode: Callable[[Task, np.ndarray, Row], tuple[Any, Any]]
    describe: Callable[[Task, Row, Row, Any, Any], Row]
    text: Callable[[Row], str | None]
    from_text: Callable[[Task, str], Row] | None = None
    long_inputs: Mapping[str, Encode] = field(default_factory=dict)
    mistakes: Callable[[Task, Row, Any, Any, Any], Iterable[Mistake]] = _mistakes
    label_names: Callable[[Task, Any], Iterable[str]] = _no_names
    one_label: bool = False
    label_column: str = "label"
    size: Callable[[Row], int] = _one
    unit: str = "examples"

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ValueError(f"family {self.name!r}: no head kind {self.head!r}; there are {', '.join(HEADS)}")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One dataset. A wrong declaration (an unknown metric, a label twice) is an error when it is imported.

    Attributes:
        name: the name by which commands call it.
        version: a number that is raised when the corpus, the label set or the metric changes.
        title: the name in print.
        family: the kind of task.
        suite: `blurb`, `medqa`, `mmlu`, or `EXTRA`.
        task_type: one of `BLURB_TYPES` within BLURB, else the suite.
        release: its folder in the authors' release, and so in the data folder.
        counts: official counts of its splits, in the family's unit.
        labels: the label set in a fixed order; empty for regression and multiple choice.
        metric: a name of `metrics.METRICS`.
        negative: the class that F1 leaves out.
        splits: names of its splits. It is trained on the first, unless `trained_on` names another task.
        tag_types: for tagged words, entity type in the source files -> the task's own type.
        division: for tagged words, how its texts were divided into words.
        folders: names that its folder has in source layouts.
        formats: its original formats, the best one first.
        remotes: files that may be downloaded without asking; empty if the corpus has terms that a user must accept.
        accepted: split -> (count of the benchmark's own file, why it differs from the printed count).
        marked: whether its texts show the mentions of a relation, by masks such as `@GENE$` or by markers.
        trained_on: the task with whose fine-tuned model it is evaluated; None if it is trained on itself.
        recipe_of: the task whose settings in the recipes it uses; its own if None.
        unanswerable: whether questions may have no answer in their context.
        document_of: id of an example -> its document, where the ids tell; examples of one document are not independent.
        access: how to get the corpus, in one sentence.
        recipe: settings that replace those of the recipes.
        definition: for a task of a user's own, everything about it but its data; runs and results carry it. None for
            the built-in tasks.
        prepared: for a task of a user's own, split -> its file in the prepared format; None for the built-in tasks,
            whose files lie in the data folder.
    """

    name: str
    version: int
    title: str
    family: Family
    suite: str
    task_type: str
    release: str
    counts: tuple[int, ...]
    labels: tuple[str, ...] = ()
    metric: str
    negative: str | None = None
    splits: tuple[str, ...] = ("train", "dev", "test")
    tag_types: Mapping[str, str] = field(default_factory=dict)
    division: Division = field(default_factory=Division)
    folders: tuple[str, ...] = ()
    formats: tuple[Format, ...] = ()
    remotes: tuple[Remote, ...] = ()
    accepted: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    marked: bool = False
    trained_on: str | None = None
    recipe_of: str | None = None
    unanswerable: bool = False
    document_of: Callable[[str], str] | None = None
    access: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    definition: Mapping[str, Any] | None = None
    prepared: Callable[[str], Path] | None = None

    def __post_init__(self) -> None:
        wrong = [message for fine, message in self._checks() if not fine]
        if wrong:
            raise ValueError(f"task {self.name!r}: {'; '.join(wrong)}")

    def _checks(self) -> Iterator[tuple[bool, str]]:
        types = BLURB_TYPES if self.suite == "blurb" else (self.suite,)
        unlabelled = [kind for kind in self.tag_types.values() if f"B-{kind}" not in self.labels]
        yield self.metric in METRICS, f"no metric {self.metric!r}; there are {', '.join(METRICS)}"
        yield self.suite in (*SUITES, EXTRA), f"no suite {self.suite!r}; there are {', '.join((*SUITES, EXTRA))}"
        yield self.task_type in types, f"no task type {self.task_type!r} in the suite {self.suite!r}"
        yield self.negative in (None, *self.labels), f"the negative class {self.negative!r} is not among its labels"
        yield len(set(self.labels)) == len(self.labels), "a label stands twice"
        # A task of a user's own has no official counts.
        yield len(self.counts) == (0 if self.definition else len(self.splits)), "counts and splits differ in number"
        yield not unlabelled, f"no label B-TYPE for {', '.join(unlabelled)}"

    @property
    def head(self) -> Head:
        """The kind of head that the task's models need."""
        return HEADS[self.family.head]

    @property
    def unit(self) -> str:
        """What the official counts count."""
        return self.family.unit

    @property
    def recipe_section(self) -> str:
        """The section of the recipes that holds its settings."""
        return self.recipe_of or self.trained_on or self.name

    @property
    def official(self) -> dict[str, int]:
        """Official count per split."""
        return dict(zip(self.splits, self.counts, strict=bool(self.counts)))

    @property
    def corpus(self) -> Corpus:
        """The dataset as `corpora.prepare` sees it."""
        folders = tuple(plain(name) for name in (*self.folders, self.release.split("/")[-1].removesuffix("_hf")))
        formats = (*self.formats, release_format(self.release, self.splits, self.parse_labelled))
        return Corpus(self.name, self.release, self.splits, folders, formats, self.access)

    def encode(
        self,
        tokenizer: PreTrainedTokenizerFast,
        examples: Iterable[Row],
        max_length: int,
        truncation: Truncation,
        long_inputs: str = CUT,
    ) -> Iterator[Row]:
        """Encode examples; `long_inputs` is a value of the recipe's setting that the family knows."""
        encode = self.family.encode if long_inputs == CUT else self.family.long_inputs[long_inputs]
        return encode(self, tokenizer, examples, max_length, truncation)

    def parse(self, row: Row) -> Row:
        """Turn a prepared row into an example.

        Raises:
            ValueError: the row breaks the task's rules.
        """
        return self.family.parse(self, row)

    def parse_labelled(self, row: Row) -> Row:
        """Turn a prepared row into an example with a label.

        Raises:
            ValueError: the row breaks the task's rules, or has no label.
        """
        if self.family.label_column not in row:
            names = ", ".join(map(str, row)) or "none"
            raise ValueError(
                f"the row has no label: the field {self.family.label_column!r} is missing (fields: {names})"
            )
        return self.family.parse(self, row)
