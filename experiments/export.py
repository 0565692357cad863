"""Exporting a fine-tuned model to ONNX, comparing its outputs with those of torch, and timing both."""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError, RunError, nearest
from ..files import atomic_folder
from .loaded import LoadedModel
from .run_record import read_run

if TYPE_CHECKING:
    import numpy as np
    import torch

FORMATS = ("onnx",)
FILE = "model.onnx"
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_TOLERANCE = 1e-3  # Float32 sums in another order differ by about 1e-6 of their size; a wrong graph by far more.
_ROUNDS = 7
_TIMED = (8, 64)  # texts and word pieces of the batch that is timed
_SHAPES = ((1, 5), (3, 17), (2, 128))  # texts and word pieces of the batches that are compared
_OPTIONS = 2  # of each question of the batches that are compared


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        folder: the folder with the model, its configuration and its tokenizer.
        difference: the largest difference of an output from that of torch.
        torch_texts_per_second: speed of torch on this machine, for 8 texts of 64 word pieces.
        onnx_texts_per_second: speed of ONNX Runtime for the same batch.
        speedup: ratio of the medians of both, measured in turns.
    """

    folder: str
    difference: float
    torch_texts_per_second: float
    onnx_texts_per_second: float
    speedup: float

    def to_json(self) -> dict[str, Any]:
        """Return the object that `linkbert export --json` prints."""
        return asdict(self)


def export(run: str | Path, *, output: str | Path | None = None, format: str = "onnx") -> Exported:
    """Export a fine-tuned model with torch's own exporter, and compare its outputs.

    Args:
        run: a run folder.
        output: the folder to write; `onnx` in the run folder if None.
        format: `onnx`.

    Raises:
        RequestError: the run is not finished, or packages are missing.
        RunError: the export fails, or the exported model gives other outputs.
    """
    if format not in FORMATS:
        raise RequestError(f"--format {format!r}: {nearest(format, FORMATS)}")
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise RequestError(
            f"export to ONNX needs {', '.join(missing)}, which is not installed; pip install 'linkbert[onnx]'"
        )
    folder = Path(run)
    loaded = LoadedModel(read_run(folder).task, folder, "fp32")
    target = Path(output) if output is not None else folder / "onnx"
    _require_export(target)
    loaded.model.to("cpu").eval()  # type: ignore[arg-type]  # the annotation of this method misleads pyright
    try:
        with atomic_folder(target) as staged:
            _write(loaded, staged)
            if others := sorted({path.name for path in _entries(target)} - {path.name for path in staged.iterdir()}):
                raise RequestError(f"{target}: holds {others[0]}, which an export does not write; name another folder")
            session = _session(staged / FILE)
            difference = max(_difference(loaded, session, shape) for shape in _SHAPES)
            if difference > _TOLERANCE:
                raise RunError(
                    f"{target}: the exported model differs from the original by {difference:.2g} in an output; this "
                    "architecture cannot be exported with these versions of torch and transformers"
                )
            speeds = _speeds(loaded, session)
    except OSError as error:
        raise RunError(f"{target}: cannot be written ({error.strerror}); name another folder with --output") from error
    return Exported(str(target), difference, *speeds, speedup=speeds[1] / speeds[0])


def _require_export(folder: Path) -> None:
    """Make sure that a folder may be replaced: it is not there, or empty, or an earlier export.

    Raises:
        RequestError: it holds something else.
    """
    if folder.is_file():
        raise RequestError(f"{folder}: a file; name a folder with --output")
    entries = _entries(folder)
    if entries and (not (folder / FILE).is_file() or any(path.is_dir() for path in entries)):
        raise RequestError(f"{folder}: holds {entries[0].name}, and is no earlier export; name another folder")


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _write(loaded: LoadedModel, folder: Path) -> None:
    import torch

    inputs = _inputs(loaded, (2, 8))
    batch, tokens = torch.export.Dim("batch", min=1), torch.export.Dim("tokens", min=2, max=loaded.record.max_length)
    dimensions: dict[int, Any] = {0: batch, next(iter(inputs.values())).dim() - 1: tokens}
    if loaded.task.head.per_option:
        dimensions[1] = torch.export.Dim("options", min=2)
    outputs = ["start_logits", "end_logits"] if loaded.task.head.finds_spans else ["logits"]
    try:
        with _quiet():
            torch.onnx.export(
                _positional(loaded.model, tuple(inputs)),
                tuple(inputs.values()),
                folder / FILE,
                input_names=list(inputs),
                output_names=outputs,
                dynamic_shapes=(tuple(dimensions for _ in inputs),),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        # The exporter raises errors of many types for what an architecture does that it cannot follow.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RunError(
            f"{loaded.model.config.model_type} cannot be exported by this version of torch ({reason})"
        ) from error
    loaded.model.config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)


def _positional(model: Any, names: tuple[str, ...]) -> Any:
    """Return a module that calls a model with positional inputs and returns a tuple of logits, for the exporter."""
    import torch

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            output = self.model(**dict(zip(names, inputs, strict=True)))
            return (output.start_logits, output.end_logits) if "start_logits" in output else (output.logits,)

    return Positional()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which warns about its own internals."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def _session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _inputs(loaded: LoadedModel, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Return random token ids of a shape; the last text of several is shorter, and padded."""
    import torch

    texts, tokens = shape[0], min(shape[1], loaded.record.max_length)
    size = (texts, _OPTIONS, tokens) if loaded.task.head.per_option else (texts, tokens)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, loaded.model.config.vocab_size, size, generator=generator)
    padding: Any = loaded.tokenizer.pad_token_id
    ids = torch.where(ids == padding, (ids + 1) % loaded.model.config.vocab_size, ids)
    mask = torch.ones_like(ids)
    if texts > 1:
        ids[-1, ..., tokens // 2 :] = padding
        mask[-1, ..., tokens // 2 :] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in loaded.tokenizer.model_input_names:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    return inputs


def _difference(loaded: LoadedModel, session: Any, shape: tuple[int, int]) -> float:
    import torch

    inputs = _inputs(loaded, shape)
    with torch.inference_mode():
        expected = _positional(loaded.model, tuple(inputs))(*inputs.values())
    found: list[np.ndarray] = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    inside = inputs["attention_mask"].bool().numpy()
    # Outputs at padding mean nothing, and nobody reads them.
    inside = inside if loaded.task.head.every_token else slice(None)
    return max(float(abs((a - b.numpy())[inside]).max()) for a, b in zip(found, expected, strict=True))


def _speeds(loaded: LoadedModel, session: Any) -> tuple[float, float]:
    """Return texts per second of torch and of ONNX Runtime: the medians of rounds in turns."""
    import torch

    inputs = _inputs(loaded, _TIMED)
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    model = _positional(loaded.model, tuple(inputs))

    def by_torch() -> None:
        with torch.inference_mode():
            model(*inputs.values())

    turns: tuple[Callable[[], Any], Callable[[], Any]] = (by_torch, lambda: session.run(None, arrays))
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS + 1):
        for turn, times in zip(turns, taken, strict=True):
            since = time.perf_counter()
            turn()
            times.append(time.perf_counter() - since)
    # The first round warms both up.
    one, other = (_TIMED[0] / statistics.median(times[1:]) for times in taken)
    return one, other
