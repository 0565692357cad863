"""`linkbert show` and `linkbert diff`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError
from ..experiments.options import RunOptions
from ..files import write_output
from . import options
from .console import print_json, print_remark, print_table, print_text, set_up_logging
from .pretraining_tables import print_evaluations, print_settings
from .summary import remarks

if TYPE_CHECKING:
    from ..experiments.inspection import InspectedRun
    from ..experiments.run_difference import Flip
    from ..pretraining.inspection import InspectedPretraining

_WORST = 10  # mistakes, or flipped examples, that are shown
_CURVE = (80, 16)  # characters of a loss curve, and its lines
_LONGEST = 80  # characters of a prediction

Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders, or result files.")]
TaskFile = Annotated[
    str | None, typer.Option("--task", metavar="TASK_FILE", help="The task file of your own data, for the texts.")
]
Count = Annotated[int, typer.Option("--errors", min=0, metavar="N", help="How many examples to show.")]


def show(
    runs: Runs,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw the losses of the runs into a .png or .svg file."),
    ] = None,
    errors: Count = _WORST,
    task: TaskFile = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Show a run: settings, losses, scores per class, confusions, and its worst mistakes; or a pretraining.

    Example: linkbert show runs/gad/minilm/seed-42
    """
    set_up_logging(quiet=quiet)
    from ..experiments.inspection import inspect_run
    from ..pretraining.inspection import InspectedPretraining, inspect_pretraining, is_pretraining

    found = [inspect_pretraining(run) if is_pretraining(run) else inspect_run(run, results_dir, task) for run in runs]
    if plot is not None:
        _plot(found, plot)
    if json:
        documents = [run.to_json() for run in found]
        print_json(documents if len(documents) > 1 else documents[0])
    elif plot is None:
        for number, run in enumerate(found):
            print_text("" if number else f"{run.name}")
            if isinstance(run, InspectedPretraining):
                _show_pretraining(run)
            else:
                _show(run, errors, data_dir)


def _plot(runs: Sequence[InspectedRun | InspectedPretraining], file: Path) -> None:
    from ..leaderboard.curves import draw_curves, losses

    file_format = file.suffix.removeprefix(".")
    if file_format not in ("png", "svg"):
        raise RequestError(f"--plot {file}: expected a name that ends in .png or .svg")
    curves = [(run.name, losses(run.log)) for run in runs]
    picture = draw_curves([(name, points) for name, points in curves if points], file_format)
    if picture is None:
        raise RequestError("none of these runs has its training log, so that there is nothing to draw")
    write_output(file, picture, "--plot")


def _show(run: InspectedRun, errors: int, data_dir: Path) -> None:
    result = run.result
    print_table(
        ("setting", "value", "from"),
        [(key, str(item.get("value")), str(item.get("origin"))) for key, item in result.recipe.items()],
    )
    _show_curve(run)
    dev = result.dev or {}
    scores: list[tuple[str, ...]] = [
        (name, _number((dev.get("metrics") or {}).get(name)), _number(value)) for name, value in result.metrics.items()
    ]
    print_text("")
    print_table(("score", "dev", "test"), scores)
    _show_confusion(run)
    print_text("")
    for line in [*remarks(result), *run.missing]:
        print_text(line)
    if errors and run.rows:
        _show_mistakes(run, errors, data_dir)


def _show_pretraining(run: InspectedPretraining) -> None:
    print_settings(run)
    _show_curve(run)
    print_text("")
    print_evaluations(run)


def _show_curve(run: InspectedRun | InspectedPretraining) -> None:
    import plotext

    from ..leaderboard.curves import losses

    points = losses(run.log)
    if not points:
        return
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(*_CURVE)
    plotext.plot([step for step, _ in points], [loss for _, loss in points])
    plotext.title("training loss by update")
    print_text("\n" + plotext.uncolorize(plotext.build()))


def _show_confusion(run: InspectedRun) -> None:
    table = run.confusion()
    if table is None:
        return
    print_text("")
    print_table(
        ("gold \\ predicted", *table),
        [(gold, *(str(count) for count in row.values())) for gold, row in table.items()],
    )


def _show_mistakes(run: InspectedRun, errors: int, data_dir: Path) -> None:
    try:
        found = run.mistakes(data_dir, errors)
    except RequestError as error:
        print_remark(f"warning: mistakes cannot be shown: {error}")
        return
    print_text("\nworst mistakes")
    for identifier, mistake in found:
        print_text(f"{identifier}: {mistake.what}")
        for line in mistake.details:
            print_text(f"    {line}")


def diff(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="A run folder, or a result file.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="Another run of the same task.")],
    errors: Count = _WORST,
    task: TaskFile = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Show how two runs differ: settings, data, versions, and which examples flipped.

    Example: linkbert diff runs/gad/minilm/seed-1 runs/gad/minilm/seed-2
    """
    set_up_logging(quiet=quiet)
    from ..experiments.inspection import inspect_run
    from ..experiments.run_difference import diff_runs

    first = inspect_run(run_a, results_dir, task)
    found = diff_runs(first, inspect_run(run_b, results_dir, task))
    if json:
        print_json(found.to_json())
        return
    rows = [("score", _number(found.scores[0]), _number(found.scores[1]))]
    differing = {**found.settings, **found.identity, **found.versions}
    rows += [(name, _short(one), _short(other)) for name, (one, other) in differing.items()]
    print_table(("", found.a, found.b), rows)
    for line in found.missing:
        print_text(line)
    if not found.examples:
        return
    print_text(f"\n{found.changed} of {found.examples} examples are predicted differently")
    if not found.moved:
        print_text(f"{len(found.gained)} are right in the second run only, {len(found.lost)} in the first only")
    texts = _texts_of(first, data_dir) if errors else {}
    _show_flips("right in the second only", found.gained, errors, texts)
    _show_flips("right in the first only", found.lost, errors, texts)
    _show_flips("largest changes", found.moved, errors, texts)


def _texts_of(run: InspectedRun, data_dir: Path) -> dict[str, str]:
    """Return id -> text of the test examples; nothing if the corpus is not there."""
    try:
        return run.texts(data_dir)
    except RequestError as error:
        print_remark(f"warning: texts cannot be shown: {error}")
        return {}


def _show_flips(title: str, flips: Sequence[Flip], count: int, texts: dict[str, str]) -> None:
    if flips and count:
        print_text("")
        rows = [
            (flip.id, _short(flip.gold), _short(flip.a), _short(flip.b), _short(texts.get(flip.id, "")))
            for flip in flips[:count]
        ]
        print_table((title, "gold", "first", "second", "text"), rows)


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, float):
        text = f"{value:.4g}"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _number(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else ""
