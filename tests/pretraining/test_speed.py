"""The speed of pretraining beside the Trainer's, on a tiny model: that all contenders do their work."""

import json

import pytest


@pytest.mark.slow
def test_all_contenders_train_on_the_same_pairs(cli, corpus, tiny):
    done = cli("pretrain", "speed", corpus, "--from", tiny, "--batch-size", 4, "--max-length", 48, "--updates", 2,
               "--rounds", 1, "--json")  # fmt: skip
    found = json.loads(done.stdout)["contenders"]
    assert list(found) == ["linkbert", "Trainer, defaults", "Trainer, best flags"]
    assert all(item["tokens_per_second"] > 0 for item in found.values())
    # Rows of the defaults are padded to the maximum length.
    assert found["Trainer, defaults"]["padding"] > found["Trainer, best flags"]["padding"]
