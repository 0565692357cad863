"""`linkbert speed`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..experiments.options import RunOptions
from . import options
from .console import print_json, print_table, print_text, set_up_logging

if TYPE_CHECKING:
    from ..speed.benchmark import Comparison
    from ..speed.worker import Round

_TASKS = ("ncbi-disease", "pubmedqa", "medqa")  # short sentences, long pairs, and several sequences per example
_BAR = 40  # length of the fastest contender's bar, in characters


def command(
    model: options.Model,
    task: Annotated[
        list[str] | None, typer.Argument(metavar="[TASK]...", help=f"Datasets; {', '.join(_TASKS)} by default.")
    ] = None,
    revision: options.Revision = None,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Approximate number of tokens per round.")] = 40_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Number of rounds of each contender.")] = 3,
    work: Annotated[
        list[str] | None,
        typer.Option(
            "--work",
            metavar="WORK",
            help="train, train_no_attention_dropout or score; repeatable. All three by default.",
        ),
    ] = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    precision: options.Precision = "auto",
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Compare the speed of this trainer with that of transformers' Trainer, at its defaults and at its best flags.

    Example: linkbert speed ncbi-disease --model minilm
    """
    set_up_logging(quiet=quiet)
    from ..speed.benchmark import WORKS, measure_speed

    compared: list[Comparison] = []
    for comparison in measure_speed(
        tuple(task or _TASKS),
        model=model,
        revision=revision,
        data_dir=data_dir,
        precision=precision,
        tokens=tokens,
        rounds=rounds,
        works=tuple(work or WORKS),
        on_round=None if quiet else show_round,
    ):
        compared.append(comparison)
        if not json:
            show_comparison(comparison)
    if json:
        document: dict[str, dict] = {}
        for comparison in compared:
            entry = document.setdefault(comparison.task, {"split": comparison.split})
            entry[comparison.work] = comparison.as_json()
        print_json(document)


def show_round(task: str, work: str, contender: str, item: Round) -> None:
    """Print one round of a contender on standard error."""
    speed = item.examples / item.seconds
    sys.stderr.write(f"{task} {work}: {contender} {item.examples} examples in {item.seconds:.1f} s ({speed:.1f}/s)\n")


def show_comparison(comparison: Comparison) -> None:
    """Print a comparison as a table."""
    from ..speed.benchmark import examples_per_second, tokens_per_second, utilisation
    from ..speed.worker import OURS

    rows = []
    fastest = max(measured.median(tokens_per_second) for measured in comparison.measured.values())
    for name, measured in comparison.measured.items():
        speed = measured.median(tokens_per_second)
        low, high = measured.spread(tokens_per_second)
        padding = measured.rounds[-1].padding
        rows.append(
            (
                name,
                f"{measured.median(examples_per_second):.1f}",
                f"{speed:.0f}",
                f"{low:.0f}-{high:.0f}",
                "" if name == OURS else f"{comparison.ratio(name):.2f}x",
                f"{measured.median(utilisation):.2f}",
                "" if padding is None else f"{100 * padding:.0f}%",
                f"{measured.median(lambda item: item.peak_memory_mb):.0f}",
                "\u2588" * max(1, round(_BAR * speed / fastest)),
            )
        )
    headers = ("", "examples/s", "tokens/s", "spread", "linkbert is", "utilisation", "padding", "peak MB", "")
    work = comparison.work.replace("_", " ")
    title = f"{comparison.task}, {work}, batch {comparison.batch_size}, {comparison.split} split"
    print_table(headers, rows, title=title)
    print_text("")
    sys.stdout.flush()
