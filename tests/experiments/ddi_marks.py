"""The DDI corpus as two tasks of one's own, whose mentions stand between markers or behind masks.

Run `python -m tests.experiments.ddi_marks SOURCE FOLDER [EVERY]` in the root folder. SOURCE holds `DDIextraction_2013` (as
unpacked from the corpus's archive) and `indexing`, the file lists of BLURB. FOLDER gets `ddi-markers.toml` and
`ddi-masks.toml` with the data of both; of the documents of train, every EVERY-th one is taken (all by default). Dev stands
in the place of test as well, so that nothing is chosen on the test split.
"""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

TASK = """name = "ddi-{marks}"
family = "relation"
labels = ["DDI-advise", "DDI-effect", "DDI-int", "DDI-mechanism", "none"]
negative = "none"
marks = "{marks}"

[files]
train = "train.jsonl"
dev = "dev.jsonl"
test = "test.jsonl"
"""


def span(entity):
    """Start, end (exclusive) and name of the mask of a mention; nothing for a mention in several parts."""
    offset = entity.get("charOffset")
    if ";" in offset:
        return None
    first, last = offset.split("-")
    return {"start": int(first), "end": int(last) + 1, "label": "DRUG"}


def examples(path):
    """One example for each pair of mentions of a document, as BLURB makes them."""
    document = ElementTree.parse(path).getroot()
    for sentence in document.iter("sentence"):
        mentions = {entity.get("id"): span(entity) for entity in sentence.iter("entity")}
        for pair in sentence.iter("pair"):
            first, second = (mentions[pair.get(side)] for side in ("e1", "e2"))
            if first is None or second is None:
                continue
            label = f"DDI-{pair.get('type')}" if pair.get("ddi") == "true" else "none"
            yield {
                "id": pair.get("id"),
                "document": document.get("id"),
                "text": sentence.get("text"),
                "first": first,
                "second": second,
                "label": label,
            }


def main():
    source, folder, every = Path(sys.argv[1]), Path(sys.argv[2]), int((*sys.argv, "1")[3])
    folder.mkdir(parents=True, exist_ok=True)
    for split, listed, step in (("train", "train", every), ("dev", "dev", 1), ("test", "dev", 1)):
        names = (source / "indexing" / f"{listed}_files.tsv").read_text(encoding="utf-8").splitlines()[::step]
        found = [example for name in names for example in examples(source / "DDIextraction_2013" / name)]
        lines = "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in found)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        print(split, len(names), "documents", len(found), "pairs")
    for marks in ("markers", "masks"):
        (folder / f"ddi-{marks}.toml").write_text(TASK.format(marks=marks), encoding="utf-8")


if __name__ == "__main__":
    main()
