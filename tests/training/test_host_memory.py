"""Free memory goes back to the system once a minute."""

import ctypes
import os
import sys

import psutil
import pytest
from linkbert.training.host_memory import HostMemory, trim_function


def test_memory_is_returned_once_a_minute_and_not_at_every_update():
    now, trimmed = [0.0], []
    memory = HostMemory(lambda: trimmed.append(now[0]), lambda: now[0])
    for second in range(0, 200, 7):
        now[0] = float(second)
        memory.after_update()
    assert trimmed == [63.0, 126.0, 189.0]
    HostMemory(None, lambda: 1e9).after_update()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's function")
def test_free_pieces_between_used_ones_go_back_to_the_system():
    if "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"):
        pytest.skip("not glibc")
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    size = 100_000  # below the threshold of mmap
    pieces = [libc.malloc(size) for _ in range(1000)]
    for piece in pieces:
        ctypes.memset(piece, 1, size)
    for piece in pieces[:-1]:
        libc.free(piece)
    before = psutil.Process().memory_info().rss
    trim_function()()
    assert before - psutil.Process().memory_info().rss > 50e6
    libc.free(pieces[-1])
