"""Fine-tune and benchmark biomedical encoders on BLURB, MedQA-USMLE and MMLU-professional-medicine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .benchmarks.evaluation import evaluate
    from .benchmarks.leaderboard import leaderboard
    from .benchmarks.predicting import predict
    from .benchmarks.run import finetune

__all__ = ["__version__", "evaluate", "finetune", "leaderboard", "predict"]

_HOME = {
    "evaluate": ".benchmarks.evaluation",
    "finetune": ".benchmarks.run",
    "leaderboard": ".benchmarks.leaderboard",
    "predict": ".benchmarks.predicting",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use (PEP 562): `linkbert --help` must not wait for torch.
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
