"""`python -m linkbert.cli.simulation`: how often the intervals cover the truth, and the tests err."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import print_table


def command(
    repetitions: Annotated[int, typer.Option(min=1, help="Simulated experiments of each kind.")] = 500,
) -> None:
    """Simulate experiments with a known truth, and print coverage and errors in percent (about five minutes)."""
    from ..leaderboard.simulation import simulate

    headers = (
        "simulated",
        "seeds",
        "interval covers",
        "of a difference",
        "percentiles cover",
        "test errs",
        "McNemar errs",
    )
    rows = [
        (
            found.world,
            str(found.seeds) if found.others == found.seeds else f"{found.seeds}, {found.others}",
            f"{found.coverage:.1f}",
            f"{found.difference:.1f}",
            f"{found.naive:.1f}",
            f"{found.rejected:.1f}",
            "" if found.mcnemar is None else f"{found.mcnemar:.1f}",
        )
        for found in simulate(repetitions)
    ]
    print_table(headers, rows)


if __name__ == "__main__":
    typer.run(command)
