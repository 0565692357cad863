"""What a reader must know about a result before comparing it with another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..experiments.results import Result
from ..tasks.data import checksums
from ..tasks.recipe import RECIPES, load_recipes

_RECIPE_OWNER = "biolinkbert"  # the published recipes were chosen for BioLinkBERT
BORROWED_RECIPE = "recipe published for BioLinkBERT"


def marks_of(result: Result) -> Iterator[str]:
    """Yield the marks of one result."""
    yield from (f"limited: {limit}" for limit in result.limits)
    yield from result.departures
    if borrows_recipe(result):
        yield BORROWED_RECIPE
    if result.unofficial_splits:
        yield f"data not the benchmark's: {', '.join(result.unofficial_splits)}"
    yield from result.notes
    if result.intact is False:
        yield "its checksum does not fit: the result file was edited or damaged"


def borrows_recipe(result: Result) -> bool:
    """Return whether a model other than BioLinkBERT ran with the recipe that was published for BioLinkBERT.

    The recipe was chosen on that model's scores, so that it may favour it; PubMedBERT's own was a search over a grid.
    A model counts as BioLinkBERT if its hub id, folder or name says so.
    """
    names = f"{result.name} {result.model.get('source')}".lower()
    origins = {item.get("origin") for item in result.recipe.values()}
    published = (f"recipe {name} (published)" for name in RECIPES if load_recipes(name)["published"])
    return _RECIPE_OWNER not in names and any(origin in origins for origin in published)


def marks_of_row(results: Sequence[Result], odd_data: Mapping[str, set[str]]) -> list[str]:
    """Return the marks of a row of the leaderboard, each with the tasks for which it holds.

    Args:
        results: all results of the row.
        odd_data: task -> checksums of test data that differ from those of other rows (see `odd_test_data`).
    """
    tasks: dict[str, dict[str, None]] = defaultdict(dict)  # mark -> tasks, both in order of appearance
    for result in results:
        for mark in marks_of(result):
            tasks[mark][result.task] = None
        if test_data(result) in odd_data.get(result.task, ()):
            tasks["test data differ from other rows"][result.task] = None
    for task in dict.fromkeys(result.task for result in results):
        seeds = [result for result in results if result.task == task]
        for what, values in (("recipes", map(_recipe, seeds)), ("precision", (seed.precision for seed in seeds))):
            if len(set(values)) > 1:
                tasks[f"seeds with different {what}"][task] = None
    marks = [f"{mark} ({', '.join(where)})" for mark, where in tasks.items()]
    if len({result.model.get("weights_sha256") for result in results if result.recipe}) > 1:
        marks.append("runs of different pretrained weights under one name")
    return marks


def odd_test_data(results: Iterable[Result]) -> dict[str, set[str]]:
    """Return, for tasks whose results have different test data, the checksums that are not the canonical one."""
    seen: dict[str, set[str]] = defaultdict(set)
    for result in results:
        seen[result.task].add(test_data(result))
    return {task: found - {checksums().get(task, {}).get("test")} for task, found in seen.items() if len(found) > 1}


def test_data(result: Result) -> str:
    """Return the checksum of the test data of a result."""
    return str((result.data.get("test") or {}).get("sha256"))


def _recipe(result: Result) -> str:
    return str(sorted(((key, item.get("value")) for key, item in result.recipe.items()), key=str))
