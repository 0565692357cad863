"""The demo trains a pretrained and a random model without a network, and ends with a leaderboard."""

import re
import subprocess
import sys
import time

import pytest


@pytest.mark.slow
def test_the_demo_runs_offline_in_under_three_minutes(tmp_path):
    since = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "linkbert", "demo", "--folder", str(tmp_path / "demo"), "-q"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    seconds = time.perf_counter() - since
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("$ linkbert finetune") == 8 and "SYNTHETIC" in done.stdout
    scores = re.findall(r"^(\S+) \(synthetic\), (\S+): test \S+ ([\d.-]+)$", done.stdout, flags=re.M)
    assert len(scores) == 8
    assert "random-minilm-synthetic" in done.stdout.split("$ linkbert leaderboard")[1]
    assert seconds < 180
