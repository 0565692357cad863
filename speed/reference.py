"""Fine-tuning with the `Trainer` of transformers at the same settings, to see whether its scores and ours agree.

python -m linkbert.cli.reference ncbi-disease --model minilm --epochs 3 --seed 1
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..models.heads import Head


def reference_score(
    task: str,
    *,
    model: str,
    seed: int,
    revision: str | None = None,
    data_dir: str | Path = "data",
    precision: str = "auto",
    epochs: int | None = None,
) -> dict[str, Any]:
    """Fine-tune with the `Trainer` in random batches, and score test as this package scores it.

    Args:
        task: the task's name; its published recipe is used.
        model: a preset, a folder or a hub id.
        seed: the seed of the head's weights, the order of examples and the dropout masks.
        revision: a branch, tag or commit hash of a model from the hub.
        data_dir: the folder of prepared corpora.
        precision: the number format.
        epochs: number of epochs; the recipe's if None.

    Returns:
        The task, seed, epochs, test score, and seconds of training.
    """
    from transformers import set_seed

    from ..experiments.scoring import decode_split, score_split
    from ..models.loading import inspect_model, load_model
    from ..models.sources import find_model
    from ..models.tokenizer_loading import load_tokenizer
    from ..tasks.data import encode_split, load_split
    from ..tasks.recipe import default_recipe, resolve_recipe
    from ..tasks.registry import get_task
    from . import peer

    found, source = get_task(task), find_model(model, revision=revision)
    info = inspect_model(source)
    overrides = {} if epochs is None else {"epochs": (epochs, "--epochs")}
    recipe = resolve_recipe(found, default_recipe(found, info.hidden_size), overrides, info.dropouts)
    tokenizer = load_tokenizer(source.path, words=found.head.per_word)
    splits = {name: load_split(found, name, Path(data_dir)) for name in ("train", "test")}
    encoded = {name: encode_split(found, split, tokenizer, recipe.max_length)[0] for name, split in splits.items()}
    set_seed(seed)
    fitted = load_model(source.path, found.head, found.labels, fine_tuned=False)
    collate = peer.Collator(found.head, tokenizer)
    rows = {name: peer.plain_rows(found.head, tokenizer, dataset) for name, dataset in encoded.items()}
    settings = peer.recipe_arguments(recipe, seed)
    options = peer.best_options(precision, recipe.batch_size)
    # Batches are drawn at random, as this package does: grouping by length changes what is learnt.
    shuffled = options | {"train_sampling_strategy": "random"}
    seconds = peer.train(fitted, peer.arguments(shuffled, **settings), collate, rows["train"])
    logits = peer.predict(fitted, peer.arguments(options), collate, rows["test"])
    outputs = _outputs(found.head, logits, encoded["test"])
    scored = score_split(found, decode_split(found, splits["test"], outputs))
    return {"task": task, "seed": seed, "epochs": recipe.epochs, "score": scored.score, "train_seconds": seconds}


def _outputs(head: Head, logits: Any, encoded: Any) -> list[Any]:
    """Return one output per example, as `Head.outputs` does."""
    import numpy as np

    if not head.per_word:
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
