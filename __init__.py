"""Fine-tune and benchmark biomedical encoders on BLURB, MedQA-USMLE and MMLU-professional-medicine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .experiments.evaluation import evaluate
    from .experiments.finetune import finetune
    from .experiments.options import RunOptions
    from .experiments.plan import plan_finetune
    from .experiments.prediction import predict
    from .leaderboard.board import leaderboard
    from .training.reporters import Reporter

__all__ = ["Reporter", "RunOptions", "__version__", "evaluate", "finetune", "leaderboard", "plan_finetune", "predict"]

# Where the public names are defined.
_MODULES = {
    "Reporter": ".training.reporters",
    "RunOptions": ".experiments.options",
    "evaluate": ".experiments.evaluation",
    "finetune": ".experiments.finetune",
    "leaderboard": ".leaderboard.board",
    "plan_finetune": ".experiments.plan",
    "predict": ".experiments.prediction",
}


def __getattr__(name: str) -> Any:
    # Names are imported on first use (PEP 562), because `linkbert --help` must not wait for torch.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
