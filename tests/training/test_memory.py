"""Memory is given back now and then."""

import numpy as np
import pytest
from linkbert.training import memory
from linkbert.training.memory import Trimmer


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_free_memory_goes_back_to_the_machine(monkeypatch):
    if Trimmer(wanted=True).trim is None:
        pytest.skip("this C library has no malloc_trim")
    blocks = [np.ones(10_000) for _ in range(4000)]  # 80 KB each: from the heap
    kept = blocks[-1]
    del blocks
    held = resident()
    Trimmer(wanted=True).after_update()
    assert resident() > held - 50_000_000, "it was not time yet"
    monkeypatch.setattr(memory, "_EVERY", 0.0)
    Trimmer(wanted=True).after_update()
    assert resident() < held - 200_000_000 and kept.sum() == 10_000


def test_it_does_nothing_where_tensors_lie_elsewhere():
    assert Trimmer(wanted=False).trim is None
