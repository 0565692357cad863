"""Pretrained models that users can select by a short name, read from `presets.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Preset:
    """A pretrained model with a short name.

    Attributes:
        name: the short name; users type it after `--model`, and run folders have this name.
        hub_id: repository of the model on the Hugging Face hub, or None if a Python package contains the weights.
        size: number of parameters as text, e.g. `110M`.
        licence: SPDX identifier or the words of the model's page; `not stated` where the page states none.
        about: the text of pretraining in a few words, shown by `linkbert models`.
        cite: authors and year; `not stated` where the page names no paper.
        published: names (`model@publication`) of the rows in `leaderboard/published.toml` with scores of this model.
        note: what a user must know of the model, or None.
        sources: addresses at which these facts were read.
    """

    name: str
    hub_id: str | None
    size: str
    licence: str
    about: str
    cite: str
    published: tuple[str, ...]
    note: str | None
    sources: tuple[str, ...]


def _read_presets() -> dict[str, Preset]:
    content = tomllib.loads(Path(__file__).with_name("presets.toml").read_text(encoding="utf-8"))
    return {name: _preset(name, **entry) for name, entry in content.items()}


def _preset(
    name: str,
    *,
    size: str,
    licence: str,
    about: str,
    cite: str,
    sources: list[str],
    hub_id: str | None = None,
    published: list[str] | None = None,
    note: str | None = None,
) -> Preset:
    # Keywords, so that a missing or mistyped key of the file is an error when the package is imported.
    return Preset(name, hub_id, size, licence, about, cite, tuple(published or ()), note, tuple(sources))


PRESETS = _read_presets()
