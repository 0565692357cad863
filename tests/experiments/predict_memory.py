"""Whether `linkbert predict` keeps its speed and its memory over a long input.

Run `python -m tests.experiments.predict_memory TASK RUN_FOLDER [LINES]` in the root folder on an idle Linux machine. The
lines are sentences of 3 to 30 common words, drawn with a fixed seed, that reach the command through a pipe.
"""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

WORDS = (
    "the of in patients with and was treated by severe acute renal disease cells protein expression increased after "
    "aspirin cisplatin hypertension BRCA1 mutation breast cancer risk mice showed response 24 h levels serum toxicity"
).split()
REPORTS = 10


def feed(stream, count):
    draw = random.Random(1)
    with stream:
        for _ in range(count):
            stream.write(" ".join(draw.choices(WORDS, k=draw.randint(3, 30))) + "\n")


def memory_mb(process, field):
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(field))


def main():
    task, run, count = sys.argv[1], sys.argv[2], int((*sys.argv, "200000")[3])
    command = [sys.executable, "-m", "linkbert", "predict", task, "-", "--model", run, "--quiet"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8") as process:
        threading.Thread(target=feed, args=(process.stdin, count), daemon=True).start()
        since = time.perf_counter()
        for number, _ in enumerate(process.stdout, start=1):
            if number == 1:
                print(
                    f"      1 line : {memory_mb(process.pid, 'VmRSS'):5.0f} MB, after the model was loaded", flush=True
                )
                since = time.perf_counter()
            elif number % (count // REPORTS) == 0:
                speed = (count // REPORTS) / (time.perf_counter() - since)
                since = time.perf_counter()
                now, peak = (memory_mb(process.pid, field) for field in ("VmRSS", "VmHWM"))
                print(f"{number:7} lines: {now:5.0f} MB, peak {peak:5.0f} MB, {speed:5.0f} lines/s", flush=True)
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
