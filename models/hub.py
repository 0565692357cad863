"""The Hugging Face hub: what its cache holds of a model, downloading one, and why the hub does not give one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from ..errors import RequestError

DEFAULT_REVISION = "main"
_TEXT_FILES = ("*.json", "*.txt", "*.model")
_WEIGHT_PATTERNS = ("model*.safetensors", "pytorch_model*.bin")  # pickles only where there are no safetensors
_TIMEOUT = 20  # seconds to wait for the hub's first answer
_log = logging.getLogger(__name__)


def cache_folder() -> str:
    """Return the folder of the Hugging Face cache."""
    from huggingface_hub import constants

    return constants.HF_HUB_CACHE


def cached_snapshots(hub_id: str, revision: str | None, asked: str) -> Iterator[Path]:
    """Yield the snapshots of a repository in the cache. Each is a folder with the name of its commit.

    A snapshot that lacks files is left out where the cache knows which files there are.

    Args:
        hub_id: the repository.
        revision: a branch, tag or commit hash; None for the default.
        asked: the model as the user named it, for the message of an error.

    Raises:
        RequestError: the hub id is not valid.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for weights in _WEIGHT_PATTERNS:
        try:
            # The hub's library compares the snapshot with the list of files that it would download, so that the
            # patterns must be those of `download`.
            yield Path(
                snapshot_download(
                    hub_id,
                    revision=revision,
                    local_files_only=True,
                    allow_patterns=[*_TEXT_FILES, weights],
                    ignore_patterns=["*/*"],
                )
            )
        except HFValidationError as error:
            raise RequestError(f"model {asked!r}: not a valid hub id ({error})") from error
        except LocalEntryNotFoundError:
            continue  # Nothing is cached, or only a part of it.


def download(hub_id: str, revision: str | None) -> Path:
    """Download a model, or what is missing of it in the cache, and return its snapshot.

    Args:
        hub_id: the repository.
        revision: a branch, tag or commit hash; None for the default.
    """
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(hub_id, revision=revision, timeout=_TIMEOUT)
    files = [file.rfilename for file in info.siblings or ()]
    pickled = not any(name.endswith(".safetensors") for name in files)
    _log.info("downloading %s%s from the Hugging Face hub", hub_id, f" at {revision}" if revision else "")
    # The revision is passed on as the user names it, and not as `info.sha`: the library then records which commit it
    # is, and finds the model again offline.
    return Path(
        snapshot_download(
            hub_id,
            revision=revision,
            allow_patterns=[*_TEXT_FILES, _WEIGHT_PATTERNS[pickled]],
            ignore_patterns=["*/*"],
        )
    )


def reason(error: BaseException, revision: str | None) -> str:
    """Explain in one sentence why the hub did not give a model.

    Args:
        error: what the hub's library raised.
        revision: the revision that was asked for; None for the default.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import RevisionNotFoundError

    status = http_status(error)
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    if status in (401, 403):
        return (
            f"HTTP {status}: the model is private or gated, or does not exist; accept its terms on its page, then log "
            "in with `hf auth login` or set HF_TOKEN"
        )
    if any(isinstance(cause, RevisionNotFoundError) for cause in _causes(error)):
        return f"HTTP {status}: the model has no revision {revision or DEFAULT_REVISION!r}; check its branches and tags"
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
