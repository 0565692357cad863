"""Giving memory that training on a CPU has freed back to the system."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable

# With micro-batches of ever different sizes, glibc keeps more and more free pieces between the tensors: training MiniLM
# on a quarter of HoC held 2.3 GB of them after three epochs, beside 0.3 GB in use. To return them takes some 0.4 s,
# most of it for touching the pages again afterwards; every minute, that is less than one per cent. Fixed thresholds for
# `mmap` returned them at once, and made the training two thirds slower.
_EVERY_SECONDS = 60.0


def trim_function() -> Callable[[], object] | None:
    """Return the function of the C library that gives free memory back; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    return None if trim is None else lambda: trim(0)


class HostMemory:
    """Returns free memory to the system from time to time, so that a long training takes no more than a short one.

    Args:
        trim: gives free memory back (`trim_function`); None to do nothing.
        clock: seconds since some moment.
    """

    def __init__(self, trim: Callable[[], object] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.trim, self.clock = trim, clock
        self.last = clock()

    def after_update(self) -> None:
        """Return free memory if that was a minute ago."""
        if self.trim is not None and self.clock() - self.last >= _EVERY_SECONDS:
            self.trim()
            self.last = self.clock()
