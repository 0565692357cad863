"""Files and folders are written completely or not at all."""

import os
import stat

import pytest
from linkbert.errors import RequestError, nearest
from linkbert.files import atomic_folder, atomic_write, atomic_write_text, discard, require_writable, sha256_of, sweep


def test_a_failed_write_keeps_the_old_file_and_leaves_no_temporary_file(tmp_path):
    path = tmp_path / "x"
    atomic_write_text(path, "old")
    with pytest.raises(KeyError), atomic_write(path) as handle:
        handle.write(b"new")
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_written_file_is_readable_and_has_the_expected_checksum(tmp_path):
    atomic_write_text(tmp_path / "x", "a")
    assert (tmp_path / "x").stat().st_mode & stat.S_IRUSR
    assert sha256_of(tmp_path / "x") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "x").write_text("", encoding="utf-8")
    for path in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(RequestError, match="a file is in the way"):
            require_writable(path, "the folder")


def test_similar_names_are_suggested_and_otherwise_all_names():
    assert nearest("gadd", ["gad", "medqa"]) == "did you mean gad?"
    assert nearest("zzzzzz", ["gad", "ddi"]) == "expected one of: gad, ddi"


def test_a_folder_is_replaced_only_when_the_new_one_is_complete(tmp_path):
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


def test_sweep_removes_temporary_files_of_killed_processes_and_nothing_else(tmp_path):
    kept = [
        tmp_path / name for name in ("seed-1.json", ".seed-10.json~abc.tmp", ".other~abc.tmp", "x.tmp", ".seed-1.lock")
    ]
    leftovers = [tmp_path / name for name in (".seed-1.json~abc.tmp", ".seed-1.0a.predictions.jsonl~x.tmp")]
    for path in (*kept, *leftovers):
        path.touch()
    (tmp_path / ".seed-1.saved~abc.tmp").mkdir()
    (tmp_path / ".seed-1.saved~abc.tmp" / "x").touch()
    sweep(tmp_path, "seed-1.*")
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_process_killed_while_it_discards_a_folder_leaves_no_part_of_it(tmp_path, monkeypatch):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "run.json").touch()
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *arguments, **options: None)  # as if the process were killed here
        discard(tmp_path / "x")
    assert not (tmp_path / "x").exists()
    sweep(tmp_path, "x")
    assert list(tmp_path.iterdir()) == []


def test_an_error_names_the_target_file_and_not_the_temporary_file(tmp_path):
    with pytest.raises(OSError) as caught, atomic_write(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "x")


def test_a_very_long_error_message_is_shortened_in_the_middle():
    (problem,) = RequestError("x.tsv:3: found " + "9" * 100_000 + "; correct the line").problems
    assert len(problem) < 2100 and problem.startswith("x.tsv:3: found 999") and problem.endswith("; correct the line")


def test_the_files_of_a_folder_can_be_read_as_the_umask_says(tmp_path):
    with atomic_folder(tmp_path / "model") as staged:
        (staged / "weights").write_text("x")
        (staged / "weights").chmod(0o600)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "model" / "weights").stat().st_mode & 0o777 == 0o666 & ~mask
