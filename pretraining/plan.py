"""A pretraining request resolved: corpus, model, pairs, and number of updates."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RequestError
from .corpus import LinkedCorpus
from .options import PretrainOptions
from .pairs import RELATIONS, PairSampler
from .segments import Segments, WordPieces, word_pieces
from .starting import Start, find_start

_log = logging.getLogger(__name__)

HELD_OUT_PAIRS = 1500
_EVALUATIONS = 20
# A run is evaluated at most that often, however short it is. A pair that is evaluated takes about a third of the time
# of one that is trained on, so that a tenth of the time goes into evaluation.
_PAIRS_BETWEEN = 10 * HELD_OUT_PAIRS // 3
_LENGTH = 512
_SEED_OF_HELD_OUT = 0


@dataclass(frozen=True)
class PretrainingIdentity:
    """What makes two pretrainings the same run.

    Attributes:
        settings: by name.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)

    def with_conditions(self, conditions: Mapping[str, Any]) -> PretrainingIdentity:
        """Return this identity with further conditions."""
        return replace(self, settings={**self.settings, **conditions})

    def to_json(self) -> dict[str, Any]:
        """Return this identity as a JSON object."""
        return json.loads(json.dumps(self.settings, default=str))

    def differences_from_json(self, document: Mapping[str, Any]) -> list[str]:
        """Return in what an identity that was stored differs."""
        own = self.to_json()
        names = sorted(name for name in {*own, *document} if own.get(name) != document.get(name))
        return [f"{name} was {document.get(name)!r}, is {own.get(name)!r}" for name in names]


@dataclass(frozen=True)
class Plan:
    """A request resolved.

    Attributes:
        options: the request.
        corpus: the corpus.
        start: the model with which it begins.
        pieces: the word pieces of the corpus.
        segments: its segments.
        training: draws pairs for training.
        held_out: draws pairs whose segment A is of a document that is held out.
        max_length: word pieces per pair.
        steps: number of updates.
        evaluate_every: updates between two evaluations.
    """

    options: PretrainOptions
    corpus: LinkedCorpus
    start: Start
    pieces: WordPieces
    segments: Segments
    training: PairSampler
    held_out: PairSampler
    max_length: int
    steps: int
    evaluate_every: int

    @property
    def folder(self) -> Path:
        """The run folder."""
        options = self.options
        name = options.name or f"{self.start.name}-{options.corpus.resolve().name}"
        return options.runs_dir / "pretrain" / f"{name}-seed-{options.seed}"

    def identity(self) -> PretrainingIdentity:
        """Return what makes this run the same as another one."""
        rate = self.options.recipe(self.max_length).learning_rate
        own = {"max_length": self.max_length, "steps": self.steps, "evaluate_every": self.evaluate_every,
               "learning_rate": rate}  # fmt: skip
        found = {
            "texts": self.corpus.report["texts_sha256"],
            "links": self.corpus.report["links_sha256"],
        }
        return PretrainingIdentity(self.options.identity() | own | found | self.start.identity())


def make_plan(options: PretrainOptions) -> Plan:
    """Resolve a request.

    Raises:
        RequestError: it is wrong, or the corpus does not allow it.
    """
    options.require_valid()
    corpus = LinkedCorpus.open(options.corpus)
    start = find_start(options, corpus)
    max_length = options.max_length or min(_LENGTH, start.longest)
    if max_length > start.longest:
        raise RequestError(f"--max-length {max_length}: {start.name} has {start.longest} positions")
    pieces = word_pieces(corpus, start.tokenizer)
    segments = Segments.of(pieces.offsets, max_length)
    pairs = options.pair_options(has_links=len(corpus.links.targets) > 0)
    if not pairs.shares[RELATIONS.index("linked")] and options.relations is None:
        _log.warning("%s: has no links, so that pairs are contiguous or random", corpus.folder)
    held = held_out_documents(corpus, options.held_out)
    training = PairSampler(segments, corpus.links, pairs, ~held, ~held)
    # B of held-out pairs may be of any document: were B of random pairs always held out too, that it is not familiar
    # would give them away.
    evaluation = PairSampler(segments, corpus.links, pairs, held, if_possible=True)
    if len(segments) < options.batch_size:
        raise RequestError(
            f"{corpus.folder}: its {len(segments)} segments are fewer than a batch of {options.batch_size}; use a "
            "smaller --batch-size"
        )
    steps = options.max_steps or _steps(options, segments, training)
    every = options.evaluate_every or max(steps // _EVALUATIONS, math.ceil(_PAIRS_BETWEEN / options.batch_size))
    return Plan(
        options, corpus, start, pieces, segments, training, evaluation, max_length, steps, min(every, steps)
    )  # fmt: skip


def held_out_documents(corpus: LinkedCorpus, share: float) -> np.ndarray:
    """Return which documents are held out. It does not depend on the run's seed, so that runs can be compared.

    Documents with the same text are held out together, unless no other document were left then.
    """
    documents = len(corpus)
    held = np.zeros(documents, dtype=bool)
    number = min(max(1, round(share * documents)), documents - 1)
    held[np.random.default_rng(_SEED_OF_HELD_OUT).permutation(documents)[:number]] = True
    if corpus.firsts is None:
        return held
    texts = np.zeros(documents, dtype=bool)
    texts[corpus.firsts[held]] = True
    together = texts[corpus.firsts]
    return held if together.all() else together


def _steps(options: PretrainOptions, segments: Segments, training: PairSampler) -> int:
    if options.max_tokens is None:
        return math.ceil(len(segments) / options.batch_size)
    return max(1, round(options.max_tokens / (training.mean_tokens * options.batch_size)))
