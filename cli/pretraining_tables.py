"""What the commands print of a pretraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .console import print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..pretraining.inspection import InspectedPretraining


def print_scores(record: Mapping[str, Any]) -> None:
    """Print the scores on held-out pairs, before and after.

    Args:
        record: what `pretraining.json` says.
    """
    scores = record["held_out"]
    rows = [
        (name.replace("_", " "), f"{scores['before'][name]:.2f}", f"{scores['after'][name]:.2f}")
        for name in scores["after"]
    ]
    print_table((f"{scores['pairs']} held-out pairs", "before", "after"), rows)


def print_settings(run: InspectedPretraining) -> None:
    """Print the corpus, the pairs, and the settings of a pretraining."""
    record = run.record
    corpus = record["corpus"]
    rows = [
        ("model", record["model"]),
        ("corpus", f"{corpus['source']}, {corpus['documents']} documents"),
        ("links", f"{corpus['links']} ({corpus['link_kind']})"),
        ("pairs", ", ".join(f"{name} {share:.3g}" for name, share in record["relations"].items() if share)),
        ("updates", record["steps"]),
        *((key, value) for key, value in record["recipe"].items() if key != "epochs"),
    ]
    print_table(("setting", "value"), [(key, str(value)) for key, value in rows])


def print_evaluations(run: InspectedPretraining) -> None:
    """Print how the scores on held-out pairs grew, and what the run took."""
    names = ("word_accuracy", "unseen_word_accuracy", "relation_accuracy")
    rows = [(str(updates), *(f"{scores[name]:.2f}" for name in names)) for updates, scores in run.evaluations()]
    if rows:
        print_table(("updates", *(name.replace("_", " ") for name in names)), rows)
        print_text("")
    print_scores(run.record)
    cost = run.record["cost"]
    print_text(
        f"{cost['seconds'] / 60:.1f} minutes, {cost['tokens_per_second']:.0f} tokens a second, peak memory "
        f"{cost['peak_memory_mb']:.0f} MB, {run.record['device']}, {run.record['precision']}"
    )
