"""Untrusted text is shown escaped and has no effect on a terminal, a Markdown page or a spreadsheet."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkbert.escaping import csv_text, markdown_text, to_json_text, visible

HOSTILE_TEXT = "\x1b]0;owned\x07\x9b2J\u202ecod.exe\u2028"


def test_control_and_direction_characters_are_shown_as_escapes():
    assert visible(HOSTILE_TEXT) == r"\x1b]0;owned\x07\x9b2J\u202ecod.exe\u2028"
    assert visible("µ é 中 \U0001f600\n\t") == "µ é 中 \U0001f600\n\t"


@given(st.text(), st.integers(0, 1))
def test_json_for_a_terminal_parses_to_the_same_document(text, indent):
    shown = to_json_text({"x": [text, HOSTILE_TEXT]}, indent or None)
    assert json.loads(shown) == {"x": [text, HOSTILE_TEXT]}
    assert visible(shown) == shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@x", "\t=1", "\r=1"])
def test_a_csv_cell_is_never_a_spreadsheet_formula(text):
    assert csv_text(text)[0] in "'\\"
    assert csv_text("minilm") == "minilm"


def test_untrusted_text_adds_no_markup_to_markdown():
    shown = markdown_text("<script>|[x](javascript:y)`*\n")
    assert "<" not in shown and "\n" not in shown and "](" not in shown.replace("\\](", "")
    assert shown.count("\\") == 5


def test_hostile_text_in_a_result_is_escaped_in_every_leaderboard_format(cli, trained, tmp_path):
    name = "=cmd\x1b[31m<b>|"
    folder = tmp_path / "results" / "gad" / name
    folder.mkdir(parents=True)
    result = json.loads((trained / "results" / "gad" / "tiny" / "seed-1.json").read_text())
    result["model"]["name"] = name
    result["departures"] = ["\x1b[2Jgone", "<img src=x>"]
    (folder / "seed-1.json").write_text(json.dumps(result), encoding="utf-8")
    table = cli("leaderboard", "--detail")
    assert "\x1b" not in table.stdout and r"=cmd\x1b[31m" in table.stdout and r"\x1b[2Jgone" in table.stdout
    document = cli("leaderboard", "--json").stdout
    assert "\x1b" not in document and any(row["model"] == name for row in json.loads(document)["rows"])
    markdown = cli("leaderboard", "--format", "markdown").stdout
    assert "\x1b" not in markdown and "<b>" not in markdown and "<img" not in markdown
    cells = list(csv.reader(io.StringIO(cli("leaderboard", "--format", "csv").stdout)))
    assert all(not cell.startswith(("=", "+", "@")) for row in cells for cell in row)
    assert any(row[0].startswith("'=cmd") for row in cells)


def test_control_characters_in_an_argument_are_escaped_in_the_error_message(cli, tmp_path):
    done = cli("finetune", "\x1b[2Jgad", "--model", "x")
    assert done.exit_code == 2 and "\x1b" not in done.stderr


def test_environment_variables_are_never_written_to_a_file(cli, data_dir, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    monkeypatch.setenv("MY_SECRET", "topsecretvalue")
    done = cli(
        "finetune",
        "gad",
        "--model",
        tiny,
        "--data-dir",
        data_dir,
        "--max-steps",
        1,
        "--max-length",
        32,
        "--set",
        "warmup=0",
    )
    assert done.exit_code == 0
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"hf_secretsecret" not in content and b"topsecretvalue" not in content, path
