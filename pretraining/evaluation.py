"""How well held-out pairs are predicted, and whether a linked document helps to predict another one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..training.collation import Batch
from ..training.device import token_budget
from ..training.sampling import token_batches
from .examples import PairExamples
from .objective import PRETRAINING, losses
from .pairs import LINKED, RELATIONS

if TYPE_CHECKING:
    from ..training.trainer import Trainer

_LARGEST = 700.0  # exp of more is no float
_RESAMPLES = 2000


@dataclass(frozen=True)
class PairScores:
    """What a model predicts for each of some pairs.

    Attributes:
        words: number of words that are predicted, shape (pairs,).
        right: number of them that are right.
        entropy: sum of their cross entropies, in nats.
        first: the same three numbers for the words of segment A alone, shape (3, pairs).
        relation: the class that is predicted, an index of `RELATIONS`.
    """

    words: np.ndarray
    right: np.ndarray
    entropy: np.ndarray
    first: np.ndarray
    relation: np.ndarray


def score_pairs(trainer: Trainer, model: Any, examples: PairExamples, lengths: np.ndarray) -> PairScores:
    """Return what a model that runs packed, with its relation head, predicts for pairs.

    Args:
        trainer: knows the device and the number format.
        model: the model.
        examples: the pairs.
        lengths: number of tokens of each.
    """
    found = np.zeros((7, len(lengths)))
    training = model.training
    model.eval()
    with torch.inference_mode():
        for indices in token_batches(lengths, token_budget(trainer.device, model.config), padded=False):
            batch = examples.batch(indices).to(trainer.device)
            with trainer.accelerator.autocast():
                logits: Any = PRETRAINING.logits(model(**batch.inputs), batch.sequences)
            assert batch.labels is not None
            of_words, of_pairs = losses(logits, batch.labels)
            targets = batch.labels[1 : 1 + len(of_words)]
            right = (logits.words.argmax(-1) == targets).float()
            counts = batch.labels[1 + len(of_words) + len(of_pairs) :].cpu().numpy()
            starts = np.cumsum(counts) - counts
            each = [np.ones(len(of_words)), *(values.float().cpu().numpy() for values in (right, of_words))]
            in_first = are_of_first(batch, examples, indices, counts)
            sums = [np.add.reduceat(values, starts) for values in (*each, *(values * in_first for values in each))]
            found[:, indices] = np.stack([*sums, logits.relations.argmax(-1).cpu().numpy()])
    model.train(training)
    return PairScores(found[0], found[1], found[2], found[3:6], found[6].astype(np.int64))


def are_of_first(batch: Batch, examples: PairExamples, indices: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return whether each word that is predicted is one of segment A, by its place in the row."""
    row = batch.inputs["packed"]
    starts = row.layout.offsets[:-1].cpu().numpy()
    lengths = examples.segments.lengths[examples.pairs.first[indices]]
    return row.read.cpu().numpy() - np.repeat(starts, counts) <= np.repeat(lengths, counts)


def evaluate(trainer: Trainer, model: Any, held_out: PairExamples) -> dict[str, float]:
    """Score a model on held-out pairs, which are the same ones, with the same masks, each time.

    Args:
        trainer: knows the device and the number format.
        model: the model with its relation head, running packed.
        held_out: the pairs.

    Returns:
        By name: `word_accuracy` in percent and `perplexity` of the masked words, `unseen_word_accuracy` and
        `unseen_perplexity` of those of segment A alone, which is of a held-out document (B of linked and random pairs
        may be of any), `relation_accuracy` in percent, and both accuracies for each relation of which there are pairs,
        e.g. `word_accuracy_linked`.
    """
    found = score_pairs(trainer, model, held_out, held_out.begin(0))
    relation = held_out.pairs.relation
    hit = found.relation == relation
    words, right, entropy = found.first.sum(1)
    words = max(words, 1)
    scores = {
        "word_accuracy": 100 * float(found.right.sum() / found.words.sum()),
        "perplexity": math.exp(min(float(found.entropy.sum() / found.words.sum()), _LARGEST)),
        "unseen_word_accuracy": 100 * float(right / words),
        "unseen_perplexity": math.exp(min(float(entropy / words), _LARGEST)),
        "relation_accuracy": 100 * float(hit.mean()),
    }
    for index, name in enumerate(RELATIONS):
        if (own := relation == index).any():
            scores[f"word_accuracy_{name}"] = 100 * float(found.right[own].sum() / found.words[own].sum())
            scores[f"relation_accuracy_{name}"] = 100 * float(hit[own].mean())
    return scores


def context_gain(trainer: Trainer, model: Any, examples: PairExamples) -> dict[str, float | None]:
    """Return by how much a linked document helps to predict the words of a held-out one.

    The masked words of A are predicted beside a segment B of a document to which A's links, and beside one that was
    drawn for another pair, to whose document A's does not link; the masks are the same. The gain is the mean difference
    of the cross entropies.

    Args:
        trainer: knows the device and the number format.
        model: the model with its relation head, running packed.
        examples: linked pairs with masks in A alone.

    Returns:
        `gain` in nats a word, its 95% interval from resampling the documents of A, `low` and `high`, and their number,
        `documents`. (A document gives several pairs, which are not independent, so that there is no interval from one
        document: both are None.) Nothing if there is no other B.
    """
    lengths = examples.begin(0)
    linked = score_pairs(trainer, model, examples, lengths)
    assert (examples.pairs.relation == LINKED).all()
    other = score_pairs(trainer, model, examples, examples.swap_second())
    compared = examples.may_be_random()
    if not compared.any():
        return {}
    differences, words = (other.entropy - linked.entropy)[compared], linked.words[compared]
    _, documents = np.unique(examples.segments.documents[examples.pairs.first[compared]], return_inverse=True)
    sums = [np.bincount(documents, weights=values) for values in (differences, words)]
    found: dict[str, float | None] = {"gain": float(differences.sum() / words.sum()), "low": None, "high": None}
    if len(sums[0]) > 1:
        chosen = np.random.default_rng(0).integers(len(sums[0]), size=(_RESAMPLES, len(sums[0])))
        gains = sums[0][chosen].sum(1) / sums[1][chosen].sum(1)
        found["low"], found["high"] = np.quantile(gains, (0.025, 0.975)).tolist()
    return {**found, "documents": len(sums[0])}
