"""A model of the same shape with random weights: what pretraining is worth shows beside it."""

from __future__ import annotations

import shutil
from pathlib import Path


def write_random_model(template: Path, folder: Path, seed: int = 0) -> None:
    """Write a model folder with the configuration and tokenizer of `template` and freshly initialised weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    from .loading import load_tokenizer, save_model

    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(template, trust_remote_code=False, local_files_only=True)
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModel.from_config(config, trust_remote_code=False)
    save_model(model, load_tokenizer(template, words=False), folder)
