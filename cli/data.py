"""`linkbert data`: list, download, prepare, verify."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..corpora.prepare import Prepared, prepare
from ..corpora.prepared import prepared_path
from ..corpora.verify import verify
from ..errors import LinkbertError, RequestError, RunError
from ..tasks.data import expected
from ..tasks.registry import TASKS, get_task
from ..tasks.task import Task
from . import options
from .console import print_json, print_remark, print_table, print_text, set_up_logging
from .group import Group

app = typer.Typer(cls=Group, help="Get and check the corpora.", no_args_is_help=True, pretty_exceptions_enable=False)


def _chosen(names: list[str] | None) -> list[Task]:
    return [get_task(name) for name in dict.fromkeys(names)] if names else list(TASKS.values())


@app.command("list")
def list_command(
    tasks: options.Tasks = None,
    data_dir: options.DataDir = options.DATA_DIR,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Show where each corpus stands: which splits are prepared, and how to get the others."""
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
    data_dir: options.DataDir = options.DATA_DIR,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Recognise what lies in a folder and write the prepared format; the same bytes on every run."""
    set_up_logging(quiet=quiet)
    chosen = _chosen(tasks)
    report = prepare([task.corpus for task in chosen], source, data_dir, require_all=bool(tasks))
    # Without all tasks, a file that is passed over may well belong to another one.
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
            agreeing = "" if len(files) == 1 else f", and {len(files) - 1} other source(s) that agree"
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
    data_dir: options.DataDir = options.DATA_DIR,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Hold the prepared corpora against the benchmark's official counts."""
    set_up_logging(quiet=quiet)
    if not data_dir.is_dir():
        raise RequestError(f"{data_dir}: no such data folder; name it with --data-dir or LINKBERT_DATA_DIR")
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
    data_dir: options.DataDir = options.DATA_DIR,
    mirror: Annotated[
        str | None, typer.Option("--mirror", metavar="URL", help="Serves the same paths; https, or http on loopback.")
    ] = None,
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="Accept the terms of the corpora in the authors' release.")
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Download what may be downloaded, and prepare it."""
    set_up_logging(quiet=quiet)
    from ..corpora.download import (
        PUBLIC,
        RELEASE_TERMS,
        RELEASE_URL,
        Remote,
        check_mirror,
        fetch,
        forget,
        unpack_release,
    )

    check_mirror(mirror)
    chosen = _chosen(tasks)
    public = [task for task in chosen if task.name in PUBLIC]
    other = [task for task in chosen if task.name not in PUBLIC]
    steps = [f"{task.name}: {task.access}" for task in other]
    if other and not accept_terms:
        print_remark(RELEASE_TERMS)
        if not public or tasks:
            raise RequestError(*steps, "nothing was downloaded; with --accept-terms the authors' release is")
        for step in steps:
            print_remark(f"not downloaded: {step}")
    store = data_dir / "downloads"
    bars = not quiet and sys.stderr.isatty()
    total = Prepared()
    if public:
        remotes = [remote for task in public for remote in PUBLIC[task.name]]
        fetch(remotes, store, mirror, progress=bars)
        _prepare_downloads(public, store, data_dir, remotes, store, total)
    if other and accept_terms:
        print_remark(RELEASE_TERMS)
        remotes = [Remote(RELEASE_URL, "linkbert-data.zip")]
        (archive,) = fetch(remotes, store, mirror, progress=bars)
        unpacked = store / "release"
        try:
            unpack_release(archive, {task.release: task.splits for task in other}, unpacked)
        except LinkbertError:
            forget(remotes, store)
            raise
        _prepare_downloads(other, unpacked, data_dir, remotes, store, total)
    _tell_prepared(total, data_dir, quiet=True, json=json)


def _prepare_downloads(
    tasks: list[Task], source: Path, data_dir: Path, remotes: list[Any], store: Path, total: Prepared
) -> None:
    """Prepare what was downloaded; what cannot be prepared is not kept, so that the next try fetches it again."""
    from ..corpora.download import forget

    try:
        report = prepare([task.corpus for task in tasks], source, data_dir)
    except RequestError as error:
        forget(remotes, store)
        raise RunError(*(f"what was downloaded is not the corpus: {problem}" for problem in error.problems)) from error
    total.written |= report.written
    total.not_found |= report.not_found
