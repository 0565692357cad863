"""`linkbert push`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..experiments.options import RunOptions
from . import options
from .console import print_json, print_table, print_text, set_up_logging


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run folder.")],
    repo: Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="The repository of the hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be uploaded, and stop.")] = False,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Upload a run with its model card to the Hugging Face hub. Predictions, which hold gold labels, stay here.

    Example: linkbert push runs/gad/minilm/seed-42 --repo me/minilm-gad --dry-run
    """
    set_up_logging(quiet=quiet)
    from ..experiments.publishing import push_run

    found = push_run(run, repo, results_dir=results_dir, private=private, dry_run=dry_run)
    if json:
        print_json(found.to_json())
        return
    print_table(("file", "bytes"), [(name, str(size)) for name, size in found.files.items()])
    print_text(f"would be uploaded to {repo}" if found.url is None else f"uploaded to {found.url}")
