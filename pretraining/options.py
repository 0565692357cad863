"""Everything that a user may ask of a pretraining: one field per flag, with its default and its check."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from ..errors import RequestError, nearest
from ..experiments.options import seed_is_valid
from ..models.sources import name_problem
from ..tasks.recipe import KEYS, Recipe, problem_with
from ..training.checkpoints import CHECKPOINT_EVERY
from ..training.device import PRECISIONS
from .kinds import wrong_kinds
from .pairs import RELATIONS, LinkChoice, LinkedSegment, PairOptions

# Layers, hidden size, attention heads and size of the feed-forward layer. `tiny` is that of LinkBERT-tiny.
SIZES = {"tiny": (2, 128, 2, 512), "base": (12, 768, 12, 3072), "large": (24, 1024, 16, 4096)}
# Standard deviation of initial weights, which the paper does not state. BERT's is 0.02 for every size. For 128 hidden
# units that is little: 0.02 * sqrt(768 / 128) = 0.05 gives states of the same size as in a base model. With 0.02, one
# of four seeds could not tell linked pairs from random ones after 1,000 updates on a corpus like that of the demo.
INITIAL_SPREAD = {"tiny": 0.05, "base": 0.02, "large": 0.02}
# Peak learning rate and pairs per update in the paper: from scratch by size, and for continuing BERT-base.
_PUBLISHED = {"tiny": (5e-3, 2048), "base": (6e-4, 8192), "large": (4e-4, 8192), None: (3e-4, 2048)}
# The paper states betas and weight decay for LinkBERT-tiny; epsilon and clipping are those of RoBERTa and of BERT.
_DEFAULTS: dict[str, Any] = {"warmup": 0.1, "weight_decay": 0.01, "beta1": 0.9, "beta2": 0.98, "eps": 1e-6}
SMALLEST_LENGTH, SMALLEST_VOCABULARY = 16, 100
_LARGEST_WEIGHT = 1e9
_REFUSED = ("epochs", "batch_size", "max_length", "learning_rate", "group_by_length", "frozen_layers", "reinit_layers",
            "long_inputs")  # fmt: skip


@dataclass(frozen=True)
class PretrainOptions:
    """A request to pretrain a model on a corpus with links.

    Attributes:
        corpus: the folder that `linkbert pretrain data` has written.
        start: the model whose pretraining is continued (a preset, a folder, a hub id), or None.
        config: `tiny`, `base`, `large` or a configuration file of `transformers` for a model from scratch, or None.
        tokenizer: the model whose tokenizer is used from scratch; None to make one from the corpus.
        vocabulary_size: number of word pieces of a tokenizer that is made.
        relations: the relations of the pairs; None for all, or for all but `linked` if the corpus has no links. Each
            has the same share, unless a weight follows its name: `linked=2`.
        link_choice: see `PairOptions`.
        linked_segment: see `PairOptions`.
        random_may_be_linked: see `PairOptions`.
        whole_words: whether all pieces of a word are masked together. PubMedBERT did; the paper does not say.
        max_steps: number of updates; None for those of as many pairs as there are segments.
        max_tokens: about the number of tokens to train on, in place of `max_steps`.
        batch_size: pairs per update.
        max_length: word pieces per pair, special tokens included; None for 512, or what the model allows if it is less.
        learning_rate: the highest learning rate; None for the paper's, times the square root of the batches' ratio.
        settings: further settings of the optimizer and the dropout, by name.
        seed: the run's seed.
        held_out: share of the documents that are held out for evaluation.
        evaluate_every: updates between two evaluations; None for a twentieth of all, and 5,000 pairs at least.
        name: the run's name in paths; None for one from the model and the corpus.
        runs_dir: the folder of runs.
        overwrite: whether a different run in the same place is replaced.
        restart: whether an unfinished run begins anew.
        checkpoint_every: minutes between checkpoints.
        precision: number format.
        per_device_batch_size: pairs that are computed at a time; None to choose by memory.
    """

    corpus: Path
    start: str | None = None
    config: str | None = None
    tokenizer: str | None = None
    vocabulary_size: int = 30_522
    relations: tuple[str, ...] | None = None
    link_choice: LinkChoice = "inverse-in-degree"
    linked_segment: LinkedSegment = "any"
    random_may_be_linked: bool = False
    whole_words: bool = False
    max_steps: int | None = None
    max_tokens: int | None = None
    batch_size: int = 64
    max_length: int | None = None
    learning_rate: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 42
    held_out: float = 0.02
    evaluate_every: int | None = None
    name: str | None = None
    runs_dir: Path = Path("runs")
    overwrite: bool = False
    restart: bool = False
    checkpoint_every: float = CHECKPOINT_EVERY
    precision: Any = "auto"
    per_device_batch_size: int | None = None

    @classmethod
    def of(cls, corpus: str | Path, **values: Any) -> PretrainOptions:
        """Make options from names and values, as Python callers give them.

        Args:
            corpus: the folder of the corpus.
            **values: other fields of this class, and settings of the optimizer such as `weight_decay=0.1`. None means
                "not given".
        """
        given: dict[str, Any] = {
            key: value for key, value in values.items() if value is not None and key in FIELDS and key != "settings"
        }
        settings = values.get("settings", {})
        settings = {} if settings is None else settings
        if isinstance(settings, Mapping):
            further = {key: value for key, value in values.items() if key not in FIELDS and value is not None}
            settings = {**settings, **further}
        relations = given.get("relations")
        if isinstance(relations, str):
            relations = relations.split(",")
        elif isinstance(relations, Mapping):
            relations = [f"{name}={weight}" for name, weight in relations.items()]
        if isinstance(relations, Iterable):
            given["relations"] = tuple(str(item).strip() for item in relations)
        given["corpus"] = corpus
        for key in ("corpus", "runs_dir"):
            if isinstance(given.get(key), str):
                given[key] = Path(given[key])
        return cls(settings=settings, **given)

    def require_valid(self) -> None:
        """Check the values by themselves.

        Raises:
            RequestError: one or several are wrong; all are named.
        """
        if problems := list(self._problems()):
            raise RequestError(*problems)

    def _problems(self) -> Iterator[str]:
        if wrong := wrong_kinds({name: getattr(self, name) for name in FIELDS}, _KINDS):
            yield from wrong
            return
        if (self.start is None) == (self.config is None):
            yield "give either --from MODEL, to continue its pretraining, or --config tiny, base, large or FILE"
        if self.tokenizer is not None and self.config is None:
            yield "--tokenizer goes with --config; --from has a tokenizer of its own"
        if self.max_steps is not None and self.max_tokens is not None:
            yield "--max-steps and --max-tokens exclude each other"
        if self.relations is not None:
            yield from _problems_with_relations(self.relations)
        for flag, value, choices in (
            ("--link-choice", self.link_choice, get_args(LinkChoice)),
            ("--linked-segment", self.linked_segment, get_args(LinkedSegment)),
            ("--precision", self.precision, PRECISIONS),
        ):
            if value not in choices:
                yield f"{flag} {value!r}: {nearest(str(value), choices)}"
        numbers = (self.max_steps, self.max_tokens, self.evaluate_every, self.per_device_batch_size, self.batch_size)
        if any(number is not None and number < 1 for number in numbers):
            yield "numbers of updates, tokens and pairs should be at least 1"
        if self.max_length is not None and self.max_length < SMALLEST_LENGTH:
            yield f"--max-length should be at least {SMALLEST_LENGTH}, found {self.max_length}"
        if not 0 < self.held_out < 1:
            yield f"--held-out should be above 0 and below 1, found {self.held_out}"
        if self.vocabulary_size < SMALLEST_VOCABULARY:
            yield f"--vocabulary-size should be at least {SMALLEST_VOCABULARY}, found {self.vocabulary_size}"
        if not 0 <= self.checkpoint_every < math.inf:
            yield f"--checkpoint-every should be minutes, 0 or more, found {self.checkpoint_every:g}"
        if not seed_is_valid(self.seed):
            yield f"--seed should be at least 0 and below 2^32, found {self.seed}"
        if self.name is not None and (problem := name_problem(self.name)):
            yield problem
        for key, value in self.settings.items():
            if key in _REFUSED:
                yield f"--set {key}: is no setting of a pretraining, or has a flag of its own"
            elif key not in KEYS:
                # A mistyped name is answered with options too, because Python callers give both as keywords.
                names = (*(name for name in KEYS if name not in _REFUSED), *FIELDS)
                yield f"unknown setting {key!r}; {nearest(str(key), names)}"
            elif problem := problem_with(key, value):
                yield f"--set: {problem}"
        if self.learning_rate is not None and (problem := problem_with("learning_rate", self.learning_rate)):
            yield problem

    def pair_options(self, *, has_links: bool) -> PairOptions:
        """Return how pairs are drawn from a corpus.

        Args:
            has_links: whether the corpus has a link.
        """
        weights = _weights(self.relations or (RELATIONS if has_links else RELATIONS[:2]))
        shares: Any = tuple(weights.get(name, 0.0) / sum(weights.values()) for name in RELATIONS)
        return PairOptions(shares, self.link_choice, self.linked_segment, self.random_may_be_linked)

    def recipe(self, max_length: int) -> Recipe:
        """Return the settings of the optimizer."""
        rate, batch = _PUBLISHED[self.config if self.config in SIZES else None]
        # For Adam, the rate goes with the square root of the batch (Malladi et al. 2022).
        default = rate * math.sqrt(self.batch_size / batch)
        return Recipe(self.learning_rate or default, self.batch_size, 1, max_length, **{**_DEFAULTS, **self.settings})

    def identity(self) -> dict[str, Any]:
        """Return what makes two pretrainings the same run, without what is resolved by the model and the corpus."""
        ignored = {"corpus", "start", "config", "tokenizer", "runs_dir", "name", "overwrite", "restart", "max_steps",
                   "max_tokens", "checkpoint_every", "per_device_batch_size"}  # fmt: skip
        return {name: value for name, value in asdict(self).items() if name not in ignored}


# The kinds of values that Python callers may give; the command line has converted them.
_NONE = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("vocabulary_size", "batch_size", "seed"), (int,)),
    **dict.fromkeys(("max_steps", "max_tokens", "max_length", "evaluate_every", "per_device_batch_size"), (int, _NONE)),
    **dict.fromkeys(("held_out", "checkpoint_every"), (int, float)),
    "learning_rate": (int, float, _NONE),
    **dict.fromkeys(("start", "config", "tokenizer"), (str, Path, _NONE)),
    **dict.fromkeys(("random_may_be_linked", "whole_words", "overwrite", "restart"), (bool,)),
    **dict.fromkeys(("corpus", "runs_dir"), (Path,)),
    "name": (str, _NONE),
    "relations": (tuple, _NONE),
    "settings": (Mapping,),
}


def _weights(relations: Iterable[str]) -> dict[str, float]:
    """Return relation -> weight of `NAME` or `NAME=WEIGHT`."""
    parts = (item.partition("=") for item in relations)
    return {name: float(weight) if equals else 1.0 for name, equals, weight in parts}


def _problems_with_relations(relations: tuple[str, ...]) -> Iterator[str]:
    names = [item.partition("=")[0] for item in relations]
    for name in names:
        if name not in RELATIONS:
            yield f"--relations {name!r}: {nearest(name, RELATIONS)}"
    if len(set(names)) != len(names) or not names:
        yield "--relations: name each relation once, and one at least"
    try:
        right = all(0 < weight < _LARGEST_WEIGHT for weight in _weights(relations).values())
    except ValueError:
        right = False
    if not right:
        yield f"--relations {','.join(relations)}: expected NAME or NAME=WEIGHT with a weight above 0, e.g. linked=2"


FIELDS = tuple(item.name for item in fields(PretrainOptions))
