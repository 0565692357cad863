"""Files are whole or not there."""

import os
import stat
import subprocess
import sys

import pytest
from linkbert.errors import RequestError, nearest
from linkbert.files import atomic_folder, atomic_write, atomic_write_text, require_writable, sha256_of, sweep


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x"
    atomic_write_text(path, "old")
    with pytest.raises(KeyError), atomic_write(path) as handle:
        handle.write(b"new")
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_files_can_be_read_by_others(tmp_path):
    atomic_write_text(tmp_path / "x", "a")
    assert (tmp_path / "x").stat().st_mode & stat.S_IRUSR
    assert sha256_of(tmp_path / "x") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "x").write_text("", encoding="utf-8")
    for path in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(RequestError, match="a file is in the way"):
            require_writable(path, "the folder")


def test_nearest_names_or_all():
    assert nearest("gadd", ["gad", "medqa"]) == "did you mean gad?"
    assert nearest("zzzzzz", ["gad", "ddi"]) == "expected one of: gad, ddi"


def test_a_folder_is_whole_or_not_there(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(KeyError), atomic_folder(path) as staged:
        (staged / "a").write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    for text in ("one", "two"):
        with atomic_folder(path) as staged:
            (staged / text).write_text(text)
            assert not (path / text).exists()
    assert list(tmp_path.iterdir()) == [path] and [file.name for file in path.iterdir()] == ["two"]


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with atomic_write(tmp_path / "x"):
        (living,) = tmp_path.iterdir()
        left = tmp_path / living.name.replace(f"-{os.getpid()}~", f"-{dead.pid}~")
        elsewhere = tmp_path / ".x~another-1~abc.tmp"
        for path in (left, elsewhere, tmp_path / "x.tmp", tmp_path / ".x~a-b~c.tmp"):
            path.touch()
        sweep(tmp_path, "x")
        assert living.exists() and not left.exists() and elsewhere.exists()
    assert len(list(tmp_path.iterdir())) == 4


def test_a_message_that_quotes_something_huge_keeps_its_ends():
    (problem,) = RequestError("x.tsv:3: found " + "9" * 100_000 + "; correct the line").problems
    assert len(problem) < 2100 and problem.startswith("x.tsv:3: found 999") and problem.endswith("; correct the line")
