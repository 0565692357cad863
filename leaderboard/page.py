"""The leaderboard as one self-contained web page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from .._version import __version__
from ..escaping import visible
from ..experiments.paths import RunPaths
from ..experiments.reproduction import command_of
from ..experiments.results import Result
from ..tasks.recipe import RECIPES, load_recipes
from ..tasks.task import BLURB_TYPES, Task
from .board import Board
from .comparison import compare_rows
from .comparison_formats import short_verdict, titled
from .curves import curve_plot
from .layout import (
    RANK_NOTE,
    TYPE_TITLES,
    Column,
    failed_lines,
    interval,
    name_text,
    notes,
    number,
    rank_text,
    runs_text,
    score_text,
    source_text,
    title_of,
)
from .plots import column_plot, themed
from .published import published_rows
from .rows import Row

# The pair of rows that the page compares at first: what this project exists for.
_FIRST_SHOWN = (("biolinkbert-base@indus", "pubmedbert-base@indus"),)
_DIGITS = 4  # of the numbers in the comparisons that the page carries


def to_html(board: Board, output: Path | None = None) -> str:
    """Return the board as one HTML file without any reference to the network.

    Everything that the page shows is in it: pictures, the comparison of any two rows, scripts and styles. Only links to
    result files lead out of it, and only for those who follow them.

    Args:
        board: the leaderboard.
        output: where the page will lie; links to result files are relative to it. None leaves the links out.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("linkbert.leaderboard", "assets"), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # The order of datasets means something.
    shown = [Column("blurb", "blurb", "BLURB"), *(Column("type", kind, TYPE_TITLES[kind]) for kind in BLURB_TYPES)]
    shown += [Column("task", name, title_of(name)) for name in board.tasks]
    shown = [column for column in shown if any(column.cell(row) for row in board.rows)]
    numbers = notes(board)
    return environment.get_template("page.html").render(
        version=__version__,
        style=_asset("page.css"),
        script=_asset("page.js"),
        columns=shown,
        rows=[_row(row, shown, numbers, output, board) for row in board.rows],
        sources=list(dict.fromkeys(source_text(row) for row in board.rows)),
        panels=[panel for column in shown if column.kind == "task" and (panel := _panel(column, board))],
        comparisons=_comparisons(board),
        notes=[(value, visible(mark)) for mark, value in numbers.items()],
        rank_note=RANK_NOTE,
        failed=failed_lines(board),
        publications=list({row.publication.name: row.publication for row in published_rows()}.values()),
    )


@cache
def _asset(name: str) -> str:
    return resources.files("linkbert.leaderboard").joinpath("assets", name).read_text(encoding="utf-8")


def _row(
    row: Row, shown: Sequence[Column], numbers: dict[str, int], output: Path | None, board: Board
) -> dict[str, Any]:
    """Return what the ranking shows of one row."""
    cells = []
    for column in shown:
        cell = column.cell(row)
        cells.append(
            {
                "text": score_text(column, row),
                "ci": interval(cell.ci) if cell else "",
                "std": "" if cell is None or cell.std is None else f"±{cell.std:.2f}",
                "value": None if cell is None else cell.mean,
            }
        )
    return {
        "key": row.key,
        "name": visible(name_text(row)),
        "source": source_text(row),
        "rank": rank_text(row),
        "has_rank": row.rank is not None,
        "order": row.rank[0] if row.rank else 10**6,
        "runs": runs_text(row),
        "marks": sorted({numbers[" ".join(mark.splitlines())] for mark in row.marks}),
        "cells": cells,
        "cite": row.publication.title if row.publication else "",
        "recipe": row.publication.recipe if row.publication else "",
        "commands": [(visible(command_of(result)), _link(result, board, output)) for result in row.results],
    }


def _link(result: Result, board: Board, output: Path | None) -> str | None:
    """Return the way from the page to a result file, or None if the page lies nowhere."""
    if output is None:
        return None
    file = RunPaths(result.task, result.name, result.seed, board.folder, board.folder).result_file
    return Path(os.path.relpath(file.resolve(), output.resolve().parent)).as_posix()


