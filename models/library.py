"""Calls into `transformers` and its relatives, with their many errors and messages reduced to one."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RequestError, is_panic


@contextmanager
def reading_model(path: Path) -> Iterator[None]:
    """Turn the many errors that libraries raise for a broken or unsuitable model folder into one `RequestError`.

    Args:
        path: the model folder, for the message.
    """
    import torch
    from safetensors import SafetensorError

    try:
        with quiet_transformers():
            yield
    except (RuntimeError, SafetensorError, pickle.UnpicklingError, EOFError, torch.OutOfMemoryError) as error:
        raise RequestError(
            f"{path}: its files are damaged or refused ({_first_line(error)}); get the model again"
        ) from error
    except BaseException as error:
        # Each library has its own type of error for a file that it cannot use, so every `Exception` is taken for one.
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise RequestError(f"{path}: the model cannot be loaded: {_first_line(error)}") from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Switch off the reports and progress bars of `transformers` while the block runs.

    Whatever matters in those reports (missing weights, for example) is checked and reported by this package.
    """
    from transformers.utils import logging as library

    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    # Even its errors are switched off: they quote the folder's files verbatim, escape sequences included.
    library.set_verbosity(logging.CRITICAL)
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
