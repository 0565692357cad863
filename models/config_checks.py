"""Reading a model's configuration, and refusing one that asks for absurd sizes, other weights or other code.

A configuration comes from outside. Before `transformers` acts on it, its numbers are compared with limits far above any
encoder, and keys that lead to other files or to code are refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from .library import reading_model
from .sources import weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# Limits far above any encoder, and below what would fill the memory before a weight is read.
_MAX_CONFIG, _MAX_MODULES, _MAX_LABELS, _MAX_SIZE = 10_000_000, 10_000, 100_000, 10_000_000
# A number whose key contains one of these words makes that many modules, whatever the architecture calls it.
_COUNTS = ("layer", "group", "block", "depth", "expert")
# These keys send transformers to other weights or to code. They may be absent, empty, or name the built-in attention.
_LEADING_ELSEWHERE = (
    "transformers_weights",
    "quantization_config",
    "attn_implementation",
    "_attn_implementation",
    "experts_implementation",
    "_experts_implementation",
)
_HARMLESS = (None, "eager", "sdpa")


def read_config(path: Path) -> PreTrainedConfig:
    """Read and check the configuration of a model folder, or a configuration file.

    Raises:
        RequestError: there is none, it is hostile, or it does not describe an encoder.
    """
    from transformers import AutoConfig

    _require_sane_sizes(path if path.is_file() else path / "config.json")
    with reading_model(path):
        config = AutoConfig.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    sizes = [getattr(config, key, None) for key in ("hidden_size", "num_hidden_layers", "vocab_size")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise RequestError(f"{path}: {config.model_type!r} is not an encoder that this tool can fine-tune")
    return config


def require_weights_of_size(path: Path, parameters: int) -> None:
    """Make sure that a model folder has weights for as many parameters as its configuration asks for.

    Raises:
        RequestError: the weight files are smaller than one byte per parameter, the least that any format takes. Loading
            would fill the rest with random numbers.
    """
    stored = sum(file.stat().st_size for file in weight_files(path))
    if parameters > stored:
        raise RequestError(
            f"{path}: its configuration asks for {parameters} parameters, its weights have {stored} bytes; refused"
        )


def _require_sane_sizes(path: Path) -> None:
    """Check a `config.json` before any library reads it, because some of its numbers become modules or lists.

    Raises:
        RequestError: the file is not a JSON object, or asks for absurd sizes.
    """
    if not path.is_file():
        raise RequestError(f"{path.parent}: not a model folder, it has no {path.name}")
    if path.stat().st_size > _MAX_CONFIG:
        raise RequestError(f"{path}: larger than {_MAX_CONFIG} bytes; this is not a model's configuration")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        entries = list(_entries(config))
    except (ValueError, AttributeError, RecursionError) as error:
        raise RequestError(f"{path}: not a JSON object ({error}); get the model again") from error
    for key, value in entries:
        if key in _LEADING_ELSEWHERE and value not in _HARMLESS:
            raise RequestError(f"{path}: {key} asks for other weights or code ({value}); refused, remove it")
        if isinstance(value, int) and value > (_MAX_LABELS if "labels" in key else _MAX_SIZE):
            raise RequestError(f"{path}: {key} is {value}, which is absurd; refused")
    counts = [(key, value) for key, value in entries if type(value) is int and any(name in key for name in _COUNTS)]
    if math.prod(max(value, 1) for _, value in counts) > _MAX_MODULES:
        named = ", ".join(f"{key} {value}" for key, value in counts if value > 1)
        raise RequestError(f"{path}: {named}: more than {_MAX_MODULES} layers; refused")


def _entries(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every key of a configuration with its value, those of nested objects included."""
    for key, value in config.items():
        yield key, value
        for inner in value if isinstance(value, list) else (value,):
            if isinstance(inner, dict):
                yield from _entries(inner)
