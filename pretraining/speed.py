"""How fast pretraining is beside masked language modelling with the `Trainer` of transformers, in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RequestError
from ..speed.benchmark import Comparison, in_turns
from ..speed.worker import CONTENDERS, OURS, Round, matmul_peak, useful_flops
from .examples import PairExamples, PairFormat
from .objective import PRETRAINING, PretrainingPatch
from .options import PretrainOptions
from .plan import make_plan

WORK = "pretrain"


@dataclass(frozen=True)
class PretrainingJob:
    """What a contender does each round: some updates on pairs of a corpus.

    Attributes:
        task: name of the corpus.
        work: `pretrain`.
        options: the request.
        updates: number of updates of a round.
    """

    task: str
    work: str
    options: PretrainOptions
    updates: int

    def prepare(self, contender: str) -> Callable[[], Round]:
        """Return what a contender does in a round, after one round to warm up."""
        round_of = (_ours if contender == OURS else _theirs)(self, contender)
        round_of()
        return round_of


def measure_pretraining(
    options: PretrainOptions,
    *,
    updates: int = 8,
    rounds: int = 3,
    on_round: Callable[[str, str, str, Round], None] | None = None,
) -> Comparison:
    """Measure pretraining beside the `Trainer`.

    All train the same model on the same pairs, with as many pairs per update. The `Trainer` fills masks only: it learns
    no relation, and computes the vocabulary's layer at all positions, as its example script does. At its defaults it
    computes in float32 with rows that are padded to the maximum length, as with the script's `--pad_to_max_length`; at
    its best flags in half precision, with rows sorted by length and padded to the longest of a batch.

    Args:
        options: the model, the corpus, and the pairs.
        updates: number of updates of a round.
        rounds: number of rounds of each contender.
        on_round: called with corpus, work, contender and figures after each round.

    Raises:
        RequestError: the request is wrong.
        RunError: a contender failed.
    """
    if updates < 1 or rounds < 1:
        raise RequestError("numbers of updates and of rounds should be at least 1")
    make_plan(options)  # The contenders find the word pieces in the cache.
    job = PretrainingJob(Path(options.corpus).resolve().name, WORK, options, updates)
    return Comparison(job.task, "train", WORK, options.batch_size, in_turns(job, rounds, on_round))


@dataclass(frozen=True)
class _Prepared:
    """What all contenders start from."""

    plan: Any
    model: Any
    examples: PairExamples
    lengths: np.ndarray
    flops: float

    def round(self, peak: float, seconds: float, padding: float | None, memory: float) -> Round:
        tokens = int(self.lengths.sum())
        return Round(seconds, len(self.lengths), tokens, padding, self.flops, peak, memory)


def _prepare(job: PretrainingJob) -> _Prepared:
    import torch

    plan = make_plan(job.options)
    torch.manual_seed(0)
    model: Any = plan.start.model()
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    form = PairFormat.of(plan.start.tokenizer, model.config, device, whole_words=job.options.whole_words)
    count = job.updates * job.options.batch_size
    examples = PairExamples(plan.pieces, plan.segments, plan.training, form, count, 0)
    lengths = examples.begin(0)
    return _Prepared(plan, model, examples, lengths, useful_flops(model, lengths, training=True))


def _ours(job: PretrainingJob, contender: str) -> Callable[[], Round]:
    import torch

    from ..training.trainer import Trainer

    prepared = _prepare(job)
    trainer = Trainer(PRETRAINING, prepared.plan.start.tokenizer, job.options.precision, compile_passes=True)
    trainer.move(prepared.model)
    recipe = job.options.recipe(prepared.plan.max_length)
    patch = PretrainingPatch(packed=True, kernels=trainer.kernels_for(int(prepared.lengths.sum())), vocabulary=None)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(trainer.precision, torch.float32)

    def run() -> Round:
        peak = matmul_peak(trainer.device, dtype)
        _, cost = trainer.fit_examples(prepared.model, prepared.examples, recipe, patch, seed=0)
        return prepared.round(peak, cost.seconds, cost.padding, trainer.peak_memory_mb)

    return run


def _theirs(job: PretrainingJob, contender: str) -> Callable[[], Round]:
    import torch
    import transformers
    from datasets import Dataset

    from ..speed import peer
    from ..training.device import peak_memory_mb
    from .objective import take_relation_head

    prepared = _prepare(job)
    take_relation_head(prepared.model)
    best, tokenizer = contender == CONTENDERS[2], prepared.plan.start.tokenizer
    tokenizer.model_max_length = prepared.plan.max_length
    options = peer.best_options(job.options.precision, job.options.batch_size) if best else {}
    arguments = peer.arguments(
        options,
        per_device_train_batch_size=job.options.batch_size,
        learning_rate=job.options.recipe(prepared.plan.max_length).learning_rate,
        num_train_epochs=1,
    )
    rows = [_row(prepared.examples, index) for index in range(len(prepared.examples))]
    if best:
        rows.sort(key=lambda row: -len(row["input_ids"]))
    else:
        rows = [dict(tokenizer.pad(row, padding="max_length", max_length=prepared.plan.max_length)) for row in rows]
    dataset = Dataset.from_list(rows)
    collate = peer.CountingCollator(transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15))
    dtype = torch.bfloat16 if arguments.bf16 else torch.float16 if arguments.fp16 else torch.float32

    def run() -> Round:
        collate.computed = 0
        peak = matmul_peak(arguments.device, dtype)
        seconds = peer.train(prepared.model, arguments, collate, dataset)
        padding = 1 - int(prepared.lengths.sum()) / collate.computed
        return prepared.round(peak, seconds, padding, peak_memory_mb(arguments.device))

    return run


def _row(examples: PairExamples, index: int) -> dict[str, Any]:
    """Return a pair as a row for the `Trainer`, whose collator masks it."""
    ids, types, places, originals = examples.pair(index)
    ids[places] = originals
    row = {"input_ids": ids.tolist(), "attention_mask": [1] * len(ids)}
    return row | ({"token_type_ids": types.tolist()} if examples.form.types else {})
