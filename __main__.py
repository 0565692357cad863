"""`python -m linkbert` is `linkbert`."""

from .cli.main import run

if __name__ == "__main__":
    run()
