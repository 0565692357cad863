"""`linkbert models`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RequestError, nearest
from ..models.presets import PRESETS, Preset
from . import options
from .console import print_json, print_table, print_text, set_up_logging

if TYPE_CHECKING:
    from ..leaderboard.published import PublishedRow


def command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show all that is known of this model.")] = None,
    published: Annotated[
        bool, typer.Option("--published", help="List the published rows instead, with their sources.")
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """List the models that have a short name, or show one. Any hub id or local folder works as well.

    Example: linkbert models biobert
    """
    set_up_logging(quiet=quiet)
    if name is not None and name not in PRESETS:
        raise RequestError(f"no model has the short name {name!r}; {nearest(name, PRESETS)}")
    chosen = [PRESETS[name]] if name else list(PRESETS.values())
    if published:
        _show_published(_rows_of(chosen) if name else _all_rows(), json)
    elif json:
        print_json([asdict(preset) for preset in chosen])
    elif name:
        _show_preset(chosen[0])
    else:
        _show_list(chosen)


def _all_rows() -> Sequence[PublishedRow]:
    from ..leaderboard.published import published_rows

    return published_rows()


def _rows_of(presets: Iterable[Preset]) -> list[PublishedRow]:
    """Return the published rows of some presets, in the order in which the presets name them."""
    rows = {row.name: row for row in _all_rows()}
    return [rows[name] for preset in presets for name in preset.published]


def _show_list(presets: Sequence[Preset]) -> None:
    print_table(
        ("model", "size", "licence", "BLURB", "pretrained on"),
        [(item.name, item.size, item.licence, _score_range(_rows_of([item])), item.about) for item in presets],
    )
    print_text(
        "\nBLURB is the score as published: the lowest and the highest where publications differ.\n"
        "`linkbert models NAME` shows each score with its source, the hub id, and whom to cite.\n"
        "Any hub id (--model owner/name) or local folder (--model ./folder) works as well."
    )


def _score_range(rows: Iterable[PublishedRow]) -> str:
    """Return the lowest and the highest BLURB score of some rows as printed, one number if they are equal."""
    # `printed_text` has the deviation after the number.
    printed = sorted((row.printed, row.printed_text.split()[0]) for row in rows if row.printed is not None)
    return "–".join(dict.fromkeys(text for _, text in printed[:1] + printed[-1:]))


def _show_preset(preset: Preset) -> None:
    values = {
        "name": preset.name,
        "hub id": preset.hub_id or "none (the weights are in a Python package)",
        "size": f"{preset.size} parameters",
        "licence": preset.licence,
        "pretrained on": preset.about,
        "cite": preset.cite,
        "note": preset.note or "none",
        "facts from": "\n".join(preset.sources),
    }
    for key, value in values.items():
        print_text(f"{key:<14} " + value.replace("\n", "\n" + " " * 15))
    rows = _rows_of([preset])
    print_text("\nNo scores of this model are among the published rows." if not rows else "")
    if rows:
        print_table(
            ("published row", "BLURB", "datasets", "about"),
            [(row.name, row.printed_text, str(len(row.scores)), row.about) for row in rows],
        )


def _show_published(rows: Sequence[PublishedRow], json: bool) -> None:
    if json:
        print_json([row.to_json() for row in rows])
        return
    headers = ("name", "runs", "datasets", "BLURB as printed", "about")
    print_table(headers, [(row.name, row.runs_text, str(len(row.scores)), row.printed_text, row.about) for row in rows])
    print_text("")
    for paper in {row.publication.name: row.publication for row in rows}.values():
        print_text(f"{paper.name}: {paper.title}. Recipe: {paper.recipe}.")
