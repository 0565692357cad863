"""Forward and backward passes of recurring shapes as CUDA graphs, which a GPU is given at once."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from ..models.packed_row import PackedRow
from .collation import Batch

_log = logging.getLogger(__name__)

# Each shape is computed twice before it is captured: rare ones are not worth it, the first call of a kernel may set
# up what cannot be captured, and the second shows whether the host waits for the device.
_BEFORE_CAPTURE = 2

Pass = Callable[[Batch, "float | torch.Tensor"], torch.Tensor]


@dataclass
class _Captured:
    """A graph with the tensors that it reads and writes.

    Attributes:
        graph: the captured kernels.
        inputs: the tensors of the batch.
        factor: the factor of the loss.
        loss: the result.
    """

    graph: torch.cuda.CUDAGraph
    inputs: list[torch.Tensor]
    factor: torch.Tensor
    loss: torch.Tensor


class CudaGraphs:
    """Computes losses and gradients, and replays what it has captured before where the shapes of a batch recur.

    A small batch does not keep a large GPU busy: the host needs longer to launch some thousand kernels, one by one,
    than the GPU to run them. A captured graph is launched as a whole. It computes the same, and random numbers
    continue as they would have. All graphs share one pool of memory, because only one is ever in use.

    Gradients must stay where they are: they have to be set to zero between updates, not removed.

    Args:
        compute: does the forward and the backward pass of a batch on the current stream, adds to the gradients, and
            returns the loss. What it does must depend on nothing but the tensors of the batch and their shapes.
    """

    def __init__(self, compute: Pass) -> None:
        self.compute = compute
        self._seen: dict[Hashable, int] = {}
        self._captured: dict[Hashable, _Captured] = {}
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None
        self.usable = True

    def __call__(self, batch: Batch, factor: float) -> torch.Tensor:
        """Add the gradients of a batch, and return its loss.

        Args:
            batch: the batch, on the GPU.
            factor: factor of the loss.
        """
        row = batch.inputs.get("packed")
        if not self.usable or not isinstance(row, PackedRow) or row.layout.sequences == len(row.layout.offsets) - 1:
            return self.compute(batch, factor)
        key = _key(batch, row)
        if (captured := self._captured.get(key)) is not None:
            return _replay(captured, batch, factor)
        seen = self._seen[key] = self._seen.get(key, 0) + 1
        if seen < _BEFORE_CAPTURE:
            return self.compute(batch, factor)
        if seen == _BEFORE_CAPTURE:
            return self._rehearse(batch, factor)
        try:
            self._captured[key] = self._capture(batch)
        except (RuntimeError, NotImplementedError) as error:
            self._give_up(str(error))
            return self.compute(batch, factor)
        return _replay(self._captured[key], batch, factor)

    def _rehearse(self, batch: Batch, factor: float) -> torch.Tensor:
        """Compute as usual, and find out whether the host waits for the device, which no capture survives."""
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                loss = self.compute(batch, factor)
            finally:
                torch.cuda.set_sync_debug_mode(before)
        waits = [str(warning.message) for warning in caught if "synchroniz" in str(warning.message)]
        if waits:
            self._give_up(waits[0])
        return loss

    def _give_up(self, reason: str) -> None:
        self.usable = False
        self._captured.clear()
        _log.info("updates are not captured as CUDA graphs: %s", reason.strip().split("\n")[0])

    def _capture(self, batch: Batch) -> _Captured:
        device = batch.tensors()[0].device
        if self._stream is None:
            self._stream, self._pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()
        inputs = batch.map(torch.clone, captured=True)
        factor = torch.ones((), device=device)
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(device)
        torch.cuda.synchronize(device)
        with torch.cuda.stream(self._stream):
            # The thread that reads the next batch may allocate memory meanwhile.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                loss = self.compute(inputs, factor)
            except BaseException:
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        current.wait_stream(self._stream)
        return _Captured(graph, inputs.tensors(), factor, loss)


def _key(batch: Batch, row: PackedRow) -> Hashable:
    """Return all that a pass depends on, beside the contents of the tensors."""
    shapes = tuple((tensor.shape, tensor.dtype) for tensor in batch.tensors())
    return shapes, row.layout.max_length, row.layout.sequences, batch.sequences.tobytes()


def _replay(captured: _Captured, batch: Batch, factor: float) -> torch.Tensor:
    for mine, given in zip(captured.inputs, batch.tensors(), strict=True):
        mine.copy_(given)
    captured.factor.fill_(factor)
    captured.graph.replay()
    return captured.loss.clone()
