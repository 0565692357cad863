"""Time and memory of `linkbert pretrain data` with many documents.

Run `python -m tests.pretraining.many_documents FOLDER [COUNT] [LINKS]` in the root folder. COUNT documents (1,000,000 by
default) of 200 words with ten links each are written into FOLDER as JSON lines, and read as a corpus with LINKS (`own` by
default, or `tfidf`). A quarter of the words are as frequent as in English, the others are of a long tail, which is the
same in each run.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

WORDS, LINKS = 200, 10


def write(path, count):
    generator = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            # Zipf's law, with exponents that give few and very many different words.
            frequent, rare = generator.zipf(1.6, WORDS // 4), generator.zipf(1.15, WORDS - WORDS // 4)
            words = [f"w{word % 10**7}" for word in (*frequent, *rare)]
            links = generator.integers(count, size=LINKS).tolist()
            file.write(json.dumps({"id": number, "text": " ".join(words), "links": links}) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("links", nargs="?", default="own")
    given = parser.parse_args()
    folder, count, links = given.folder, given.count, given.links
    source, output = folder / f"{count}.jsonl", folder / f"{count}-{links}"
    folder.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        partial = source.with_suffix(".part")
        write(partial, count)
        partial.rename(source)
    since = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "linkbert",
        "pretrain",
        "data",
        str(source),
        "--output",
        str(output),
        "--links",
        links,
    ]
    subprocess.run(command, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(
        f"{count} documents, {source.stat().st_size / 1e9:.1f} GB: {time.perf_counter() - since:.0f} s, {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
