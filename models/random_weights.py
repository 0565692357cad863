"""A model with random weights, for comparison: it shows how much of a score is due to pretraining."""

from __future__ import annotations

import shutil
from pathlib import Path


def write_random_model(template: Path, folder: Path, seed: int = 0) -> None:
    """Write a model folder with the configuration and tokenizer of `template` and randomly initialised weights.

    Args:
        template: folder of a pretrained model.
        folder: the folder to write. If it exists, it is removed first.
        seed: seed of the weights. It becomes the seed of torch's global generator.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    from .loading import save_model
    from .tokenizer_loading import load_tokenizer

    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(template, trust_remote_code=False, local_files_only=True)
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModel.from_config(config, trust_remote_code=False)
    save_model(model, load_tokenizer(template, words=False), folder)
