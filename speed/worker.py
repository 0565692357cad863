"""One contender of the speed benchmark, in a process of its own: one round to warm up, then one per message."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import torch
    from datasets import Dataset

OURS = "linkbert"
CONTENDERS = (OURS, "Trainer, defaults", "Trainer, best flags")
_SAMPLE_SEED = 0
_PEAK_SIZES = (1024, 2048, 4096)
_PEAK_SECONDS = 0.4


@dataclass(frozen=True)
class Job:
    """What a contender does each round.

    Attributes:
        task: the task's name.
        work: `train`, `train_no_attention_dropout` or `score`.
        model: the model folder.
        data_dir: the folder of prepared corpora.
        split: the split whose examples are used.
        max_length: word pieces per sequence.
        batch_size: examples per update.
        learning_rate: learning rate of the updates.
        precision: number format of this trainer, and of the `Trainer` at its best flags.
        tokens: approximate number of tokens per round (padding not counted).
    """

    task: str
    work: str
    model: str
    data_dir: str
    split: str
    max_length: int
    batch_size: int
    learning_rate: float
    precision: str
    tokens: int

    def prepare(self, contender: str) -> Callable[[], Round]:
        """Return what a contender does in a round, after one round to warm up."""
        return (_ours if contender == OURS else _theirs)(self, contender)


@dataclass(frozen=True)
class Round:
    """What a contender did in one round.

    Attributes:
        seconds: wall-clock time.
        examples: number of examples trained or scored.
        tokens: number of real tokens.
        padding: share of the computed tokens that are padding; None if it is not known.
        flops: useful floating-point operations: those of real tokens.
        peak_flops: operations per second of large matrix products in the same number format, measured in this process.
        peak_memory_mb: peak memory of the process, or of the GPU's allocator.
    """

    seconds: float
    examples: int
    tokens: int
    padding: float | None
    flops: float
    peak_flops: float
    peak_memory_mb: float


class Work(Protocol):
    """Work that all contenders do. Its attributes `task` and `work` say which."""

    @property
    def task(self) -> str:
        """What is worked on."""
        ...

    @property
    def work(self) -> str:
        """What is done with it."""
        ...

    def prepare(self, contender: str) -> Callable[[], Round]:
        """Return what a contender, one of `CONTENDERS`, does in a round, after one round to warm up."""
        ...


def serve(contender: str, job: Work, told: Connection) -> None:
    """Prepare and warm up, send None, then answer each message with a `Round` until the other side closes.

    A string in place of None or of a round is an error message.
    """
    try:
        run = job.prepare(contender)
        told.send(None)
        while True:
            told.recv()
            told.send(run())
    except EOFError:
        return
    except Exception as error:  # The parent process reports it, whatever it is.
        told.send(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class _Prepared:
    """What all contenders start from: the same model, and the same examples of a split of `corpus` examples."""

    task: Any
    tokenizer: Any
    model: Any
    examples: Dataset
    corpus: int
    tokens: int
    flops: float

    def round(self, peak: float, seconds: float, padding: float | None, memory: float) -> Round:
        """Return the figures of a round."""
        return Round(seconds, len(self.examples), self.tokens, padding, self.flops, peak, memory)


def _prepare(job: Job) -> _Prepared:
    import numpy as np
    import torch

    from ..models.loading import load_model
    from ..models.tokenizer_loading import load_tokenizer
    from ..tasks.data import encode_split, load_split
    from ..tasks.registry import get_task
    from ..training.encoded_rows import EncodedRows, lengths_of

    task, folder = get_task(job.task), Path(job.model)
    tokenizer = load_tokenizer(folder, words=task.head.per_word)
    encoded, _ = encode_split(task, load_split(task, job.split, Path(job.data_dir)), tokenizer, job.max_length)
    lengths = lengths_of(encoded)
    order = np.random.default_rng(_SAMPLE_SEED).permutation(len(encoded))
    # The first batches of a random order, until there are enough tokens.
    batches = 1 + int(np.searchsorted(np.cumsum(lengths[order])[job.batch_size - 1 :: job.batch_size], job.tokens))
    examples = encoded.select(order[: batches * job.batch_size])
    torch.manual_seed(0)
    model = load_model(
        folder,
        task.head,
        task.labels,
        fine_tuned=False,
        attention_dropout=0.0 if job.work == "train_no_attention_dropout" else None,
    )
    table: Any = examples.with_format("arrow")[:]
    sizes = EncodedRows.read(table).lengths
    flops = useful_flops(model, sizes, training=job.work != "score")
    return _Prepared(task, tokenizer, model, examples, len(encoded), int(sizes.sum()), flops)


def useful_flops(model: Any, lengths: Any, *, training: bool) -> float:
    """Return the operations that real tokens need: 6 x parameters x tokens + 12 x layers x hidden x squared lengths.

    Parameters are those of the encoder without its embeddings and its pooler. Scoring needs a third of it.

    Args:
        model: a model of `transformers`.
        lengths: number of tokens of each sequence, an integer array.
        training: whether the backward pass counts too.
    """
    named = model.base_model.named_parameters()
    parameters = sum(value.numel() for name, value in named if "embedding" not in name and "pooler" not in name)
    config = model.config
    squares = float((lengths.astype(float) ** 2).sum())
    total = 6 * parameters * float(lengths.sum()) + 12 * config.num_hidden_layers * config.hidden_size * squares
    return total if training else total / 3


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return the floating-point operations per second of square matrix products: the median of the fastest size."""
    import statistics

    import torch

    best = 0.0
    for size in _PEAK_SIZES:
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        times: list[float] = []
        torch.mm(left, right)
        until = time.perf_counter() + _PEAK_SECONDS
        while time.perf_counter() < until or len(times) < 3:
            _wait(device)
            since = time.perf_counter()
            torch.mm(left, right)
            _wait(device)
            times.append(time.perf_counter() - since)
        best = max(best, 2 * size**3 / statistics.median(times))
    return best


