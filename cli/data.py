"""`linkbert data`: list, download, prepare, verify."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..corpora.prepare import Prepared, prepare
from ..corpora.prepared import prepared_path
from ..corpora.verify import verify
from ..errors import LinkbertError, RequestError, RunError
from ..experiments.options import RunOptions
from ..tasks.data import expected, require_data_folder
from ..tasks.registry import TASKS, get_task
from ..tasks.task import Task
from . import data_check, options
from .console import print_json, print_remark, print_table, print_text, set_up_logging
from .group import Group

if TYPE_CHECKING:
    from ..corpora.download import Remote

app = typer.Typer(cls=Group, help="Get and check the corpora.", no_args_is_help=True, pretty_exceptions_enable=False)

app.command("check")(data_check.command)


def _chosen(names: list[str] | None) -> list[Task]:
    return [get_task(name) for name in dict.fromkeys(names)] if names else list(TASKS.values())


@app.command("list")
def list_command(
    tasks: options.Tasks = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Show which splits of each corpus are prepared, and how to get the others."""
    set_up_logging(quiet=quiet)
    rows = []
    for task in _chosen(tasks):
        there = {split: prepared_path(data_dir, task.release, split).is_file() for split in task.splits}
        rows.append(
            {"name": task.name, "folder": str(data_dir / task.release), "prepared": there, "access": task.access}
        )
    if json:
        print_json(rows)
        return
    print_table(
        ("task", "prepared", "missing", "how to get it"),
        [
            (
                row["name"],
                " ".join(split for split, there in row["prepared"].items() if there),
                " ".join(split for split, there in row["prepared"].items() if not there),
                row["access"],
            )
            for row in rows
        ],
    )


@app.command("prepare")
def prepare_command(
    source: Annotated[Path, typer.Option("--source", help="A folder with corpora in their original formats.")],
    tasks: options.Tasks = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Recognise the corpora in a folder and write them in the prepared format.

    Example: linkbert data prepare --source ~/corpora
    """
    set_up_logging(quiet=quiet)
    chosen = _chosen(tasks)
    report = prepare([task.corpus for task in chosen], source, data_dir, require_all=bool(tasks))
    # If only some tasks are named, a file that was not used may well belong to another one.
    _tell_prepared(report, data_dir, quiet=quiet or bool(tasks), json=json)


def _tell_prepared(report: Prepared, data_dir: Path, *, quiet: bool, json: bool) -> None:
    if json:
        print_json(
            {
                "written": {
                    name: {
                        split: {"examples": count, "sources": list(files)} for split, (count, files) in splits.items()
                    }
                    for name, splits in report.written.items()
                },
                "not_found": {name: list(splits) for name, splits in report.not_found.items() if splits},
                "skipped": [str(path) for path in report.skipped],
            }
        )
        return
    for name, splits in report.written.items():
        for split, (count, files) in splits.items():
            agreeing = "" if len(files) == 1 else f", equal to {', '.join(files[1:])}"
            print_text(
                f"{prepared_path(data_dir, TASKS[name].release, split)}: {count} examples from {files[0]}{agreeing}"
            )
    for name, missing in report.not_found.items():
        if missing:
            print_text(f"not found: {name} {', '.join(missing)}")
    if not quiet:
        for path in report.skipped:
            print_remark(f"skipped, not a file of any corpus format: {path}")


@app.command("verify")
def verify_command(
    tasks: options.Tasks = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Compare the prepared corpora with the benchmark's official counts. Exits with 1 if one differs."""
    set_up_logging(quiet=quiet)
    require_data_folder(data_dir)
    reports: dict[str, dict[str, Any]] = {}
    for task in _chosen(tasks):
        reports[task.name] = {split: asdict(report) for split, report in verify(expected(task), data_dir).items()}
    if json:
        print_json(reports)
    else:
        print_table(
            ("task", "split", "official", "found", "status", "note"),
            [
                (name, split, str(item["official"]), str(item["found"] or ""), item["status"], item["note"])
                for name, splits in reports.items()
                for split, item in splits.items()
            ],
        )
    if any(item["status"] == "differs" for splits in reports.values() for item in splits.values()):
        raise typer.Exit(1)


@app.command("download")
def download_command(
    tasks: options.Tasks = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="URL",
            help="A server with the same paths as the original hosts; https, or http on a loopback address.",
        ),
    ] = None,
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="Accept the terms of the corpora in the authors' release.")
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Download the corpora that may be downloaded, and prepare them.

    Example: linkbert data download jnlpba pubmedqa
    """
    set_up_logging(quiet=quiet)
    from ..corpora.download import RELEASE_TERMS, check_mirror

    check_mirror(mirror)
    chosen = _chosen(tasks)
    public = [task for task in chosen if task.remotes]
    other = [task for task in chosen if not task.remotes]
    if other:
        print_remark(RELEASE_TERMS)
    if other and not accept_terms:
        steps = [f"{task.name}: {task.access}" for task in other]
        if not public or tasks:
            raise RequestError(*steps, "nothing was downloaded; with --accept-terms the authors' release is")
        for step in steps:
            print_remark(f"not downloaded: {step}")
    downloads = _Downloads(data_dir, mirror, bars=not quiet and sys.stderr.isatty())
    if public:
        downloads.get_public(public)
    if other and accept_terms:
        downloads.get_release(other)
    _tell_prepared(downloads.prepared, data_dir, quiet=True, json=json)


class _Downloads:
    """Downloads corpora into the data folder and prepares them."""

    def __init__(self, data_dir: Path, mirror: str | None, *, bars: bool) -> None:
        self.data_dir, self.mirror, self.bars = data_dir, mirror, bars
        self.store = data_dir / "downloads"
        self.prepared = Prepared()

    def get_public(self, tasks: list[Task]) -> None:
        """Get the corpora whose files may be downloaded without asking."""
        from ..corpora.download import fetch

        remotes = [remote for task in tasks for remote in task.remotes]
        fetch(remotes, self.store, self.mirror, progress=self.bars)
        self._prepare(tasks, self.store, remotes)

    def get_release(self, tasks: list[Task]) -> None:
        """Get the other corpora from the authors' release, whose terms the user has accepted."""
        from ..corpora.download import RELEASE_URL, Remote, fetch, forget, unpack_release

        remotes = [Remote(RELEASE_URL, "linkbert-data.zip")]
        (archive,) = fetch(remotes, self.store, self.mirror, progress=self.bars)
        unpacked = self.store / "release"
        try:
            unpack_release(archive, {task.release: task.splits for task in tasks}, unpacked)
        except LinkbertError:
            forget(remotes, self.store)
            raise
        self._prepare(tasks, unpacked, remotes)

    def _prepare(self, tasks: list[Task], source: Path, remotes: list[Remote]) -> None:
        """Prepare what was downloaded; if that fails, remove the files, so that the next try fetches them again."""
        from ..corpora.download import forget

        try:
            report = prepare([task.corpus for task in tasks], source, self.data_dir)
        except RequestError as error:
            forget(remotes, self.store)
            problems = [f"what was downloaded is not the corpus: {problem}" for problem in error.problems]
            raise RunError(*problems) from error
        self.prepared.written |= report.written
        self.prepared.not_found |= report.not_found
