"""Groups of commands: unknown names are answered with the nearest, failures with `error: ...` and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import LinkbertError, RequestError, is_panic, nearest
from ..training.stopping import Stopped
from .console import print_error

_INTERRUPTED = 130
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Group(TyperGroup):
    """Turns every failure into `error: ...` lines and an exit code; no traceback reaches the user."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first argument names."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise RequestError(f"unknown command {args[0]!r}; {nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command line and exit."""
        extra["standalone_mode"] = False
        _set_up_output()
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
        except Stopped as stopped:
            print_error([f"{stopped}; the same command goes on from the last checkpoint (leave --restart out)"])
            sys.exit(stopped.exit_code)
        except (typer.Abort, KeyboardInterrupt):
            code = _INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has gone, e.g. `| head`.
            sys.stderr.close()
            code = 0
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            advice = "; make room and run the same command again" if error.errno in _NO_ROOM else ""
            print_error([f"{where}{error.strerror or error}{advice}"])
            code = 1
        except MemoryError:
            print_error(["out of memory; what was stored is whole: make room and run the same command again"])
            code = 1
        except Exception as error:
            # A defect of ours. Its traceback helps us, not the user: it is shown on demand.
            if os.environ.get("LINKBERT_DEBUG"):
                raise
            print_error([f"{type(error).__name__}: {error}. This is a defect; LINKBERT_DEBUG=1 shows where it is"])
            code = 1
        except BaseException as error:
            if not is_panic(error):
                raise
            print_error([f"the tokenizer failed ({error}); it is malformed: get the model again"])
            code = 1
        if code == _INTERRUPTED:
            print_error(["stopped"])
        sys.exit(code if isinstance(code, int) else 0)


def _set_up_output() -> None:
    if os.environ.get("RANK", "0") != "0":
        # Of several processes the first one speaks for all.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")
    elif hasattr(sys.stdout, "reconfigure"):
        # Documents are UTF-8 whatever the terminal's encoding is.
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