def _panel(column: Column, board: Board) -> dict[str, Any] | None:
    """Return what the panel of one dataset shows."""
    rows = [row for row in board.rows if column.cell(row)]
    task = board.task(column.name)
    runs = [result for row in rows for result in row.results if result.task == column.name]
    curve = curve_plot(runs, "svg")
    return {
        "name": column.name,
        "title": task.title,
        "facts": list(_facts(task)),
        "plot": themed(column_plot(column, rows, "svg"), f"plot-{column.name}", f"Scores on {column.name}"),
        "recipes": list(_recipes(task)),
        "runs": [_run(result) for result in runs],
        "classes": _classes(runs),
        "curve": themed(curve, f"curve-{column.name}", f"Training losses on {column.name}") if curve else "",
    }


def _facts(task: Task) -> Iterator[tuple[str, str]]:
    yield "family", task.family.name
    yield "score", f"{task.metric} x100"
    if task.official:
        yield "size", ", ".join(f"{split} {count}" for split, count in task.official.items()) + f" ({task.unit})"
    yield "access", task.access


def _recipes(task: Task) -> Iterator[tuple[str, str]]:
    """Yield (name of the recipe, its settings for a task in words)."""
    for recipe in RECIPES:
        content = load_recipes(recipe)
        settings: Mapping[str, Any] = {**content.get("defaults", {}), **content.get(task.recipe_section, {})}
        yield (
            recipe,
            ", ".join(
                f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                for key, value in settings.items()
                if not isinstance(value, dict)
            ),
        )


def _run(result: Result) -> dict[str, str]:
    dev = (result.dev or {}).get("score")
    return {
        "model": visible(result.name),
        "seed": "" if result.seed is None else str(result.seed),
        "dev": number(dev),
        "test": number(result.score),
        "device": visible(result.device),
        "seconds": number((result.cost.get("train") or {}).get("seconds")),
    }


def _classes(runs: Sequence[Result]) -> list[list[str]]:
    """Return (model, class, F1, precision, recall) as means over seeds, where a metric has classes."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for result in runs:
        for name, value in result.metrics.items():
            measure, _, label = name.partition("/")
            if label:
                found.setdefault((result.name, label), {}).setdefault(measure, []).append(value)
    return [
        [
            visible(model),
            visible(label),
            *(number(sum(values) / len(values)) if (values := measures.get(m)) else "" for m in _MEASURES),
        ]
        for (model, label), measures in found.items()
    ]


_MEASURES = ("f1", "precision", "recall")


def _comparisons(board: Board) -> dict[str, Any]:
    """Return the differences between any two rows, in a compact form for the script of the page.

    Returns:
        `rows`: names; `start`: the two rows that are compared at first; `verdicts`; `titles` by name of a
        line; `pairs`: "i,j" -> (method, {name: [difference, low, high, p, corrected p, detectable, index of the
        verdict]}), for i < j.
    """
    rows = [row for row in board.rows if row.tasks]
    pairs = [(i, j) for i in range(len(rows)) for j in range(i + 1, len(rows))]
    verdicts: dict[str, int] = {}
    methods: dict[str, int] = {}
    titles: dict[str, str] = {}
    found: dict[str, Any] = {}
    compared = compare_rows([(rows[i], rows[j]) for i, j in pairs], board.uncertainty)
    for (i, j), comparison in zip(pairs, compared, strict=True):
        lines = {}
        for name, title, difference in titled(comparison):
            titles[name] = title
            low, high = difference.ci or (None, None)
            values = (difference.difference, low, high, difference.p, difference.p_corrected, difference.detectable)
            verdict = verdicts.setdefault(short_verdict(difference.verdict), len(verdicts))
            lines[name] = [*(None if value is None else round(value, _DIGITS) for value in values), verdict]
        if lines:
            found[f"{i},{j}"] = [methods.setdefault(comparison.method, len(methods)), lines]
    keys = [row.key for row in rows]
    start = next(([keys.index(name) for name in pair] for pair in _FIRST_SHOWN if set(pair) <= set(keys)), [0, 1])
    names = [f"{visible(name_text(row))} ({source_text(row)})" for row in rows]
    return {
        "rows": names,
        "start": start,
        "verdicts": list(verdicts),
        "methods": list(methods),
        "titles": titles,
        "pairs": found,
    }
