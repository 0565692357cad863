"""Fine-tune and benchmark biomedical encoders on BLURB, MedQA-USMLE, MMLU-professional-medicine, or your own data."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .errors import LinkbertError, RequestError, RunError
    from .experiments.embedding import embed
    from .experiments.evaluation import evaluate
    from .experiments.export import export
    from .experiments.finetune import finetune
    from .experiments.loaded import load
    from .experiments.options import RunOptions
    from .experiments.plan import plan_finetune
    from .experiments.prediction import predict
    from .experiments.results import Result
    from .leaderboard.board import leaderboard
    from .pretraining.options import PretrainOptions
    from .pretraining.run import pretrain
    from .pretraining.scoring import score_pretrained
    from .pretraining.writing import write_corpus
    from .training.reporters import Reporter

__all__ = [
    "LinkbertError",
    "PretrainOptions",
    "Reporter",
    "RequestError",
    "Result",
    "RunError",
    "RunOptions",
    "__version__",
    "embed",
    "evaluate",
    "export",
    "finetune",
    "leaderboard",
    "load",
    "plan_finetune",
    "predict",
    "pretrain",
    "score_pretrained",
    "write_corpus",
]

# Where the public names are defined.
_CLASSES = {
    "LinkbertError": ".errors",
    "PretrainOptions": ".pretraining.options",
    "Reporter": ".training.reporters",
    "RequestError": ".errors",
    "Result": ".experiments.results",
    "RunError": ".errors",
    "RunOptions": ".experiments.options",
}
_FUNCTIONS = {
    "embed": ".experiments.embedding",
    "evaluate": ".experiments.evaluation",
    "export": ".experiments.export",
    "finetune": ".experiments.finetune",
    "leaderboard": ".leaderboard.board",
    "load": ".experiments.loaded",
    "plan_finetune": ".experiments.plan",
    "predict": ".experiments.prediction",
    "pretrain": ".pretraining.run",
    "score_pretrained": ".pretraining.scoring",
    "write_corpus": ".pretraining.writing",
}
_WITH_PROGRESS = ("evaluate", "finetune", "pretrain")


def __getattr__(name: str) -> Any:
    # Names are imported on first use (PEP 562), because `linkbert --help` must not wait for torch.
    if name in _CLASSES:
        return getattr(import_module(_CLASSES[name], __name__), name)
    if name in _FUNCTIONS:
        from .api import public

        function = getattr(import_module(_FUNCTIONS[name], __name__), name)
        return public(function, shows_progress=name in _WITH_PROGRESS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
