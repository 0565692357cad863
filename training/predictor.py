"""The prediction loop, and everything that training and prediction share: devices, processes, batches, reporters."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list, gather_object, set_seed

from ..errors import PeerLostError, RequestError, RunError
from ..models.float32_head import float32_head
from ..models.heads import Head
from ..models.packed import can_pack, running_packed
from ..models.vocabulary import Vocabulary
from .collation import Collator
from .device import (
    check_launcher,
    deterministic_algorithms,
    device_name,
    device_problem,
    is_lost_peer,
    is_out_of_memory,
    limit_kernel_cache,
    peak_memory_mb,
    resolve_precision,
    token_budget,
)
from .encoded_rows import lengths_of_table
from .reporters import Progress, Reporter
from .sampling import token_batches

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_log = logging.getLogger(__name__)

_SCORING_CHUNK = 2048  # examples that are sorted by length at a time


def _start_accelerator(precision: str) -> tuple[Accelerator, str]:
    """Return an accelerator, and the number format in which it computes.

    Raises:
        RequestError: the number format is not possible here, or the environment asks accelerate for something that is
            not.
    """
    # A process may use several precisions one after the other, but accelerate would keep the first one.
    AcceleratorState._reset_state()
    # Tell accelerate explicitly that this is a CPU run; otherwise each of several processes believes that it is alone.
    cpu = not torch.accelerator.is_available()
    try:
        device: Any = PartialState(cpu=cpu).device
        resolved = resolve_precision(precision, device)
        # Gradients that are views of what the processes exchange need not be copied there and back.
        views = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
        precise = {"fp32": "no"}.get(resolved, resolved)
        return Accelerator(cpu=cpu, mixed_precision=precise, kwargs_handlers=[views]), resolved
    except (ValueError, ImportError) as error:
        raise RequestError(
            f"accelerate cannot start with this environment ({error}); check the variables whose names begin with "
            "ACCELERATE_"
        ) from error


class Predictor:
    """Predicts with models of one kind of head, on the devices that `accelerate` finds.

    Args:
        head: the kind of head.
        tokenizer: the model's tokenizer; its padding token and input names shape the batches.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        reporters: are told how the work proceeds.
        deterministic: whether algorithms that sum in any order are refused (see `working`).
    """

    def __init__(
        self,
        head: Head,
        tokenizer: PreTrainedTokenizerFast,
        precision: str = "auto",
        reporters: Sequence[Reporter] = (),
        *,
        deterministic: bool = False,
    ) -> None:
        check_launcher()
        limit_kernel_cache()
        self.accelerator, self.precision = _start_accelerator(precision)
        self.device: torch.device = self.accelerator.device
        self.processes, self.is_main = self.accelerator.num_processes, self.accelerator.is_main_process
        self.head, self.tokenizer, self.reporters = head, tokenizer, tuple(reporters)
        self.deterministic, self.exact = deterministic, True
        self._tried: tuple[PreTrainedModel, bool] | None = None

    def predict(self, model: PreTrainedModel, dataset: Dataset, stage: str = "predict") -> Iterator[np.ndarray]:
        """Yield one output per example in the order of the dataset (see `Head.outputs`).

        Memory does not grow with the dataset.

        Args:
            model: a model with a head.
            dataset: the encoded rows.
            stage: what is being scored, for the reporters.
        """
        since = time.perf_counter()
        rows: Any = dataset.with_format("arrow")
        for start in range(0, len(dataset), _SCORING_CHUNK):
            chunk = range(start, min(start + _SCORING_CHUNK, len(dataset)))
            yield from self.predict_rows(model, rows[chunk])
            now = time.perf_counter()
            self.report(Progress(stage, chunk.stop, len(dataset), examples_per_second=len(chunk) / (now - since)))
            since = now

    def predict_rows(self, model: PreTrainedModel, table: pa.Table) -> list[np.ndarray]:
        """Return one output per row of a table of encoded rows, in order; batches hold rows of similar length."""
        self.move(model).eval()
        packed = self.packs(model)
        collate = self.collator(model, packed=packed)
        batches = token_batches(lengths_of_table(table), token_budget(self.device, model.config), padded=not packed)
        outputs: list[tuple[int, np.ndarray]] = []
        with (
            running_packed(model) if packed else nullcontext(),
            float32_head(model),
            torch.inference_mode(),
            self.accelerator.autocast(),
        ):
            for indices in batches[self.accelerator.process_index :: self.processes]:
                outputs += self._predict_within_memory(model, collate, table, indices)
        if self.processes > 1:
            outputs = gather_object(outputs)
        return [output for _, output in sorted(outputs, key=lambda item: item[0])]

    def _predict_within_memory(
        self, model: PreTrainedModel, collate: Collator, table: pa.Table, indices: np.ndarray
    ) -> list[tuple[int, np.ndarray]]:
        """Return (index, output) for a batch, which is split in halves if memory runs out."""
        try:
            batch = collate(table.take(indices)).to(self.device)
            logits = self.head.logits(model(**batch.inputs), batch.sequences)
            return list(zip(indices.tolist(), self.head.outputs(logits, batch), strict=True))
        except RuntimeError as error:
            if not is_out_of_memory(error) or len(indices) == 1:
                raise
        _log.debug("out of memory with %d examples: split in halves", len(indices))
        middle = len(indices) // 2
        halves = indices[:middle], indices[middle:]
        return [output for half in halves for output in self._predict_within_memory(model, collate, table, half)]

    def move(self, model: PreTrainedModel) -> PreTrainedModel:
        """Move a model to this process's device, and return it."""
        to: Any = model.to  # The annotation of this method in transformers misleads pyright.
        to(self.device)
        return model

    def packs(self, model: PreTrainedModel) -> bool:
        """Return whether this model accepts packed rows. The answer is found by trying, once per model."""
        if self._tried is None or self._tried[0] is not model:
            packs = can_pack(model, self.head)
            if not packs:
                _log.info("%s does not take packed rows: batches are padded", model.config.model_type)
            self._tried = (model, packs)
        return self._tried[1]

    def collator(self, model: PreTrainedModel, *, packed: bool, vocabulary: Vocabulary | None = None) -> Collator:
        """Return the collator for a model; with `vocabulary`, token ids are those of its smaller embedding."""
        return Collator(
            self.head,
            self.tokenizer.pad_token_id,  # type: ignore[arg-type]  # loading has made sure that there is one
            "token_type_ids" in self.tokenizer.model_input_names,
            packed=packed,
            heads=model.config.num_attention_heads if packed and self.device.type == "cpu" else None,
            renumbered=None if vocabulary is None else vocabulary.renumbered,
        )

    def conditions(self) -> dict[str, Any]:
        """Return what the run's numbers depend on beside its recipe, as fields of a result."""
        same_bits = self.exact and (self.deterministic or (self.device.type == "cpu" and self.processes == 1))
        return {
            "precision": self.precision,
            "processes": self.processes,
            "device": device_name(self.device),
            "deterministic": same_bits,
        }

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run a block with deterministic algorithms if they were asked for, and explain failures of the device.

        Raises:
            RunError: no deterministic algorithm exists for an operation, memory is exhausted, or the device failed.
            PeerLostError: another process of the run has ended.
        """
        try:
            with self._noticing_lost_peers(), deterministic_algorithms() if self.deterministic else nullcontext():
                yield
        except (MemoryError, RuntimeError) as error:
            problem = device_problem(error)
            if problem is None:
                raise
            raise RunError(f"{device_name(self.device)}: {problem}") from error

    @contextmanager
    def _noticing_lost_peers(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if self.processes == 1 or not is_lost_peer(error):
                raise
            raise PeerLostError(
                f"another of the {self.processes} processes of this run has ended; its error says why, and the same "
                "command continues from the last checkpoint"
            ) from error

    def seed(self, seed: int) -> None:
        """Seed every random generator. This comes before the model is made, because its head starts at random."""
        set_seed(seed)

    def share(self, value: Any) -> Any:
        """Return the main process's value in every process.

        Raises:
            PeerLostError: another process of the run has ended.
        """
        if self.processes == 1:
            return value
        shared = [value]
        with self._noticing_lost_peers():
            broadcast_object_list(shared)
        return shared[0]

    @property
    def peak_memory_mb(self) -> float:
        """Peak memory so far, in MB."""
        return peak_memory_mb(self.device)

    def report(self, progress: Progress) -> None:
        """Tell all reporters about progress."""
        for reporter in self.reporters:
            reporter.on_progress(progress)
