"""The training loop and prediction, read from top to bottom, for every task alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, gather_object, set_seed
from transformers import get_linear_schedule_with_warmup

from ..errors import RequestError, RunError
from ..models.heads import HEADS
from ..tasks.task import Recipe
from .batches import Batch, Collator, epoch_batches, lengths_of, micro_batches, per_device_batch_size
from .precision import device_name, peak_memory_mb, resolve_precision, token_budget
from .progress import Cost, Meter, Progress, plan_run

if TYPE_CHECKING:
    from datasets import Dataset

_SCORING_CHUNK = 512  # examples sorted by length at a time while scoring
_FUSED = ("cpu", "cuda", "mps", "xpu")


class Trainer:
    """Fine-tunes and predicts with one head kind on the devices that `accelerate` finds.

    Args:
        head: the head kind.
        tokenizer: its padding token and inputs shape the batches.
        precision: one of `PRECISIONS`.
        report: called with signs of life.
    """

    def __init__(
        self,
        head: str,
        tokenizer: Any,
        precision: str = "auto",
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        # One process may run several precisions one after the other; accelerate keeps the first otherwise.
        AcceleratorState._reset_state()
        # Without a word, accelerate would take several CPU processes for as many runs of one process.
        cpu = not torch.accelerator.is_available()
        device: Any = PartialState(cpu=cpu).device
        self.precision = resolve_precision(precision, device)
        mixed = {"fp32": "no"}.get(self.precision, self.precision)
        self.accelerator = Accelerator(cpu=cpu, mixed_precision=mixed)
        self.head = HEADS[head]
        self.collate = Collator(head, tokenizer.pad_token_id, "token_type_ids" in tokenizer.model_input_names)
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
        return {"precision": self.precision, "processes": self.processes, "device": self.device_name}

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

    def _token_budget(self, config: Any) -> int:
        return token_budget(self.device, config.hidden_size, getattr(config, "num_hidden_layers", 12))

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
    ) -> tuple[Any, Cost]:
        """Train `model` on encoded rows, and return it with what that took.

        AdamW with decoupled weight decay (none on biases and norms), a linear schedule to 0 after a linear warm-up,
        clipping. The loss of an update is the sum over its labelled words or examples divided by their number,
        however it is cut into micro-batches and processes.

        Args:
            model: as loaded; its parameters are float32.
            dataset: encoded rows.
            recipe: the settings.
            seed: with the epoch, it fixes the order of examples.
            max_steps: ends the run, and its schedule, after this many updates.
            per_device: examples per micro-batch; chosen by memory when None.
            end_of_epoch: called with the model and the number of epochs done.

        Raises:
            RunError: the loss is not finite, or memory ran out.
        """
        plan = plan_run(recipe, len(dataset), max_steps)
        self.check_batch(recipe, per_device)
        if per_device is None:
            tokens = len(dataset[0]["input_ids"]) * recipe.max_length
            budget = self._token_budget(model.config)
            per_device = per_device_batch_size(recipe.batch_size, self.processes, tokens, budget)
        optimizer = _optimizer(model, recipe, self.device)
        optimizer = self.accelerator.prepare_optimizer(optimizer)
        if self.processes > 1:
            model = self.accelerator.prepare_model(model)
        schedule = get_linear_schedule_with_warmup(optimizer, plan.warmup, plan.steps)
        lengths = lengths_of(dataset) if recipe.group_by_length else None
        meter = Meter(self.accelerator, plan, self.report)
        done = epoch = 0
        while done < plan.steps:
            model.train()
            for batch in epoch_batches(len(dataset), recipe.batch_size, seed, epoch, lengths):
                if done == plan.steps:
                    break
                try:
                    loss, tokens = self._update(model, optimizer, dataset, batch, per_device, recipe.max_grad_norm)
                except torch.OutOfMemoryError as error:
                    raise RunError(
                        f"out of memory on {self.device_name} with {per_device} examples at a time; "
                        f"use --per-device-batch-size {max(1, per_device // 2)} (the batch stays the recipe's)"
                    ) from error
                rate = float(schedule.get_last_lr()[0])
                if not self.accelerator.optimizer_step_was_skipped:
                    schedule.step()
                done += 1
                meter.add(loss, len(batch), tokens, done, rate)
            epoch += 1
            if end_of_epoch is not None:
                meter.pause()
                end_of_epoch(self.accelerator.unwrap_model(model), epoch)
                meter.resume()
        return self.accelerator.unwrap_model(model, keep_fp32_wrapper=False), meter.cost()

    def _update(
        self,
        model: Any,
        optimizer: Any,
        dataset: Dataset,
        indices: np.ndarray,
        per_device: int,
        max_norm: float,
    ) -> tuple[torch.Tensor, int]:
        """Make one update; return its loss (still on the device) and its tokens."""
        process = self.accelerator.process_index
        parts = [
            # An empty share still takes part in the gradient exchange, with an example that weighs nothing.
            (self.collate(dataset[part if len(part) else indices[:1]]), float(len(part) > 0))
            for part in micro_batches(indices, process, self.processes, per_device)
        ]
        count: Any = torch.tensor(sum(int(self.head.count(_labels(batch))) * int(weight) for batch, weight in parts))
        count = count.to(self.device)
        if self.processes > 1:
            count = self.accelerator.reduce(count, reduction="sum")
        divisor = count.clamp(min=1)
        total = torch.zeros((), device=self.device)
        for number, (batch, weight) in enumerate(parts, start=1):
            moved = batch.to(self.device)
            with nullcontext() if number == len(parts) else self.accelerator.no_sync(model):
                with self.accelerator.autocast():
                    logits = model(**moved.inputs).logits
                # Gradients are averaged over processes, so the sum is restored by their number.
                loss = self.head.loss(logits, _labels(moved)) * (weight / divisor)
                self.accelerator.backward(loss * self.processes)
            total += loss.detach()
        self.accelerator.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return total, sum(batch.tokens for batch, _ in parts)

    def predict(self, model: Any, dataset: Dataset, stage: str = "predict") -> Iterator[np.ndarray]:
        """Yield one output per example, in order (see `Head.outputs`); memory does not grow with the dataset."""
        since = time.perf_counter()
        for start in range(0, len(dataset), _SCORING_CHUNK):
            chunk = range(start, min(start + _SCORING_CHUNK, len(dataset)))
            yield from self.predict_rows(model, dataset[chunk])
            now = time.perf_counter()
            self.report(Progress(stage, chunk.stop, len(dataset), examples_per_second=len(chunk) / (now - since)))
            since = now

    def predict_rows(self, model: Any, rows: dict[str, list[Any]]) -> list[np.ndarray]:
        """Predict columns of encoded rows at once: sorted by length to save padding, returned in order."""
        model.to(self.device).eval()
        budget = self._token_budget(model.config)
        widths = [max(map(len, sequences)) * len(sequences) for sequences in rows["input_ids"]]
        groups: list[list[int]] = []
        for index in sorted(range(len(widths)), key=lambda item: -widths[item]):
            # Longest first: a group's padded size is its first example's width times its examples.
            if groups and widths[groups[-1][0]] * (len(groups[-1]) + 1) <= budget:
                groups[-1].append(index)
            else:
                groups.append([index])
        outputs: list[tuple[int, np.ndarray]] = []
        for group in groups[self.accelerator.process_index :: self.processes]:
            batch = self.collate({name: [column[index] for index in group] for name, column in rows.items()})
            with torch.inference_mode(), self.accelerator.autocast():
                logits = model(**batch.to(self.device).inputs).logits
            outputs += zip(group, self.head.outputs(logits, batch), strict=True)
        if self.processes > 1:
            outputs = gather_object(outputs)
        return [output for _, output in sorted(outputs, key=lambda item: item[0])]


def _labels(batch: Batch) -> torch.Tensor:
    if batch.labels is None:
        raise ValueError("training needs labels")
    return batch.labels


def _optimizer(model: Any, recipe: Recipe, device: torch.device) -> torch.optim.AdamW:
    # Biases and the weights of norms are the parameters with one dimension.
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    model.to(device)
    return torch.optim.AdamW(
        groups,
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        fused=device.type in _FUSED,
    )
