"""A result in a few lines, beside the published scores of its task."""

from __future__ import annotations

from typing import Any

from .console import print_table, print_text


def print_results(results: list[dict[str, Any]]) -> None:
    """Print results of one task with the published scores, and what a reader must know of them."""
    from ..benchmarks.leaderboard import published_scores

    first = results[0]
    rows = [
        (result["model"]["name"] or "(these predictions)", _seed(result), _dev(result), f"{result['score']:.2f}")
        for result in results
    ]
    for model, entry in published_scores().items():
        if first["task"] in entry["scores"]:
            rows.append((model, "published", "", f"{entry['scores'][first['task']]:.2f}"))
    print_table(("model", "seed", "dev", first["split"]), rows, title=f"{first['task']} ({first['metric']})")
    for result in results:
        for line in remarks(result):
            print_text(line)


def remarks(result: dict[str, Any]) -> list[str]:
    """Departures, notes, what was cut, and where the result lies."""
    from ..benchmarks.results import limits_of

    lines = [f"limited, so it is not ranked: {item}" for item in limits_of(result)]
    lines += [f"departs from the published recipe: {item}" for item in result["departures"]]
    lines += [f"note: {item}" for item in result["notes"]]
    lines += _cut(result)
    unofficial = [split for split, item in result["data"].items() if not item["official"]]
    if unofficial:
        lines.append(f"the data are not the benchmark's: {', '.join(unofficial)}")
    if "stored_score" in result:
        same = (
            "the same" if result["stored_score"] == result["score"] else f"not this one: {result['stored_score']:.4f}"
        )
        lines.append(f"the stored score is {same}")
    if result["result_file"]:
        lines.append(f"result {result['result_file']}")
    return lines


def _cut(result: dict[str, Any]) -> list[str]:
    lines = []
    for split, counts in result["truncation"].items():
        if counts["examples_cut"]:
            masks = f", {counts['masks_lost']} lost an entity mask" if counts["masks_lost"] else ""
            lines.append(f"{split}: {counts['examples_cut']} of {counts['examples']} examples were cut{masks}")
        if counts["gold_labels_lost"]:
            lines.append(f"{split}: {counts['gold_labels_lost']} labelled words give no piece and count as misses")
    return lines


def _seed(result: dict[str, Any]) -> str:
    return "" if result["seed"] is None else str(result["seed"])


def _dev(result: dict[str, Any]) -> str:
    return "" if result["dev"] is None else f"{result['dev']['score']:.2f}"
