"""The committed leaderboard is that of the committed results."""

import re
import shutil
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "results"
# The pictures depend on the version of matplotlib.
PICTURE = re.compile(r"<svg.*?</svg>", re.DOTALL)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("leaderboard.html", ("--format", "html")),
        ("leaderboard.md", ("--published", "all", "--detail", "--format", "markdown")),
    ],
)
def test_the_committed_leaderboard_is_not_stale(cli, tmp_path, name, arguments):
    for path in RESULTS.rglob("*.json"):
        copy = tmp_path / "results" / path.relative_to(RESULTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    done = cli("leaderboard", *arguments, "--output", f"results/{name}", "-q")
    assert done.exit_code == 0, done.stderr
    found, committed = ((folder / name).read_text(encoding="utf-8") for folder in (tmp_path / "results", RESULTS))
    assert PICTURE.sub("", found) == PICTURE.sub("", committed), "run `make leaderboard` and commit what it writes"
