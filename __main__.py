"""The entry point: `linkbert`, and `python -m linkbert`."""

import sys

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def run() -> None:
    """Run the command line. Ctrl-C ends it with one line, even while the modules of the command line are imported."""
    try:
        from .cli.main import app

        app()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("error: stopped\n")
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
