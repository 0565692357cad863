"""The application: its commands, and how errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from .._version import __version__
from ..errors import LinkbertError
from . import benchmark, data, demo, evaluate, finetune, leaderboard, models, predict, tasks
from .console import print_error

_INTERRUPTED = 130


class Group(TyperGroup):
    """Turns every failure into `error: ...` lines and an exit code; no traceback reaches the user."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command line and exit."""
        extra["standalone_mode"] = False
        if os.environ.get("RANK", "0") != "0":
            # Under `accelerate launch` the first process speaks for all.
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")
        try:
            code = super().main(args=args, prog_name="linkbert", **extra)
        except LinkbertError as error:
            print_error(error.problems)
            code = error.exit_code
        except typer.TyperException as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                sys.stdout.write(error.format_message() + "\n")
            else:
                print_error([f"{error.format_message().rstrip('.')}; see `linkbert --help`"])
            code = 2
        except (typer.Abort, KeyboardInterrupt):
            print_error(["stopped"])
            code = _INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has gone, e.g. `| head`.
            sys.stderr.close()
            code = 0
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            print_error([f"{where}{error.strerror or error}"])
            code = 1
        except Exception as error:
            # A defect of ours. Its traceback helps us, not the user: it is shown on demand.
            if os.environ.get("LINKBERT_DEBUG"):
                raise
            print_error([f"{type(error).__name__}: {error}. This is a defect; LINKBERT_DEBUG=1 shows where it is"])
            code = 1
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    cls=Group,
    help="Fine-tune any encoder on BLURB, MedQA and MMLU-professional-medicine by the published protocol, and rank it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"linkbert {__version__}\n")
        raise typer.Exit


@app.callback()
def root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print it.")) -> None:
    """Fine-tune and benchmark biomedical encoders."""


app.command("finetune")(finetune.command)
app.command("eval")(evaluate.command)
app.command("leaderboard")(leaderboard.command)
app.command("benchmark")(benchmark.command)
app.command("predict")(predict.command)
app.add_typer(data.app, name="data")
app.command("tasks")(tasks.command)
app.command("models")(models.command)
app.command("demo")(demo.command)


def run() -> None:
    """The entry point of the `linkbert` script."""
    app()
