"""Three simulated models on fifteen datasets with five seeds each: every format shows the same numbers."""

import csv
import html
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from linkbert.leaderboard.board import leaderboard
from linkbert.leaderboard.comparison_formats import short_verdict
from linkbert.leaderboard.formats import to_csv, to_latex, to_lines, to_markdown
from linkbert.leaderboard.page import to_html
from linkbert.leaderboard.plots import board_plot, comparison_plot

from .simulated import TASK_NAMES, store_simulated

MODELS = {"simulated-a": 0.9, "simulated-b": 0.8, "simulated-c": 0.7}


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    for model, skill in MODELS.items():
        store_simulated(folder, model, skill=skill, seeds=range(1, 6))
    return leaderboard(folder)


def numbers(board, digits):
    for row in board.rows:
        for name, cell in row.tasks.items():
            yield row, name, f"{cell.mean:.{digits}f}"


def test_csv_and_json_have_every_digit(board):
    lines = {(line["model"], line["source"]): line for line in csv.DictReader(io.StringIO(to_csv(board)))}
    for row in json.loads(json.dumps(board.to_json()))["rows"]:
        line = lines[row["model"], row["source"]]
        assert float(line["blurb"]) == row["blurb"] if row["blurb"] is not None else line["blurb"] == ""
        for name, cell in row["tasks"].items():
            assert float(line[name]) == cell["mean"]
            assert line[f"{name}_n"] == ("" if cell["n"] is None else str(cell["n"]))
            if cell["ci"]:
                assert [float(line[f"{name}_ci_{end}"]) for end in ("low", "high")] == cell["ci"]
        if row["source"] == "measured":
            assert row["ci"][0] < row["blurb"] < row["ci"][1] and row["rank"]


def test_text_markdown_latex_and_page_have_the_same_rounded_numbers(board):
    texts = {
        "lines": "\n".join(" ".join(line) for _, lines in to_lines(board, detail=True, width=100) for line in lines),
        "markdown": to_markdown(board, detail=True),
        "latex": to_latex(board, detail=True),
        "page": to_html(board),
    }
    for name, text in texts.items():
        for row, _, number in numbers(board, 2):
            assert number in text, (name, row.key)
        for row in board.rows:
            if row.results:
                low, high = row.intervals.blurb
                assert f"{low:.1f}" in text and f"{high:.1f}" in text


def test_the_default_board_fits_the_terminal(board):
    for width in (80, 100, 140):
        tables = to_lines(board, detail=False, width=width)
        for headers, lines in tables:
            widths = [max(map(len, column)) for column in zip(headers, *lines)]
            assert sum(widths) + 2 * (len(widths) - 1) <= width
    # Complete rows are shown by task type, and by dataset where that adds something.
    titles = [title for headers, _ in tables for title in headers]
    assert [title for title in titles if title in ("NER", "PICO", "RE", "STS", "DC", "QA", "MedQA", "MMLU", "gad")] == [
        "NER", "PICO", "RE", "STS", "DC", "QA", "MedQA", "MMLU",
    ]  # fmt: skip


def test_latex_marks_the_best_and_the_second_score(board):
    text = to_latex(board, detail=False)
    assert text.count("\\toprule") == text.count("\\bottomrule") == 1
    best = max(row.blurb for row in board.rows if row.blurb)
    assert f"\\textbf{{{best:.2f}}}" in text and "\\underline{" in text
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert len({line.count("&") for line in rows}) == 1


def test_rows_are_sorted_by_any_column(board):
    for column in ("gad", "ner", "blurb"):
        found = board.sorted_by(column).rows
        values = [row.types.get(column, row.means.get(column)) if column != "blurb" else row.blurb for row in found]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=True) and values[: len(known)] == known
    names = [row.model for row in board.sorted_by("model").rows]
    assert names == sorted(names)


def test_pictures_are_the_same_each_time_and_hold_their_text(board):
    svg = board_plot(board, "svg")
    assert svg == board_plot(board, "svg")
    text = " ".join(ElementTree.fromstring(svg).itertext())
    assert all(model in text for model in MODELS) and "gad" in text
    assert board_plot(board, "png").startswith(b"\x89PNG")
    found = board.compare("simulated-a", "simulated-c")
    assert "simulated-a minus simulated-c" in " ".join(ElementTree.fromstring(comparison_plot(found, "svg")).itertext())


def test_the_page_is_one_small_file_that_loads_nothing(board):
    page = to_html(board)
    assert len(page.encode()) < 1_000_000
    assert (
        not re.search(r"""(?:src|href)=["'](?:https?:|//)""", page) and "@import" not in page and "fetch(" not in page
    )
    data = json.loads(html.unescape(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1]))
    i, j = (
        next(k for k, name in enumerate(data["rows"]) if name.startswith(model))
        for model in ("simulated-a", "simulated-c")
    )
    _, lines = data["pairs"][f"{i},{j}"]
    found = board.compare("simulated-a", "simulated-c")
    assert set(TASK_NAMES) <= set(lines)
    for name in TASK_NAMES:
        assert lines[name][0] == pytest.approx(found.datasets[name].difference, abs=5e-4)
        assert data["verdicts"][lines[name][6]] == short_verdict(found.datasets[name].verdict)


def test_the_page_shows_hostile_names_as_text(tmp_path):
    hostile = "<img src=x onerror=alert(1)>"
    store_simulated(tmp_path, "m", tasks=["gad"])
    (file,) = (tmp_path / "gad" / "m").glob("seed-1.json")
    document = json.loads(file.read_text())
    document["model"]["name"] = "m"
    document["model"]["source"] = hostile
    document["device"] = hostile + "</script><script>alert(2)</script>"
    document["notes"] = [hostile]
    del document["checksum"]
    file.write_text(json.dumps(document))
    page = to_html(leaderboard(tmp_path))
    assert "<img" not in page and "<script>alert" not in page and "&lt;img src=x" in page
