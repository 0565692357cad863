"""Time and memory of `linkbert leaderboard` with many results.

Run `python -m tests.leaderboard.many_results FOLDER [COUNT]` in the root folder. COUNT results (1,000,000 by default) are
written into FOLDER/COUNT unless they are there: copies of a result of this repository for the 13 tasks of BLURB, ten seeds
each, under as many model names as that takes, without predictions.
"""

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from itertools import count, islice, product
from pathlib import Path

from linkbert.experiments.results import Result
from linkbert.leaderboard.aggregate import BLURB_TASKS

from .test_board import result

ORIGINAL = Path(__file__).parents[2] / "results" / "gad" / "minilm" / "seed-42.json"
SEEDS = range(1, 11)


def documents():
    """Yield results without end, a model after the other."""
    original = json.loads(ORIGINAL.read_text())
    stream = random.Random(0)
    for number in count():
        name = f"model-{number:06d}"
        for task, seed in product(BLURB_TASKS, SEEDS):
            own = result(task, stream.gauss(75, 3))
            kept = {key: own[key] for key in ("task", "suite", "metric", "score", "data")}
            changes = {"model": original["model"] | {"name": name}, "seed": seed, "run_dir": f"runs/{task}/{name}/seed-{seed}",
                       "result_file": f"results/{task}/{name}/seed-{seed}.json", "predictions_file": None,
                       "predictions_sha256": None, "intervals": None, "n_examples": stream.randrange(400, 600)}  # fmt: skip
            yield original | kept | {key: value for key, value in changes.items() if key in original}


def write(folder, wanted):
    for document in islice(documents(), wanted):
        document["checksum"] = Result.from_json(document).compute_checksum()
        path = folder / document["task"] / document["model"]["name"] / f"seed-{document['seed']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    given = parser.parse_args()
    folder = given.folder / str(given.count)
    if not folder.exists():
        partial = folder.with_suffix(".part")
        shutil.rmtree(partial, ignore_errors=True)
        write(partial, given.count)
        partial.rename(folder)
    command = [sys.executable, "-m", "linkbert", "leaderboard", "--results-dir", str(folder), "--format", "csv"]
    since = time.perf_counter()
    rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout.count("\n") - 1
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"{given.count} results, {rows} rows: {time.perf_counter() - since:.1f} s, {peak:.2f} GB")


if __name__ == "__main__":
    main()
