"""A small corpus with links, of the words that the tiny models know."""

import json
import random

import pytest

SIZE = 40


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The folder of a corpus of 40 documents, each of which links to two others."""
    from linkbert.pretraining.writing import write_corpus

    from ..conftest import WORDS

    stream = random.Random(0)
    folder = tmp_path_factory.mktemp("pretraining")
    records = [
        {
            "id": str(number),
            "text": " ".join(stream.choices(WORDS, k=stream.randint(20, 60))),
            "links": [str((number + 1) % SIZE), str((number * 7 + 3) % SIZE)],
        }
        for number in range(SIZE)
    ]
    (folder / "documents.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    write_corpus(folder / "documents.jsonl", folder / "corpus")
    return folder / "corpus"
