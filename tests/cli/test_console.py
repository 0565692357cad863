"""Standard output holds documents and tables; all messages go to standard error, one line each."""

import importlib
import json

import pytest
from linkbert.cli.console import print_error, print_table, progress, set_up_logging
from linkbert.training.reporters import Progress


def test_an_error_is_one_line_even_if_it_is_long(capsys):
    print_error(["x" * 500 + "\nmore", "second"])
    assert capsys.readouterr().err == f"error: {'x' * 500} more\nerror: second\n"


def test_progress_without_a_terminal_is_printed_as_few_lines(capsys):
    with progress(quiet=False) as (reporter,):
        for done in range(1, 101):
            reporter.on_progress(Progress("train", done, 100, loss=0.5, examples_per_second=10.0))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[-1] == "train 100/100 loss 0.5000 10.0 examples/s"


def test_quiet_shows_no_progress(capsys):
    with progress(quiet=True) as reporters:
        assert not reporters
    assert capsys.readouterr().err == ""


def test_log_messages_go_to_standard_error_and_quiet_keeps_only_warnings(capsys):
    import logging

    logger = logging.getLogger("linkbert.x")
    for quiet in (False, True):
        set_up_logging(quiet=quiet)
        logger.info("remark")
        logger.warning("careful")
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == "remark\nwarning: careful\nwarning: careful\n"


def test_numbers_in_a_table_are_aligned_right_and_markup_is_printed_as_text(capsys):
    print_table(("name", "score"), [("[bold]a", "1.5"), ("b", "10.25 ±0.10")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("[bold]a") and lines[1].rstrip().endswith("1.5") and "10.25" in lines[2]


@pytest.mark.parametrize("arguments", [("--help",), ("finetune", "--help"), ("data", "--help"), ("--version",)])
def test_help_and_version_exit_with_code_0(cli, arguments):
    done = cli(*arguments)
    assert done.exit_code == 0 and done.stdout and not done.stderr


def test_with_json_standard_output_holds_only_the_document(cli, data_dir, tiny):
    small = ("--max-steps", 1, "--max-length", 32, "--batch-size", 4, "--precision", "fp32")
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *small, "--json")
    assert json.loads(done.stdout)["task"] == "gad" and "train 1/1" in done.stderr


def test_the_data_folder_can_be_set_by_an_environment_variable(cli, data_dir, monkeypatch):
    monkeypatch.setenv("LINKBERT_DATA_DIR", str(data_dir))
    listed = json.loads(cli("data", "list", "gad", "--json").stdout)
    assert listed[0]["prepared"] == {"train": True, "dev": True, "test": True}


def test_an_interrupted_command_reports_it_and_exits_with_code_130(cli, monkeypatch):
    def interrupt(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("linkbert.leaderboard.comparable"), "read_results", interrupt)
    done = cli("leaderboard")
    assert done.exit_code == 130 and done.stderr.startswith("error: stopped")


def test_an_unexpected_exception_is_one_line_without_a_traceback(cli, monkeypatch):
    monkeypatch.delenv("LINKBERT_DEBUG")
    monkeypatch.setattr(
        importlib.import_module("linkbert.leaderboard.comparable"), "read_results", lambda folder: 1 / 0
    )
    done = cli("leaderboard")
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ZeroDivisionError") and done.stderr.count("\n") == 1


def test_a_broken_result_file_is_named_on_standard_error(cli, tmp_path):
    bad = tmp_path / "results" / "gad" / "m" / "seed-1.json"
    bad.parent.mkdir(parents=True)
    bad.write_text("{", encoding="utf-8")
    done = cli("leaderboard", "--json")
    assert (
        done.exit_code == 0
        and str(bad.relative_to(tmp_path)) in done.stderr
        and len(json.loads(done.stdout)["rows"]) == 5
    )
