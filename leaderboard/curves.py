"""Training curves, from the logs in run folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..experiments.results import Result
from ..experiments.training_log import read_training_log

_POINTS = 200  # points of a curve; more cannot be seen


def losses(log: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return (update, mean loss) from the records of a training log, averaged over neighbours to at most 200 points."""
    points = [
        (float(record["step"]), float(record["loss"]))
        for record in log
        if isinstance(record.get("step"), int) and isinstance(record.get("loss"), int | float)
    ]
    size = -(-len(points) // _POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]


def curve_plot(results: Sequence[Result], file_format: str) -> bytes | None:
    """Draw the training losses of several runs, or return None if none of them has its log.

    Args:
        results: the runs.
        file_format: `svg` or `png`.
    """
    curves = [(result, losses(read_training_log(Path(result.run_dir)))) for result in results if result.run_dir]
    return draw_curves([(f"{r.name} seed {r.seed}", points) for r, points in curves if points], file_format)


def draw_curves(curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], file_format: str) -> bytes | None:
    """Draw named curves of (update, loss), or return None without any.

    Args:
        curves: (name, points).
        file_format: `svg` or `png`.
    """
    if not curves:
        return None
    from matplotlib.figure import Figure

    from .plots import CURVES, MUTED, saved, style

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, points) in enumerate(curves):
        colour, line = CURVES[place % len(CURVES)], ("-", "--", ":")[place // len(CURVES) % 3]
        axes.plot(*zip(*points, strict=True), line, color=colour, linewidth=1.2, label=name)
    axes.set_xlabel("update", color=MUTED, fontsize=7)
    axes.set_ylabel("training loss", color=MUTED, fontsize=7)
    style(axes)
    axes.legend(fontsize=6, frameon=False, labelcolor=MUTED)
    return saved(figure, file_format)
