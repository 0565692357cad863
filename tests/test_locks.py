"""A run lock refuses a second process, a commit lock makes it wait, and both end with their process."""

import os
import subprocess
import sys

import pytest
from linkbert.errors import RequestError
from linkbert.locks import commit_lock, run_lock

HOLD_LOCK_SCRIPT = """
import sys, time
from pathlib import Path
from linkbert.locks import run_lock
with run_lock(Path(sys.argv[1]), "x"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock_holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK_SCRIPT, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_with_host_process_id_and_start_time_of_the_holder(lock_holder, tmp_path):
    with pytest.raises(
        RequestError, match=rf"^a run: another process .*host .*process {lock_holder.pid}, since 20\d\d-"
    ):
        with run_lock(tmp_path / "lock", "a run"):
            pass


def test_the_lock_of_a_killed_process_can_be_taken(lock_holder, tmp_path):
    lock_holder.kill()
    lock_holder.wait()
    with run_lock(tmp_path / "lock", "a run"):
        pass


def test_a_lock_is_released_when_its_block_raises(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), run_lock(tmp_path / "lock", "x"):
            raise KeyError


def test_a_commit_lock_waits_until_the_other_process_releases_it(tmp_path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom linkbert.locks import commit_lock\n"
        "with commit_lock(Path(sys.argv[1])):\n print('held', flush=True)\n time.sleep(0.5)\n"
        " Path(sys.argv[2]).touch()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "lock"), str(tmp_path / "done")], stdout=subprocess.PIPE
    )
    process.stdout.readline()
    with commit_lock(tmp_path / "lock"):
        assert (tmp_path / "done").exists()
    process.wait()


def test_a_lock_file_that_is_a_symbolic_link_is_refused_and_its_target_is_unchanged(tmp_path):
    (tmp_path / "precious").write_text("content")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), run_lock(tmp_path / "lock", "x"):
        pass
    assert (tmp_path / "precious").read_text() == "content"


def test_a_lock_file_that_another_user_created_can_be_locked(tmp_path, monkeypatch):
    """This process may then only have permission to read the file."""
    (tmp_path / "lock").touch()
    real = os.open

    def open_read_only(path, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_read_only)
    with commit_lock(tmp_path / "lock"):
        with pytest.raises(RequestError, match="another process runs it"), run_lock(tmp_path / "lock", "x"):
            pass
