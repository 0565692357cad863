"""`linkbert models`."""

from __future__ import annotations

from dataclasses import asdict

from ..models.presets import PRESETS
from . import options
from .console import print_json, print_table, print_text, set_up_logging


def command(quiet: options.Quiet = False, json: options.Json = False) -> None:
    """List the models that have a short name. Any hub id or local folder works as well."""
    set_up_logging(quiet=quiet)
    if json:
        print_json([asdict(preset) for preset in PRESETS.values()])
        return
    print_table(
        ("model", "hub id", "size", "about"),
        [(item.name, item.hub_id or "(a Python package)", item.size, item.about) for item in PRESETS.values()],
    )
    print_text("\nAny hub id (--model owner/name) or local folder (--model ./folder) works as well.")
