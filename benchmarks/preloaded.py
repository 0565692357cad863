"""What a run imports. The server process from which runs are forked imports this module once, and computes nothing."""

from ..experiments import evaluation, finetune
from ..models import loading, tokenizer_loading
from ..training import trainer

__all__ = ["evaluation", "finetune", "loading", "tokenizer_loading", "trainer"]
