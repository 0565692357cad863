"""The example of CONTRIBUTING.md works: its corpus is one entry in one file, and the registry tests pass with it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAME = "my-corpus"
# The tests that run over all tasks of the registry or count them. The other tests use other tasks.
CHOSEN = (
    "tests/tasks/test_registry.py", "tests/tasks/test_recipe.py", "tests/leaderboard/test_board.py",
    "tests/corpora/test_prepare.py", "tests/corpora/test_verify.py", "tests/end_to_end/test_registry_walk.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def contributed(tmp_path_factory):
    """A copy of the package with the example code of CONTRIBUTING.md in `tasks/ner.py`."""
    copy = tmp_path_factory.mktemp("contributed") / "linkbert"
    ignored = shutil.ignore_patterns(
        ".git", "build", "dist", "*.egg-info", "__pycache__", ".venv", "data", "runs", ".*cache"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Add a dataset of a known family")[1].split("\n## ")[0]
    (entry,) = re.findall(r"```python\n(.*?)```", section, flags=re.S)
    file = copy / "tasks" / "ner.py"
    source = file.read_text(encoding="utf-8")
    assert source.count("\nTASKS = (") == 1 and f'name="{NAME}"' in entry
    source = re.sub(r"\nTASKS = \(.*?\)\n", lambda _: "\n" + entry, source, flags=re.S)
    file.write_text(source.replace("from .task import Family, Task", "from .task import EXTRA, Family, Task"))
    return copy


def run(copy, *arguments):
    environment = os.environ | {"PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )


def test_the_contributed_task_is_in_the_registry(contributed):
    done = run(contributed, "-c", f"from linkbert.tasks.registry import TASKS; print(TASKS['{NAME}'].labels)")
    assert done.stdout.strip() == "('O', 'B-Disease', 'I-Disease', 'B-Species', 'I-Species')", done.stderr


@pytest.mark.slow
def test_the_registry_tests_pass_with_the_contributed_task(contributed):
    others = "test_registry_walk and not my-corpus"
    done = run(contributed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"not ({others})", *CHOSEN)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


@pytest.mark.slow
def test_all_tests_pass_with_the_contributed_task(contributed):
    done = run(contributed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ignore", "tests/test_contributing.py")
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_contributed_task_has_a_leaderboard_column_that_is_marked_as_not_blurb(contributed, tmp_path):
    script = f"""
import sys
from pathlib import Path
from linkbert.leaderboard.board import Board, Cell, Row
from linkbert.leaderboard.formats import to_csv, to_lines
row = Row("m", "m", "measured", None, True, [], {{"{NAME}": Cell(80.0, None, 1)}})
board = Board([row], ("{NAME}", "gad"))
for detail in (False, True):
    ((headers, table),) = to_lines(board, detail=detail, width=100)
    print(dict(zip(headers, table[0]))["+{NAME}"])
print("{NAME}" in to_csv(board).splitlines()[0])
"""
    done = run(contributed, "-c", script)
    assert done.stdout.split() == ["80.00", "80.00", "True"], done.stderr
