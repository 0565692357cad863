"""One run, one process."""

import os
import subprocess
import sys

import pytest
from linkbert.errors import RequestError
from linkbert.locks import commit_lock, run_lock

HOLD = """
import sys, time
from pathlib import Path
from linkbert.locks import run_lock
with run_lock(Path(sys.argv[1]), "x"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_is_told_who_holds_the_run_where_and_since_when(holder, tmp_path):
    with pytest.raises(RequestError, match=rf"^a run: another process .*host .*process {holder.pid}, since 20\d\d-"):
        with run_lock(tmp_path / "lock", "a run"):
            pass


def test_a_dead_process_holds_nothing(holder, tmp_path):
    holder.kill()
    holder.wait()
    with run_lock(tmp_path / "lock", "a run"):
        pass


def test_a_lock_is_free_again_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), run_lock(tmp_path / "lock", "x"):
            raise KeyError


def test_a_commit_waits_for_the_one_before(tmp_path):
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


def test_a_lock_does_not_follow_a_link_and_cut_what_is_there(tmp_path):
    (tmp_path / "precious").write_text("content")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), run_lock(tmp_path / "lock", "x"):
        pass
    assert (tmp_path / "precious").read_text() == "content"


def test_a_lock_that_somebody_else_made_can_be_held(tmp_path, monkeypatch):
    (tmp_path / "lock").touch()
    real = os.open

    def readable(path, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", readable)
    with commit_lock(tmp_path / "lock"):
        with pytest.raises(RequestError, match="another process runs it"), run_lock(tmp_path / "lock", "x"):
            pass