def _wait(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _ours(job: Job, contender: str) -> Callable[[], Round]:
    import torch

    from ..tasks.recipe import Recipe
    from ..training.trainer import Trainer

    prepared = _prepare(job)
    trainer = Trainer(prepared.task.head, prepared.tokenizer, job.precision, compile_passes=True)
    recipe = Recipe(job.learning_rate, job.batch_size, epochs=1, max_length=job.max_length)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(trainer.precision, torch.float32)

    def work() -> tuple[float, float | None]:
        """Return the seconds, and the share of padding if it is known."""
        if job.work != "score":
            cost = trainer.fit(prepared.model, prepared.examples, recipe, seed=0)[1]
            return cost.seconds, cost.padding
        _wait(trainer.device)
        since = time.perf_counter()
        for _ in trainer.predict(prepared.model, prepared.examples):
            pass
        return time.perf_counter() - since, 0.0 if trainer.packs(prepared.model) else None

    def run() -> Round:
        peak = matmul_peak(trainer.device, dtype)
        return prepared.round(peak, *work(), trainer.peak_memory_mb)

    work()
    return run


def _theirs(job: Job, contender: str) -> Callable[[], Round]:
    import torch

    from ..training.device import peak_memory_mb
    from . import peer

    prepared = _prepare(job)
    head, tokenizer, model = prepared.task.head, prepared.tokenizer, prepared.model
    best = contender == CONTENDERS[2]
    arguments = peer.arguments(
        peer.best_options(job.precision, job.batch_size) if best else {},
        per_device_train_batch_size=job.batch_size,
        learning_rate=job.learning_rate,
        num_train_epochs=1,
    )
    collate = peer.Collator(head, tokenizer)
    examples = peer.plain_rows(head, tokenizer, prepared.examples)
    if best:
        examples = examples.select(_by_length(examples["length"], prepared.corpus, job.batch_size))

    def work() -> float:
        collate.computed = 0
        if job.work != "score":
            return peer.train(model, arguments, collate, examples)
        since = time.perf_counter()
        peer.predict(model, arguments, collate, examples)
        return time.perf_counter() - since

    dtype = torch.bfloat16 if arguments.bf16 else torch.float16 if arguments.fp16 else torch.float32

    def run() -> Round:
        peak = matmul_peak(arguments.device, dtype)
        seconds = work()
        padding = 1 - prepared.tokens / collate.computed
        return prepared.round(peak, seconds, padding, peak_memory_mb(arguments.device))

    work()
    return run


def _by_length(lengths: Any, corpus: int, batch_size: int) -> list[int]:
    """Return the order in which `group_by_length` would put the examples if they were a part of the whole corpus.

    Alone, a sample of a few batches would be grouped within smaller pools, and would be padded more than the corpus is.
    """
    pool = batch_size * max(1, min(corpus // (4 * batch_size), 50))
    indices = range(len(lengths))
    pools = [indices[start : start + pool] for start in range(0, len(lengths), pool)]
    return [index for part in pools for index in sorted(part, key=lambda item: -lengths[item])]
