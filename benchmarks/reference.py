"""Fine-tuning with the `Trainer` of transformers at the same settings: do its scores and ours agree?

python -m linkbert.benchmarks.reference ncbi-disease --model minilm --epochs 3 --seed 1
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def reference_score(
    task: str,
    *,
    model: str,
    seed: int,
    data_dir: str | Path = "data",
    precision: str = "auto",
    epochs: int | None = None,
) -> dict[str, Any]:
    """Fine-tune with the peer in random batches, and score test as this project scores it.

    Args:
        task: the task's name; its published recipe is used.
        model: a preset, a folder or a hub id.
        seed: of the head's weights, the order and the dropouts.
        data_dir: prepared corpora.
        precision: number format.
        epochs: instead of the recipe's.

    Returns:
        The task, seed, epochs, test score, and seconds of training.
    """
    from transformers import set_seed

    from ..models.loading import inspect_model, load_model, load_tokenizer
    from ..models.sources import find_model
    from ..tasks.data import encode_split, load_split
    from ..tasks.recipe import published_recipe, resolve_recipe
    from ..tasks.registry import get_task
    from . import peer
    from .scoring import decode_split, score_split
    from .settings import dropouts_of

    found, source = get_task(task), find_model(model)
    info = inspect_model(source)
    overrides = {} if epochs is None else {"epochs": (epochs, "--epochs")}
    recipe = resolve_recipe(found.recipe_section, published_recipe(info.hidden_size), overrides, dropouts_of(info))
    tokenizer = load_tokenizer(source.path, words=found.head == "token")
    splits = {name: load_split(found, name, Path(data_dir)) for name in ("train", "test")}
    encoded = {name: encode_split(found, split, tokenizer, recipe.max_length)[0] for name, split in splits.items()}
    set_seed(seed)
    fitted = load_model(source.path, found.head, found.labels, fine_tuned=False)
    collate = peer.Collator(found.head, tokenizer)
    rows = {name: peer.plain_rows(found.head, tokenizer, dataset) for name, dataset in encoded.items()}
    settings = {
        "per_device_train_batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "num_train_epochs": recipe.epochs,
        "warmup_steps": recipe.warmup,
        "weight_decay": recipe.weight_decay,
        "adam_beta1": recipe.beta1,
        "adam_beta2": recipe.beta2,
        "adam_epsilon": recipe.eps,
        "max_grad_norm": recipe.max_grad_norm,
        "seed": seed,
    }
    options = peer.best_options(precision, recipe.batch_size)
    # Batches drawn at random, as here: grouping by length changes what is learnt.
    shuffled = options | {"train_sampling_strategy": "random"}
    seconds = peer.train(fitted, peer.arguments(shuffled, **settings), collate, rows["train"])
    logits = peer.predict(fitted, peer.arguments(options), collate, rows["test"])
    outputs = _outputs(found.head, logits, encoded["test"])
    scored = score_split(found, decode_split(found, splits["test"], outputs))
    return {"task": task, "seed": seed, "epochs": recipe.epochs, "score": scored.score, "train_seconds": seconds}


def _outputs(head: str, logits: Any, encoded: Any) -> list[Any]:
    """One output per example, as `Head.outputs` gives it."""
    import numpy as np

    if head != "token":
        return list(logits)
    outputs, number = [], 0
    for row in encoded:
        output = np.full((row["n_words"], logits.shape[-1]), np.nan, dtype=np.float32)
        for window in row["word_index"]:
            words = np.array(window)
            placed = np.flatnonzero(words >= 0)
            output[words[placed]] = logits[number, placed]
            number += 1
        outputs.append(output)
    return outputs
