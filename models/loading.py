"""Safe loading of configuration, tokenizer and weights; no custom code, no unrestricted pickles, always float32."""

from __future__ import annotations

import json
import logging
import math
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError, RunError, is_panic
from .heads import HEADS
from .sources import ModelSource, settings_sha256, weight_files, weights_sha256

_log = logging.getLogger(__name__)

# Far above any encoder; below what would fill the memory before a weight is read.
_MAX_CONFIG, _MAX_MODULES, _MAX_LABELS, _MAX_SIZE = 10_000_000, 10_000, 100_000, 10_000_000
# Numbers of which each makes modules, under whatever key an architecture has them.
_COUNTS = ("layer", "group", "block", "depth", "expert")
# Keys that send transformers for other weights or for code; here they may say nothing, or the built-in attention.
_LEADING_ELSEWHERE = (
    "transformers_weights",
    "quantization_config",
    "attn_implementation",
    "_attn_implementation",
    "experts_implementation",
    "_experts_implementation",
)
_HARMLESS = (None, "eager", "sdpa")
_PROBE = "Mutations of BRCA1, 5.2% of them (p < 0.05)."
# What the dropouts of the supported architectures are called in their configurations.
_DROPOUT = ("hidden_dropout_prob", "dropout", "embedding_dropout", "mlp_dropout")
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
_HEAD_DROPOUT = ("classifier_dropout", "seq_classif_dropout", "pooler_dropout", "summary_last_dropout")


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before its weights are read.

    Attributes:
        source: where it lies.
        model_type: the architecture, e.g. `bert`.
        hidden_size: width of the encoder.
        max_positions: longest sequence that it takes, special tokens counted; None when there is no limit.
        parameters: of the encoder without a head.
        dropout: hidden dropout of its configuration.
        attention_dropout: attention dropout of its configuration.
    """

    source: ModelSource
    model_type: str
    hidden_size: int
    max_positions: int | None
    parameters: int
    dropout: float
    attention_dropout: float

    def as_result(self) -> dict[str, Any]:
        """The `model` object of a result file."""
        return {
            "name": self.source.name,
            "source": self.source.source,
            "revision": self.source.revision,
            "weights_sha256": weights_sha256(self.source.path),
            "settings_sha256": settings_sha256(self.source.path),
            "parameters": self.parameters,
        }


def inspect_model(source: ModelSource) -> ModelInfo:
    """Read a model's configuration and its shape, without its weights.

    Raises:
        RequestError: no usable configuration, or an architecture that needs custom code.
    """
    import torch
    from transformers import AutoModel

    config = _config(source.path)
    with _loading(source.path), torch.device("meta"):
        encoder = AutoModel.from_config(config, trust_remote_code=False)
    _require_weights_of_that_size(source.path, sum(parameter.numel() for parameter in encoder.parameters()))
    return ModelInfo(
        source=source,
        model_type=config.model_type,
        hidden_size=int(config.hidden_size),
        max_positions=_max_positions(encoder, config),
        parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        dropout=_first(config, _DROPOUT),
        attention_dropout=_first(config, _ATTENTION_DROPOUT),
    )


def load_tokenizer(path: Path, *, words: bool) -> Any:
    """Load the fast tokenizer of a model folder.

    Args:
        path: the model folder.
        words: whether it will be given words rather than texts; byte-level tokenizers need a space before each.

    Raises:
        RequestError: no tokenizer, or none that knows which word a piece belongs to.
    """
    from transformers import AutoTokenizer

    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    with _loading(path):
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        if words and getattr(tokenizer, "is_fast", False) and _needs_prefix_space(tokenizer):
            tokenizer = AutoTokenizer.from_pretrained(path, add_prefix_space=True, **options)
            _add_prefix_space(tokenizer.backend_tokenizer.pre_tokenizer)
        tokenizer.chat_template = None  # its names become files when it is saved
        tokenizer(_PROBE)
    if not getattr(tokenizer, "is_fast", False):
        raise RequestError(f"{path}: its tokenizer has no fast version, which the alignment of words needs")
    if tokenizer.pad_token_id is None:
        raise RequestError(f"{path}: its tokenizer has no padding token; add one to tokenizer_config.json")
    size = _config(path).vocab_size
    # Asked before anything writes the vocabulary out: that makes room for each id up to the largest one.
    if (largest := max(tokenizer.get_vocab().values(), default=0)) >= size:
        raise RequestError(
            f"{path}: its tokenizer has ids up to {largest}, its embeddings {size} rows: they do not belong together"
        )
    # Some tokenizer files carry a truncation of their own; lengths are the recipe's business.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def load_model(
    path: Path,
    head: str,
    labels: tuple[str, ...],
    *,
    fine_tuned: bool,
    dropout: float | None = None,
    attention_dropout: float | None = None,
) -> Any:
    """Load a model with a head, in float32.

    Args:
        path: the model folder.
        head: a head kind.
        labels: label names, saved in the configuration; empty for regression and choice.
        fine_tuned: whether the head must be in the weights too.
        dropout: replaces all hidden dropouts of the configuration.
        attention_dropout: replaces its attention dropout.

    Raises:
        RequestError: the architecture lacks this head, the weights are unreadable, or keys are missing or of another
            shape (for fine-tuning, those of the head and the pooler may be).
    """
    import torch
    import transformers

    kind = HEADS[head]
    config = _config(path)
    if not fine_tuned:
        _describe_head(config, head, labels)
    _set_dropout(config, dropout, attention_dropout)
    weight_files(path)
    with _loading(path):
        model, loaded = getattr(transformers, kind.auto_class).from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            local_files_only=True,
            weights_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    _check_keys(path, model, loaded, fine_tuned=fine_tuned)
    if fine_tuned and labels and tuple(model.config.id2label[index] for index in range(len(labels))) != labels:
        raise RequestError(f"{path}: its labels are not those of the task ({', '.join(labels)})")
    return model


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save a model as safetensors with configuration and tokenizer, so that `transformers` alone opens it.

    Raises:
        RunError: it cannot be written.
    """
    try:
        with _quiet_library():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:
        # The libraries written in Rust have no types of their own for a full disk.
        if "os error" not in str(error):
            raise
        raise RunError(f"{folder}: the model cannot be saved ({error})") from error


