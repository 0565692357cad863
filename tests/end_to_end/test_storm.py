"""Any number of processes write to one folder of results: none is lost, none is torn, the leaderboard never fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

STORM = Path(__file__).with_name("storm.py")


def storm(trained, tmp_path, writers, per_writer):
    (template,) = (trained / "results" / "gad" / "tiny").glob("seed-1.json")
    command = [sys.executable, str(STORM), str(tmp_path / "results"), str(template), str(writers), str(per_writer)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert not report["lost"] and not report["damaged"] and not report["problems"] and report["looks"] > 0, report
    assert not report["without predictions"], report
    assert report["kills"] > 0 and report["committed"] > writers * per_writer / 2, report
    return report


def test_writers_readers_and_kills(trained, tmp_path):
    storm(trained, tmp_path, writers=4, per_writer=15)


@pytest.mark.slow
def test_eight_writers_of_four_hundred_results(trained, tmp_path, capsys):
    report = storm(trained, tmp_path, writers=8, per_writer=50)
    with capsys.disabled():
        print(
            f"\n{report['committed']} results by 8 writers, {report['kills']} of them killed, {report['looks']} looks"
        )
