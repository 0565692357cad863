"""`linkbert models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..models.presets import PRESETS
from . import options
from .console import print_json, print_table, print_text, set_up_logging


def command(
    published: Annotated[
        bool, typer.Option("--published", help="List the published rows instead, with their sources.")
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """List the models that have a short name. Any hub id or local folder works as well."""
    set_up_logging(quiet=quiet)
    if published:
        _show_published(json)
        return
    if json:
        print_json([asdict(preset) for preset in PRESETS.values()])
        return
    print_table(
        ("model", "hub id", "size", "about"),
        [(item.name, item.hub_id or "(a Python package)", item.size, item.about) for item in PRESETS.values()],
    )
    print_text("\nAny hub id (--model owner/name) or local folder (--model ./folder) works as well.")


def _show_published(json: bool) -> None:
    from ..leaderboard.published import published_rows

    rows = published_rows()
    if json:
        print_json([row.to_json() for row in rows])
        return
    headers = ("name", "runs", "datasets", "BLURB as printed", "about")
    print_table(headers, [(row.name, row.runs_text, str(len(row.scores)), row.printed_text, row.about) for row in rows])
    print_text("")
    for paper in {row.publication.name: row.publication for row in rows}.values():
        print_text(f"{paper.name}: {paper.title}. Recipe: {paper.recipe}.")
