"""Groups of commands: unknown names are answered with the nearest ones, and every failure with `error: ...` lines."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import LinkbertError, PeerLostError, RequestError, is_panic, nearest
from ..training.stopping import Stopped
from .console import is_first_process, print_error

_INTERRUPTED = 130
# What typer says of a value that is no number -> what a person would say.
_IN_OUR_WORDS = (
    ("Input should be a valid integer, unable to parse string as an integer", "expected a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "expected a number"),
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class _ClosedPipeError(Exception):
    """The reader of our output is gone, as in `linkbert leaderboard | head`; typer would exit with 1."""


class Group(TyperGroup):
    """A group of commands that turns every failure into `error: ...` lines and an exit code."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first argument names."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise RequestError(f"unknown command {args[0]!r}; {nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command, and make sure that its output has left this process."""
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
            return outcome
        except BrokenPipeError as error:
            raise _ClosedPipeError from error

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command line and exit."""
        extra["standalone_mode"] = False
        _set_up_streams()
        try:
            code = super().main(args=args, prog_name="linkbert", **extra)
        except BaseException as error:
            code = _report(error)
        if code == _INTERRUPTED:  # typer returns this code for a KeyboardInterrupt
            print_error(["stopped"])
        sys.exit(code if isinstance(code, int) else 0)


def _report(error: BaseException) -> int:
    """Explain a failure on standard error, and return the exit code. No traceback reaches the user."""
    if isinstance(error, LinkbertError):
        # The process that ended first has said why, and the first process that it is lost.
        if is_first_process() or not isinstance(error, PeerLostError):
            print_error(error.problems)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        return _report_usage(error)
    if isinstance(error, Stopped):
        if is_first_process():  # All processes stop together.
            print_error([f"{error}; the same command continues from the last checkpoint (leave --restart out)"])
        sys.exit(error.exit_code)
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return _INTERRUPTED
    if isinstance(error, _ClosedPipeError):
        _discard_output()
        return 0
    if isinstance(error, OSError):
        _discard_output()  # If writing our output is what failed, Python would fail again when it exits.
        where = f"{error.filename}: " if error.filename else ""
        advice = "; make room and run the same command again" if error.errno in _NO_ROOM else ""
        print_error([f"{where}{error.strerror or error}{advice}"])
        return 1
    if isinstance(error, MemoryError):
        print_error(["out of memory; what was stored is whole: make room and run the same command again"])
        return 1
    if is_panic(error):
        print_error([f"the tokenizer failed ({error}); it is malformed: get the model again"])
        return 1
    if not isinstance(error, Exception) or os.environ.get("LINKBERT_DEBUG"):
        raise error
    # Anything else is a defect of this package. Its traceback helps a developer, and is shown on demand only.
    print_error([f"{type(error).__name__}: {error}. This is a defect; LINKBERT_DEBUG=1 shows where it is"])
    return 1


def _report_usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(error.format_message() + "\n")
    else:
        command = error.ctx.command_path if error.ctx else "linkbert"
        message = error.format_message().rstrip(".")
        for theirs, ours in _IN_OUR_WORDS:
            message = message.replace(theirs, ours)
        print_error([f"{message}; see `{command} --help`"])
    return 2


def _set_up_streams() -> None:
    # A service manager or `>&-` may start us with closed streams. Their numbers must not go to the next file that is
    # opened, because libraries write to them.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")
    if sys.stdout is None or not is_first_process():
        # Of several processes only the first one prints.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")
    elif hasattr(sys.stdout, "reconfigure"):
        # Documents are UTF-8, whatever the encoding of the terminal is.
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]


def _discard_output() -> None:
    """Send what is still buffered for standard output nowhere, so that Python can exit without an error."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
