"""Several processes write into one folder of results, and some are killed: no result is lost or damaged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("concurrent_writers.py")


def write_and_read(trained, tmp_path, writers, per_writer):
    (template,) = (trained / "results" / "gad" / "tiny").glob("seed-1.json")
    command = [sys.executable, str(SCRIPT), str(tmp_path / "results"), str(template), str(writers), str(per_writer)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert not report["lost"] and not report["damaged"] and not report["problems"] and report["looks"] > 0, report
    assert not report["without predictions"], report
    assert report["kills"] > 0 and report["committed"] > writers * per_writer / 2, report
    return report


@pytest.mark.slow
def test_concurrent_writers_some_of_which_are_killed_lose_no_result(trained, tmp_path):
    write_and_read(trained, tmp_path, writers=3, per_writer=5)


@pytest.mark.slow
def test_eight_concurrent_writers_of_four_hundred_results(trained, tmp_path, capsys):
    report = write_and_read(trained, tmp_path, writers=8, per_writer=50)
    with capsys.disabled():
        print(
            f"\n{report['committed']} results by 8 writers, {report['kills']} of them killed, {report['looks']} looks"
        )
