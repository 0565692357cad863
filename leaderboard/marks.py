"""What a reader must know about a result before comparing it with another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..experiments.results import Result
from ..metrics.baselines import Baseline
from ..tasks.corpus_facts import corpus_facts
from ..tasks.data import checksums
from ..tasks.recipe import RECIPES, load_recipes

_RECIPE_OWNER = "biolinkbert"  # the published recipes were chosen for BioLinkBERT
BORROWED_RECIPE = "recipe published for BioLinkBERT"
_FEW_SEEDS = 3  # fewer runs say little about other seeds; the replication of PROTOCOL has ten


def marks_of(result: Result) -> Iterator[str]:
    """Yield the marks of one result."""
    yield from (f"limited: {limit}" for limit in result.limits)
    yield from result.departures
    if borrows_recipe(result):
        yield BORROWED_RECIPE
    if result.unofficial_splits:
        yield f"data not the benchmark's: {', '.join(result.unofficial_splits)}"
    yield from result.notes
    yield from facts_of(result)
    if result.intact is False:
        yield "its checksum does not fit: the result file was edited or damaged"


def facts_of(result: Result) -> Iterator[str]:
    """Yield remarks about the test data: examples that were cut, texts that are also in train, a trivial baseline."""
    counts = result.truncation.get("test") or {}
    if counts.get("examples_cut"):
        masks = f", {counts['masks_lost']} lost an entity mask" if counts.get("masks_lost") else ""
        yield f"{counts['examples_cut']} of {counts['examples']} test examples were cut{masks}"
    if shared := shared_line(result):
        yield shared
    if beaten_by := unbeaten_baseline(result):
        yield beaten_by


def shared_line(result: Result) -> str | None:
    """Return a remark if test examples have texts that are also in train, as far as that is known; else None."""
    count = result.shared_with_train
    if count is None:  # A result of an early version: the count is known for the canonical files.
        facts = corpus_facts(result.task, (result.data.get("test") or {}).get("sha256"))
        train = (result.data.get("train") or {}).get("sha256")
        canonical = train == checksums().get(result.task, {}).get("train")
        count = facts.shared_with_train if facts is not None and canonical else None
    if not count:
        return None
    return f"{'1 test example has' if count == 1 else f'{count} test examples have'} a text that is also in train"


def unbeaten_baseline(result: Result) -> str | None:
    """Return a warning if a result is not above what a constant prediction scores, or None."""
    facts = corpus_facts(result.task, (result.data.get("test") or {}).get("sha256"))
    known = Baseline(**result.baseline) if result.baseline else facts.baseline if facts else None
    if known is None or result.score > known.score:
        return None
    return f"does not beat the trivial baseline: {known.name} scores {known.score:.2f}"


def borrows_recipe(result: Result) -> bool:
    """Return whether a model other than BioLinkBERT ran with the recipe that was published for BioLinkBERT.

    The recipe was chosen on that model's scores, so that it may favour it; PubMedBERT's own was a search over a grid.
    A model counts as BioLinkBERT if its hub id, folder or name says so.
    """
    names = f"{result.name} {result.model.get('source')}".lower()
    origins = {item.get("origin") for item in result.recipe.values()}
    published = (f"recipe {name} (published)" for name in RECIPES if load_recipes(name)["published"])
    return _RECIPE_OWNER not in names and any(origin in origins for origin in published)


def marks_of_row(results: Sequence[Result]) -> list[str]:
    """Return the marks of a row of the leaderboard, each with the tasks for which it holds."""
    tasks: dict[str, dict[str, None]] = defaultdict(dict)  # mark -> tasks, both in order of appearance
    for result in results:
        for mark in marks_of(result):
            tasks[mark][result.task] = None
    for task in dict.fromkeys(result.task for result in results):
        seeds = [result for result in results if result.task == task]
        if len(seeds) < _FEW_SEEDS:
            tasks[f"fewer than {_FEW_SEEDS} seeds"][task] = None
        known = [result.predictions_sha256 for result in seeds if result.predictions_sha256]
        if len(set(known)) < len(known):
            tasks["equal predictions under several seeds"][task] = None
        for what, values in (("recipes", map(_recipe, seeds)), ("precision", (seed.precision for seed in seeds))):
            if len(set(values)) > 1:
                tasks[f"seeds with different {what}"][task] = None
    marks = [f"{mark} ({', '.join(where)})" for mark, where in tasks.items()]
    if len({result.model.get("weights_sha256") for result in results if result.recipe}) > 1:
        marks.append("runs of different pretrained weights under one name")
    return marks


def _recipe(result: Result) -> str:
    return str(sorted(((key, item.get("value")) for key, item in result.recipe.items()), key=str))
