"""Checks of the Hugging Face cache, of the presets in it, and of the hub."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from ..errors import RequestError
from ..files import require_writable
from ..models.hub import http_status
from ..models.presets import PRESETS
from ..models.sources import find_model
from .doctor_finding import Finding, first_line, problem_of
from .doctor_folders import size_text

_SECONDS = 5.0  # how long to wait for the hub's answer
_ASKED_FOR = "michiyasunaga/BioLinkBERT-base"  # a public model, whose description is asked for
_COPY = "copy the Hugging Face cache of a machine that has a network"


def hub_cache() -> Path:
    """Return the folder of models that were downloaded from the hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def check_hub_cache() -> Finding:
    """Check that the Hugging Face cache can be written, and measure its size."""
    folder = hub_cache()
    try:
        require_writable(folder, "the Hugging Face cache", create=False)
    except RequestError as error:
        found = problem_of("cache", "hugging face", error).found
        remedy = "Set HF_HOME to a folder that you can write to, if you want to download models."
        return Finding("cache", "hugging face", "note", found, remedy)
    return Finding("cache", "hugging face", "ok", f"{size_text(folder)} in {folder}")


def check_presets() -> Finding:
    """Check which presets are complete on this machine."""
    here = [name for name in models_here() if name in PRESETS]
    absent = [name for name in PRESETS if name not in here]
    found = f"complete: {', '.join(here) or 'none'}" + (f"; not here: {', '.join(absent)}" if absent else "")
    if here:
        return Finding("cache", "presets", "ok", found)
    remedy = f"Let the first run download its model or, without a network, {_COPY}."
    return Finding("cache", "presets", "note", found, remedy)


def models_here() -> list[str]:
    """Return the presets and the hub ids of which this machine has a complete copy."""
    # A model is cached in the folder `models--OWNER--NAME`.
    cached = sorted(hub_cache().glob("models--*"))
    hub_ids = [folder.name.removeprefix("models--").replace("--", "/") for folder in cached]
    of_presets = {preset.hub_id for preset in PRESETS.values()}
    return [name for name in (*PRESETS, *hub_ids) if name not in of_presets and _is_here(name)]


def _is_here(name: str) -> bool:
    with suppress(RequestError):
        return find_model(name, download=False) is not None
    return False


def check_hub(*, offline: bool) -> Finding:
    """Check that the hub answers within a few seconds.

    Args:
        offline: do not ask the hub.
    """
    from huggingface_hub import constants

    if offline:
        return Finding("hub", "reachable", "note", "not asked (--offline)")
    if constants.HF_HUB_OFFLINE:
        return _unreachable("not asked, because HF_HUB_OFFLINE is set", f"Unset HF_HUB_OFFLINE, or {_COPY}.")
    host = urlsplit(constants.ENDPOINT).netloc.rpartition("@")[2]  # without a user's name and password
    error = _ask_hub(_SECONDS)
    if error is None:
        return Finding("hub", "reachable", "ok", f"{host} answers")
    status = http_status(error)
    if status in (401, 403):
        remedy = "Log in again with `hf auth login`, or unset HF_TOKEN, because this model is public."
        return _unreachable(f"{host} refuses to describe {_ASKED_FOR} (HTTP {status})", remedy)
    if status is not None and status < 500:
        return _unreachable(f"{host} has no {_ASKED_FOR} (HTTP {status})", "Check HF_ENDPOINT, or unset it.")
    if status is not None:
        return _unreachable(f"{host} has a problem (HTTP {status})", f"Try again later, or {_COPY}.")
    late = any("timeout" in type(item).__name__.lower() for item in (error, error.__cause__, error.__context__))
    reason = (
        f"no answer from {host} within {_SECONDS:g} seconds"
        if late
        else f"{host or 'HF_ENDPOINT'}: {first_line(error).rstrip('.')}"
    )
    return _unreachable(reason, f"Check the network, HTTPS_PROXY and HF_ENDPOINT, or {_COPY}.")


def _unreachable(found: str, remedy: str) -> Finding:
    """Return a note if there is a model on this machine, and a problem if there is none and none can be downloaded."""
    here = models_here()
    if not here:
        return Finding("hub", "reachable", "problem", f"{found}; no model is on this machine", remedy)
    return Finding("hub", "reachable", "note", f"{found}; runs of {', '.join(here)} need no hub", remedy)


def _ask_hub(seconds: float) -> Exception | None:
    """Ask the hub to describe a public model, and return None if it does, else the error."""
    from huggingface_hub import HfApi

    answers: SimpleQueue[Exception | None] = SimpleQueue()

    def ask() -> None:
        try:
            HfApi().model_info(_ASKED_FOR, timeout=seconds)
        except Exception as error:
            # The hub's HTTP library raises errors of many types. The caller reports the reason.
            answers.put(error)
        else:
            answers.put(None)

    # The timeout of a request covers neither the look-up of the host's name nor an answer that comes byte by byte. A
    # thread can be left behind, and ends with the process.
    Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        return TimeoutError()
