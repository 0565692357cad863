"""Many processes write results into one folder, while others read them and some writers are killed.

    python concurrent_writers.py FOLDER TEMPLATE WRITERS RESULTS-PER-WRITER

This is a script of its own because it forks. It prints one JSON object: the results that were certainly stored, those that
were found, and what readers saw go wrong.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from linkbert.experiments.checks import check_results
from linkbert.experiments.paths import RunPaths
from linkbert.experiments.results import Result
from linkbert.experiments.store import read_results, store_result
from linkbert.leaderboard.board import leaderboard

SHARED = 3  # seeds that all writers write, in competition with each other


def write(folder, template, number, per_writer, begin, journal):
    chance = random.Random(number * 1000 + begin)
    for seed in range(begin, per_writer):
        contended = chance.random() < 0.2
        place = RunPaths(
            "gad", "shared" if contended else f"writer-{number}", seed % SHARED if contended else seed, folder, folder
        )
        lines = (
            json.dumps({"id": str(row), "gold": "0", "prediction": str(chance.randint(0, 1)), "scores": None})
            for row in range(40)
        )
        rows = [line.encode() + b"\n" for line in lines]
        result = template | {"model": template["model"] | {"name": place.model}, "seed": place.seed, "run_dir": None}
        result |= scored(rows)
        store_result(place, Result.from_json(result), rows)
        os.write(journal, f"{seed} {place.result_file}\n".encode())


def scored(rows):
    from linkbert.experiments.scoring import score_lists
    from linkbert.tasks.registry import TASKS

    rows = [json.loads(row) for row in rows]
    found = score_lists(TASKS["gad"], [row["prediction"] for row in rows], [row["gold"] for row in rows])
    return {"score": found.score, "metrics": found.metrics, "n_examples": len(rows)}


def read(folder, until, out):
    problems, looks = [], 0
    while time.monotonic() < until and not (folder / "over").exists():
        try:
            problems += read_results(folder)[1]
            leaderboard(folder)
        except Exception as error:
            problems.append(repr(error))
        looks += 1
    os.write(out, json.dumps([looks, problems[:5]]).encode() + b"\n")


def start(work, *arguments):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            work(*arguments, writer)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    return child, reader


def drain(reader):
    with os.fdopen(reader, "rb") as handle:
        return handle.read().decode().splitlines()


def main(folder, template, writers, per_writer):
    folder, template, chance = Path(folder), json.loads(Path(template).read_text()), random.Random(7)
    folder.mkdir(parents=True)
    readers = [start(read, folder, time.monotonic() + 600) for _ in range(2)]
    begin, committed, kills = dict.fromkeys(range(writers), 0), set(), 0
    while begin:
        running = {number: start(write, folder, template, number, per_writer, seed) for number, seed in begin.items()}
        for number in chance.sample(sorted(running), min(len(running), 3) if kills < 12 else 0):
            time.sleep(chance.uniform(0.02, 0.3))
            os.kill(running[number][0], signal.SIGKILL)
        for number, (child, reader) in running.items():
            _, status = os.waitpid(child, 0)
            lines = [line.split(" ", 1) for line in drain(reader)]
            committed |= {file for _, file in lines}
            if os.WIFSIGNALED(status):
                kills += 1
                begin[number] = int(lines[-1][0]) + 1 if lines else begin[number]
            else:
                assert os.waitstatus_to_exitcode(status) == 0, number
                del begin[number]
    (folder / "over").touch()
    looks, problems = 0, []
    for child, reader in readers:
        os.waitpid(child, 0)
        (line,) = drain(reader)
        seen, wrong = json.loads(line)
        looks, problems = looks + seen, problems + wrong
    report = check_results(folder)
    print(json.dumps({
        "committed": len(committed),
        "lost": sorted(file for file in committed if not Path(file).exists()),
        "damaged": [item for item in report["results"] if item["status"] == "damaged"],
        "without predictions": [item for item in report["results"] if item["unverified"]],
        "kills": kills, "looks": looks, "problems": problems,
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
