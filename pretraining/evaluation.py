"""How well held-out pairs are predicted: words by accuracy and perplexity, relations by accuracy for each class."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..training.device import token_budget
from ..training.sampling import token_batches
from .examples import PairExamples
from .objective import PRETRAINING, losses
from .pairs import RELATIONS

if TYPE_CHECKING:
    from ..training.trainer import Trainer

_LARGEST = 700.0  # exp of more is no float


def evaluate(trainer: Trainer, model: Any, held_out: PairExamples, *, patched: Any = None) -> dict[str, float]:
    """Score a model on held-out pairs, which are the same ones, with the same masks, each time.

    Args:
        trainer: knows the device and the number format.
        model: the model with its relation head.
        held_out: the pairs.
        patched: context manager that makes the model run packed; None if it does already.

    Returns:
        By name: `word_accuracy` in percent, `perplexity` of the masked words, `relation_accuracy` in percent, and
        `accuracy_contiguous` and so on for each class of which there are pairs.
    """
    lengths = held_out.begin(0)
    counts = torch.zeros(3, dtype=torch.float64)  # words, words that are right, sum of their cross entropies
    right, total = np.zeros(len(RELATIONS)), np.zeros(len(RELATIONS))
    training = model.training
    model.eval()
    budget = token_budget(trainer.device, model.config)
    with patched or nullcontext(), torch.inference_mode():
        for indices in token_batches(lengths, budget, padded=False):
            batch = held_out.batch(indices).to(trainer.device)
            with trainer.accelerator.autocast():
                logits: Any = PRETRAINING.logits(model(**batch.inputs), batch.sequences)
            assert batch.labels is not None
            of_words, _ = losses(logits, batch.labels)
            words = batch.labels[1 : 1 + len(of_words)]
            counts += torch.stack(
                [torch.tensor(float(len(words))), (logits.words.argmax(-1) == words).sum().cpu(), of_words.sum().cpu()]
            ).double()
            relation = held_out.pairs.relation[indices]
            found = logits.relations.argmax(-1).cpu().numpy()
            total += np.bincount(relation, minlength=len(RELATIONS))
            right += np.bincount(relation[found == relation], minlength=len(RELATIONS))
    model.train(training)
    words, accurate, entropy = counts.tolist()
    scores = {
        "word_accuracy": 100 * accurate / words,
        "perplexity": math.exp(min(entropy / words, _LARGEST)),
        "relation_accuracy": 100 * float(right.sum() / total.sum()),
    }
    each = zip(RELATIONS, right, total, strict=True)
    return scores | {f"accuracy_{name}": 100 * float(hit / of) for name, hit, of in each if of}
