"""A result in a few lines, beside the published scores of its task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..tasks.task import SUITES
from .console import print_table, print_text

if TYPE_CHECKING:
    from ..experiments.results import Result


def print_results(results: list[Result]) -> None:
    """Print results of one task with their marks and, for test, the published scores."""
    from ..leaderboard.published import select_published

    first = results[0]
    beside_dev = first.split == "test"
    rows = [
        (result.name or "(these predictions)", _seed(result), *[_dev(result)] * beside_dev, f"{result.score:.2f}")
        for result in results
    ]
    if beside_dev:
        for row in select_published(None):
            if first.task in row.scores:
                rows.append((row.model, "published", "", f"{row.scores[first.task]:.2f}"))
    columns = ("model", "seed", *["dev"] * beside_dev, first.split)
    print_table(columns, rows, title=f"{first.task} ({first.metric})")
    for result in results:
        for line in remarks(result):
            print_text(line)


def departure_line(suite: str, departure: str) -> str:
    """Return the line that tells a departure. Only the tasks of the benchmark have a published recipe."""
    return f"departs from the {'published recipe' if suite in SUITES else 'recipe'}: {departure}"


def remarks(result: Result) -> Iterator[str]:
    """Yield departures, notes, what was cut, and the path of the result."""
    from ..leaderboard.marks import BORROWED_RECIPE, borrows_recipe, shared_line, unbeaten_baseline

    yield from (f"limited, so it is not ranked: {item}" for item in result.limits)
    yield from (departure_line(result.suite, item) for item in result.departures)
    if borrows_recipe(result):
        yield f"note: {BORROWED_RECIPE}"
    yield from (f"note: {item}" for item in result.notes)
    yield from (f"note: {line}" for line in (shared_line(result), unbeaten_baseline(result)) if line)
    yield from _cut(result)
    if result.unofficial_splits:
        yield f"the data are not the benchmark's: {', '.join(result.unofficial_splits)}"
    if result.stored_score is not None:
        same = "the same" if result.stored_score == result.score else f"not this one: {result.stored_score:.4f}"
        yield f"the stored score is {same}"
    if result.result_file:
        yield f"result {result.result_file}"
        if result.run_dir:
            yield f"model  {result.run_dir}"


def _cut(result: Result) -> Iterator[str]:
    for split, counts in result.truncation.items():
        if counts["examples_cut"]:
            masks = f", {counts['masks_lost']} lost an entity mask" if counts["masks_lost"] else ""
            yield f"{split}: {counts['examples_cut']} of {counts['examples']} examples were cut{masks}"
        if counts["gold_labels_lost"]:
            yield f"{split}: {counts['gold_labels_lost']} labelled words give no piece and count as misses"


def _seed(result: Result) -> str:
    return "" if result.seed is None else str(result.seed)


def _dev(result: Result) -> str:
    return "" if result.dev is None else f"{result.dev['score']:.2f}"
