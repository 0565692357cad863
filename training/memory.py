"""What a process holds of the machine's memory."""

from __future__ import annotations

import ctypes
import time

_EVERY = 60.0  # seconds; giving memory back takes about a quarter of one


class Trimmer:
    """Gives memory that is free back to the machine now and then.

    The allocator of glibc keeps what tensors of many sizes leave between them: a long training on a CPU would come to
    hold several times what it needs at once. Elsewhere this does nothing.

    Args:
        wanted: whether tensors lie in the memory of this process.
    """

    def __init__(self, *, wanted: bool) -> None:
        try:
            self.trim = ctypes.CDLL(None).malloc_trim if wanted else None
        except (AttributeError, OSError, TypeError):  # another C library, or another system
            self.trim = None
        self.last = time.monotonic()

    def after_update(self) -> None:
        """Give it back, if it is time."""
        if self.trim is not None and time.monotonic() - self.last >= _EVERY:
            self.trim(0)
            self.last = time.monotonic()
