"""How long intervals and ranks of five models on fifteen datasets of real size take, with five seeds each.

Run `python -m tests.leaderboard.interval_speed` in the root folder on an idle machine. The predictions are simulated.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .simulated import TASK_NAMES, store_one

# Examples of each test set; the sentences of the corpora with words have 26 words, about as many as the real ones.
SIZES = {
    "bc5-chem": 4797, "bc5-disease": 4797, "ncbi-disease": 940, "bc2gm": 5038, "jnlpba": 3856, "ebm-pico": 2076,
    "chemprot": 15745, "ddi": 5716, "gad": 534, "biosses": 20, "hoc": 371, "pubmedqa": 500, "bioasq": 140,
    "medqa": 1273, "mmlu-professional-medicine": 272,
}  # fmt: skip
WORDS = 22


def main():
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        for model in range(5):
            for name in TASK_NAMES:
                for seed in range(5):
                    store_one(results, f"model-{model}", name, seed, 0.9 - model / 50, SIZES[name], WORDS)
        environment = os.environ | {"LINKBERT_CACHE_DIR": str(Path(folder) / "cache")}
        command = [sys.executable, "-m", "linkbert", "leaderboard", "--results-dir", results, "--json", "-q"]
        for what in ("first call", "second call"):
            since = time.perf_counter()
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
            print(f"{what}: {time.perf_counter() - since:.1f} s")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"peak memory: {peak:.0f} MB")


if __name__ == "__main__":
    main()
