"""The demos: fine-tuning that ends with a leaderboard, and pretraining with links. Neither needs a network."""

import json
import os
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


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "threads"), [(1, 1), (2, 2), (3, 1)])
def test_the_demo_of_pretraining_tells_linked_pairs_from_random_ones(tmp_path, seed, threads):
    """Whatever the seed, and the number of threads, with which the order of sums changes."""
    done = subprocess.run(
        [sys.executable, "-m", "linkbert", "pretrain", "demo", "--seed", str(seed), "--json", "-q"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)["held_out"]["after"]
    # A model that knows contiguous pairs alone is right for two thirds at most.
    assert scores["relation_accuracy"] > 75, scores
    assert scores["relation_accuracy_random"] + scores["relation_accuracy_linked"] > 130, scores
