"""The training loop and prediction, read from top to bottom, for every task alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, gather_object, set_seed
from accelerate.utils.memory import should_reduce_batch_size
from transformers import get_linear_schedule_with_warmup

from ..errors import RequestError, RunError
from ..models.heads import HEADS
from ..models.kernels import Kernels, usable
from ..models.packed import can_pack, running_packed
from ..models.vocabulary import Vocabulary
from ..tasks.task import Recipe
from .batches import (
    Batch,
    Collator,
    MicroBatchSize,
    epoch_batches,
    lengths_of,
    lengths_of_table,
    token_batches,
    token_ids_of,
)
from .checkpoints import Checkpoints
from .feed import Feed, Update
from .form import Form, make_optimizer, quiet_collector
from .precision import (
    deterministic_algorithms,
    device_name,
    device_problem,
    peak_memory_mb,
    resolve_precision,
    token_budget,
)
from .progress import Cost, Meter, Progress, plan_run
from .resuming import Resumable, Training
from .state import Stateful
from .stopping import Stopped, between_updates

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

_log = logging.getLogger(__name__)

_SCORING_CHUNK = 2048  # examples sorted by length at a time while scoring
# Compiling the passes of `Kernels` takes seconds, and saves some 40 microseconds a token.
_TOKENS_WORTH_COMPILING = 500_000


class Trainer:
    """Fine-tunes and predicts with one head kind on the devices that `accelerate` finds.

    Args:
        head: the head kind.
        tokenizer: its padding token and inputs shape the batches.
        precision: one of `PRECISIONS`.
        report: called with signs of life.
        compile_passes: whether elementwise passes of training on CPUs are compiled; None where the run is long enough.
        deterministic: refuse algorithms whose sums come in any order (see `working`); one CPU process has none.
    """

    def __init__(
        self,
        head: str,
        tokenizer: Any,
        precision: str = "auto",
        report: Callable[[Progress], None] | None = None,
        *,
        compile_passes: bool | None = None,
        deterministic: bool = False,
    ) -> None:
        # One process may run several precisions one after the other; accelerate keeps the first otherwise.
        AcceleratorState._reset_state()
        # Without a word, accelerate would take several CPU processes for as many runs of one process.
        cpu = not torch.accelerator.is_available()
        device: Any = PartialState(cpu=cpu).device
        self.precision = resolve_precision(precision, device)
        mixed = {"fp32": "no"}.get(self.precision, self.precision)
        self.accelerator = Accelerator(cpu=cpu, mixed_precision=mixed)
        self.head_kind, self.head = head, HEADS[head]
        self.tokenizer = tokenizer
        self.compile_passes = compile_passes
        self.deterministic, self.exact = deterministic, True
        self._tried: tuple[Any, bool] | None = None
        self.report = report or (lambda progress: None)

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self.accelerator.device

    @property
    def device_name(self) -> str:
        """The device in words."""
        return device_name(self.device)

    @property
    def processes(self) -> int:
        """How many processes share the work."""
        return self.accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.accelerator.is_main_process

    @property
    def peak_memory_mb(self) -> float:
        """Peak memory so far."""
        return peak_memory_mb(self.device)

    def conditions(self) -> dict[str, Any]:
        """What the run's numbers depend on beside its recipe, as a result tells it."""
        same_bits = self.exact and (self.deterministic or (self.device.type == "cpu" and self.processes == 1))
        return {
            "precision": self.precision,
            "processes": self.processes,
            "device": self.device_name,
            "deterministic": same_bits,
        }

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run a block with deterministic algorithms alone, if asked for that, and tell failures of the device plainly.

        Raises:
            RunError: there is no such algorithm for something in the block, memory ran out, or the device failed.
        """
        try:
            with deterministic_algorithms() if self.deterministic else nullcontext():
                yield
        except (MemoryError, RuntimeError) as error:
            problem = device_problem(error)
            if problem is None:
                raise
            raise RunError(f"{self.device_name}: {problem}") from error

    def share(self, value: Any) -> Any:
        """Give the main process's value to all of them."""
        if self.processes == 1:
            return value
        shared = [value]
        broadcast_object_list(shared)
        return shared[0]

    def seed(self, seed: int) -> None:
        """Seed every random generator; call it before the model is made."""
        set_seed(seed)

    def check_batch(self, recipe: Recipe, requested: int | None) -> None:
        """Make sure that micro-batch x accumulation x processes can be the recipe's batch.

        Raises:
            RequestError: the batch cannot be divided that way.
        """
        processes = self.processes
        if recipe.batch_size % processes:
            raise RequestError(f"a batch of {recipe.batch_size} cannot be shared by {processes} processes")
        share = recipe.batch_size // processes
        if requested is not None and share % requested:
            raise RequestError(
                f"--per-device-batch-size {requested} does not divide the {share} examples of a batch per process"
            )

    def fit(
        self,
        model: Any,
        dataset: Dataset,
        recipe: Recipe,
        *,
        seed: int,
        max_steps: int | None = None,
        per_device: int | None = None,
        end_of_epoch: Callable[[Any, int], None] | None = None,
        checkpoints: Checkpoints | None = None,
        parts: Mapping[str, Stateful] | None = None,
    ) -> tuple[Any, Cost]:
        """Train `model` on encoded rows, and return it with what that took.

        AdamW with decoupled weight decay (none on biases and norms), a linear schedule to 0 after a linear warm-up,
        clipping. The loss of an update is the sum over its labelled words or examples divided by their number,
        however it is cut into micro-batches and processes. Where the model allows it, no padding is computed.

        Args:
            model: as loaded; its parameters are float32.
            dataset: encoded rows.
            recipe: the settings.
            seed: with the epoch, it fixes the order of examples.
            max_steps: ends the run, and its schedule, after this many updates.
            per_device: examples per micro-batch; chosen by memory when None.
            end_of_epoch: called with the model and the number of epochs done.
            checkpoints: where the training goes on from, if it was stopped, and keeps its state.
            parts: what else belongs into checkpoints.

        Raises:
            RequestError: the last checkpoint is of another run.
            RunError: the loss is not finite, memory ran out, or a checkpoint cannot be written.
            Stopped: a signal asked for it; a checkpoint was written.
        """
        plan = plan_run(recipe, len(dataset), max_steps)
        self.check_batch(recipe, per_device)
        model.to(self.device)
        lengths = lengths_of(dataset)
        form = self._training_form(model, dataset, recipe, int(lengths.mean() * recipe.batch_size * plan.steps))
        collate = self._collator(model, packed=form.packed, vocabulary=form.vocabulary)
        size = MicroBatchSize(token_budget(self.device, model.config), per_device)
        feed = Feed(
            dataset, lengths, collate, self.head, size, self.device, self.accelerator.process_index, self.processes
        )
        wrapped = model
        with form.in_use(model):
            optimizer = self.accelerator.prepare_optimizer(make_optimizer(model, recipe, self.device))
            if self.processes > 1:
                wrapped = self.accelerator.prepare_model(model)
        schedule = get_linear_schedule_with_warmup(optimizer, plan.warmup, plan.steps)
        meter = Meter(self.accelerator, plan, self.report)
        run = Training(self.accelerator, model, optimizer, schedule, feed, meter, parts or {}, self.deterministic)
        resumable = Resumable(run, checkpoints, plan.steps)
        alone = self.processes == 1
        with form.in_use(model):
            resumable.begin(form.as_conditions())
        try:
            for epoch in range(run.epochs, plan.epochs):
                model.train()
                by_length = lengths if recipe.group_by_length else None
                first = epoch * plan.steps_per_epoch
                batches = epoch_batches(len(dataset), recipe.batch_size, seed, epoch, by_length)[: plan.steps - first]
                with form.in_use(model), quiet_collector(), between_updates(alone=alone):
                    for update in feed.updates(batches[run.updates - first :]):
                        loss = self._update_within_memory(wrapped, optimizer, form, feed, update, recipe.max_grad_norm)
                        rate = float(schedule.get_last_lr()[0])
                        if not self.accelerator.optimizer_step_was_skipped:
                            schedule.step()
                        run.updates += 1
                        meter.add(loss, update, run.updates, rate)
                        resumable.after_update()
                meter.pause()
                # Of several processes none may leave the others waiting for its predictions.
                with nullcontext() if alone else between_updates(alone=False):
                    if end_of_epoch is not None:
                        end_of_epoch(model, epoch + 1)
                    run.epochs = epoch + 1
                    with form.in_use(model):
                        resumable.after_epoch()
                meter.resume()
        except Stopped as stopped:
            if not stopped.at_once:
                with form.in_use(model):
                    resumable.save()
            raise
        self.exact = run.exact
        if self.processes > 1:
            self.accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)
        return model, meter.cost(micro_batch=str(feed.size), halvings=feed.halvings)

    def _update_within_memory(
        self, model: Any, optimizer: Any, form: Form, feed: Feed, update: Update, max_norm: float
    ) -> torch.Tensor:
        """Make one update, in smaller micro-batches if memory runs out."""
        while True:
            stepping = False
            try:
                loss = self._backward(model, update)
                stepping = True
                self.accelerator.clip_grad_norm_(model.parameters(), max_norm)
                optimizer.step()
                form.clear_gradients(optimizer)
                return loss
            except RuntimeError as error:
                if not should_reduce_batch_size(error):
                    raise
                # A step cannot be taken twice, and other processes would wait for this one's gradients.
                smaller = None if stepping or self.processes > 1 else feed.shrink(update)
                if smaller is None:
                    raise RunError(
                        f"out of memory on {self.device_name} with micro-batches of {update.size}; use "
                        "--per-device-batch-size with a smaller number (the batch stays the recipe's)"
                    ) from error
                update = smaller
            form.clear_gradients(optimizer)

    def _backward(self, model: Any, update: Update) -> torch.Tensor:
        """Add up the gradients of one update; return its loss, still on the device."""
        count: Any = max(update.count, 1)
        if self.processes > 1:
            shared: Any = self.accelerator.reduce(torch.tensor(update.count, device=self.device), reduction="sum")
            count = shared.clamp(min=1)
        total = torch.zeros((), device=self.device)
        for number, (batch, weight) in enumerate(update.parts, start=1):
            with nullcontext() if number == len(update.parts) else self.accelerator.no_sync(model):
                with self.accelerator.autocast():
                    logits = model(**batch.inputs).logits
                # Gradients are averaged over processes, so the sum is restored by their number.
                loss = self.head.loss(logits, _labels(batch)) * (weight / count)
                self.accelerator.backward(loss * self.processes)
            total += loss.detach()
        return total

    def _training_form(self, model: Any, dataset: Dataset, recipe: Recipe, tokens: int) -> Form:
        """Decide how to train a model on `tokens` tokens in all, all epochs together."""
        kernels = vocabulary = None
        packed = self.packs(model)
        if self.device.type == "cpu":
            wanted = tokens >= _TOKENS_WORTH_COMPILING if self.compile_passes is None else self.compile_passes
            kernels = Kernels(fused=wanted and usable())
        # Weight decay changes all rows; and in padded batches a model may tell padding by its number.
        if packed and recipe.weight_decay == 0:
            # Processes exchange whole gradients.
            keep_gradient = self.device.type == "cpu" and self.processes == 1
            vocabulary = Vocabulary(model, token_ids_of(dataset), keep_gradient=keep_gradient)
        return Form(packed, kernels, vocabulary)

    def packs(self, model: Any) -> bool:
        """Whether this model takes packed rows; it is tried once."""
        if self._tried is None or self._tried[0] is not model:
            packs = can_pack(model, self.head_kind)
            if not packs:
                _log.info("%s does not take packed rows: batches are padded", model.config.model_type)
            self._tried = (model, packs)
        return self._tried[1]

    def _collator(self, model: Any, *, packed: bool, vocabulary: Vocabulary | None = None) -> Collator:
        return Collator(
            self.head_kind,
            self.tokenizer.pad_token_id,
            "token_type_ids" in self.tokenizer.model_input_names,
            packed=packed,
            heads=model.config.num_attention_heads if packed and self.device.type == "cpu" else None,
            renumbered=None if vocabulary is None else vocabulary.renumbered,
        )

    def predict(self, model: Any, dataset: Dataset, stage: str = "predict") -> Iterator[np.ndarray]:
        """Yield one output per example, in order (see `Head.outputs`); memory does not grow with the dataset."""
        since = time.perf_counter()
        rows: Any = dataset.with_format("arrow")
        for start in range(0, len(dataset), _SCORING_CHUNK):
            chunk = range(start, min(start + _SCORING_CHUNK, len(dataset)))
            yield from self.predict_rows(model, rows[chunk])
            now = time.perf_counter()
            self.report(Progress(stage, chunk.stop, len(dataset), examples_per_second=len(chunk) / (now - since)))
            since = now

    def predict_rows(self, model: Any, table: pa.Table) -> list[np.ndarray]:
        """Predict a table of encoded rows: in batches of like length and so many tokens, returned in order."""
        model.to(self.device).eval()
        packed = self.packs(model)
        collate = self._collator(model, packed=packed)
        lengths = lengths_of_table(table)
        batches = token_batches(lengths, token_budget(self.device, model.config), padded=not packed)
        outputs: list[tuple[int, np.ndarray]] = []
        with running_packed(model) if packed else nullcontext(), torch.inference_mode(), self.accelerator.autocast():
            for indices in batches[self.accelerator.process_index :: self.processes]:
                outputs += self._predict_within_memory(model, collate, table, indices)
        if self.processes > 1:
            outputs = gather_object(outputs)
        return [output for _, output in sorted(outputs, key=lambda item: item[0])]

    def _predict_within_memory(
        self, model: Any, collate: Collator, table: pa.Table, indices: np.ndarray
    ) -> list[tuple[int, np.ndarray]]:
        """Predict a batch, in halves if memory runs out."""
        try:
            batch = collate(table.take(indices)).to(self.device)
            logits = model(**batch.inputs).logits
            return list(zip(indices.tolist(), self.head.outputs(logits, batch), strict=True))
        except RuntimeError as error:
            if not should_reduce_batch_size(error) or len(indices) == 1:
                raise
        _log.debug("out of memory with %d examples: in halves", len(indices))
        middle = len(indices) // 2
        halves = indices[:middle], indices[middle:]
        return [output for half in halves for output in self._predict_within_memory(model, collate, table, half)]


def _labels(batch: Batch) -> torch.Tensor:
    if batch.labels is None:
        raise ValueError("training needs labels")
    return batch.labels
