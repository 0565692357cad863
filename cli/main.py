"""The application and its commands."""

from __future__ import annotations

import typer

from .._version import __version__
from . import (
    benchmark,
    data,
    demo,
    doctor,
    embed,
    evaluate,
    export,
    finetune,
    init,
    leaderboard,
    models,
    predict,
    pretrain,
    push,
    results,
    search,
    show,
    speed,
    tasks,
)
from .console import print_text
from .group import Group

app = typer.Typer(
    cls=Group,
    help="Fine-tune any encoder on BLURB, MedQA and MMLU-professional-medicine by the published protocol, and rank it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        print_text(f"linkbert {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Fine-tune and benchmark biomedical encoders."""


app.command("finetune")(finetune.command)
app.command("init")(init.command)
app.command("eval")(evaluate.command)
app.command("leaderboard")(leaderboard.command)
app.command("benchmark")(benchmark.command)
app.command("search")(search.command)
app.command("show")(show.show)
app.command("diff")(show.diff)
app.command("push")(push.command)
app.command("predict")(predict.command)
app.command("embed")(embed.command)
app.command("export")(export.command)
app.add_typer(data.app, name="data")
app.add_typer(results.app, name="results")
app.add_typer(pretrain.app, name="pretrain")
app.command("tasks")(tasks.command)
app.command("models")(models.command)
app.command("speed")(speed.command)
app.command("demo")(demo.command)
app.command("doctor")(doctor.command)