def _config(path: Path) -> Any:
    from transformers import AutoConfig

    _require_sane_sizes(path / "config.json")
    with _loading(path):
        config = AutoConfig.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    sizes = [getattr(config, key, None) for key in ("hidden_size", "num_hidden_layers", "vocab_size")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise RequestError(f"{path}: {config.model_type!r} is not an encoder that this tool can fine-tune")
    return config


def _require_sane_sizes(path: Path) -> None:
    """Look at a configuration before it is taken at its word: some of its numbers become modules or lists.

    Raises:
        RequestError: it is no JSON object, or asks for absurd sizes.
    """
    if not path.is_file():
        raise RequestError(f"{path.parent}: not a model folder, it has no {path.name}")
    if path.stat().st_size > _MAX_CONFIG:
        raise RequestError(f"{path}: larger than {_MAX_CONFIG} bytes; this is no model's configuration")
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
    """Every key of a configuration with its value, those of nested objects too."""
    for key, value in config.items():
        yield key, value
        for inner in value if isinstance(value, list) else (value,):
            if isinstance(inner, dict):
                yield from _entries(inner)


def _require_weights_of_that_size(path: Path, parameters: int) -> None:
    # Parameters without weights would be made up; a byte for each is the least that a format takes.
    stored = sum(file.stat().st_size for file in weight_files(path))
    if parameters > stored:
        raise RequestError(
            f"{path}: its configuration asks for {parameters} parameters, its weights have {stored} bytes; refused"
        )


@contextmanager
def _loading(path: Path) -> Iterator[None]:
    """Turn the many errors of a broken or unsuitable model folder into one."""
    import torch
    from safetensors import SafetensorError

    try:
        with _quiet_library():
            yield
    except (RuntimeError, SafetensorError, pickle.UnpicklingError, EOFError, torch.OutOfMemoryError) as error:
        raise RequestError(
            f"{path}: its files are damaged or refused ({_first_line(error)}); get the model again"
        ) from error
    except BaseException as error:
        # Each library has a type of its own for a file that it does not like.
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise RequestError(f"{path}: the model cannot be loaded: {_first_line(error)}") from error


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Keep the reports and bars of transformers off the screen; what matters of them is checked and told here."""
    from transformers.utils import logging as library

    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.CRITICAL)  # its errors quote the folder's files as they are, escape sequences too
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _describe_head(config: Any, head: str, labels: tuple[str, ...]) -> None:
    names = labels or ("score",)
    if head != "choice":
        config.id2label = dict(enumerate(names))
        config.label2id = {name: index for index, name in enumerate(names)}
    config.problem_type = HEADS[head].problem_type


def _set_dropout(config: Any, dropout: float | None, attention_dropout: float | None) -> None:
    for names, value in ((_DROPOUT + _HEAD_DROPOUT, dropout), (_ATTENTION_DROPOUT, attention_dropout)):
        for name in names:
            if value is not None and hasattr(config, name):
                setattr(config, name, value)


def _first(config: Any, names: tuple[str, ...]) -> float:
    return next((float(value) for name in names if (value := getattr(config, name, None)) is not None), 0.0)


def position_offset(encoder: Any) -> int:
    """The number of a sequence's first position: RoBERTa and its like count from the padding index on."""
    table = _position_table(encoder)
    return 0 if table is None or table.padding_idx is None else table.padding_idx + 1


def _position_table(encoder: Any) -> Any:
    tables = (module for name, module in encoder.named_modules() if name.endswith("position_embeddings"))
    return next((table for table in tables if hasattr(table, "num_embeddings")), None)


def _max_positions(encoder: Any, config: Any) -> int | None:
    table = _position_table(encoder)
    if table is not None:
        return table.num_embeddings - position_offset(encoder)
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if limit else None


def _check_keys(path: Path, model: Any, loaded: dict[str, Any], *, fine_tuned: bool) -> None:
    mismatched = [item[0] if isinstance(item, tuple | list) else str(item) for item in loaded["mismatched_keys"]]
    absent = sorted({*loaded["missing_keys"], *mismatched})
    if fine_tuned:
        refused = absent
    else:
        prefix = f"{model.base_model_prefix}."
        refused = [key for key in absent if key.startswith(prefix) and ".pooler." not in key]
        for key in absent:
            if ".pooler." in key:
                _log.warning("%s: %s is not in the weights and starts at random", path, key)
    if refused:
        shown = ", ".join(refused[:5]) + (f" and {len(refused) - 5} more" if len(refused) > 5 else "")
        what = "not a fine-tuned model of this task" if fine_tuned else "not a whole encoder"
        raise RequestError(f"{path}: {what}: missing from its weights or of another shape: {shown}")


def _byte_levels(pre_tokenizer: Any) -> Iterator[Any]:
    from tokenizers.pre_tokenizers import ByteLevel, Sequence

    if isinstance(pre_tokenizer, ByteLevel):
        yield pre_tokenizer
    elif isinstance(pre_tokenizer, Sequence):
        for part in pre_tokenizer:  # type: ignore[attr-defined]
            yield from _byte_levels(part)


def _needs_prefix_space(tokenizer: Any) -> bool:
    return any(not part.add_prefix_space for part in _byte_levels(tokenizer.backend_tokenizer.pre_tokenizer))


def _add_prefix_space(pre_tokenizer: Any) -> None:
    # Tokenizer classes without an option of their own for it.
    for part in _byte_levels(pre_tokenizer):
        part.add_prefix_space = True
