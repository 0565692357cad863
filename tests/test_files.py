"""Files are whole or not there."""

import stat

import pytest
from linkbert.errors import RequestError, nearest
from linkbert.files import atomic_write, atomic_write_text, require_writable, sha256_of


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
