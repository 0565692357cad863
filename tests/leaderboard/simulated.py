"""Simulated results with predictions, for tests only: no model made them."""

import hashlib
import json
import random

from linkbert.experiments.results import Result
from linkbert.metrics.counts import counts, score_of_sums
from linkbert.tasks.registry import TASKS
from linkbert.tasks.task import EXTRA

from .test_board import result

TASK_NAMES = [name for name, task in TASKS.items() if task.suite != EXTRA]


def examples(task, size, skill, seed, words=0):
    """Return gold labels, which depend on the task alone, and predictions that are right with probability `skill`."""
    gold_random, own = random.Random(task.name), random.Random(f"{task.name} {skill} {seed}")
    gold, predictions = [], []
    for _ in range(size):
        hard = gold_random.random() < 0.3
        right = own.random() < (skill - 0.3 if hard else skill)
        if task.metric == "pearson":
            value = gold_random.uniform(0, 4)
            gold.append(value)
            predictions.append(value + own.gauss(0, 4 * (1 - skill)))
        elif task.metric in ("entity_f1", "word_macro_f1"):
            positive = gold_random.choice([label for label in task.labels if label.startswith("B-")])
            rest = ["O"] * words
            gold.append(["O", positive, "O", "O", *rest])
            predictions.append(gold[-1] if right else ["O", "O", positive, "O", *rest])
        elif task.metric == "multi_label_micro_f1":
            flags = [int(gold_random.random() < 0.2) for _ in task.labels]
            gold.append(flags)
            predictions.append(flags if right else [1 - flags[0], *flags[1:]])
        else:
            choices = list(task.labels) or [0, 1, 2, 3]
            label = gold_random.choice(choices)
            gold.append(label)
            predictions.append(label if right else own.choice(choices))
    return gold, predictions


def scores_of(prediction):
    return [0.987654] * len(prediction) if isinstance(prediction, list) else None


def store_simulated(folder, model, *, tasks=None, seeds=(1,), skill=0.8, size=60, **changes):
    """Store the results of one model with their predictions."""
    for name in tasks or TASK_NAMES:
        for seed in seeds:
            store_one(folder, model, name, seed, skill, size, **changes)


def store_one(folder, model, name, seed, skill, size, words=0, **changes):
    task = TASKS[name]
    gold, predictions = examples(task, size, skill, seed, words)
    lines = "".join(
        json.dumps({"id": f"{number}.T1", "gold": one, "prediction": other, "scores": scores_of(other)}) + "\n"
        for number, (one, other) in enumerate(zip(gold, predictions))
    ).encode()
    digest = hashlib.sha256(lines).hexdigest()
    score = score_of_sums(task.metric, counts(task.metric, predictions, gold, task.labels, task.negative).sum(0))
    place = folder / name / model
    place.mkdir(parents=True, exist_ok=True)
    predicted = place / f"seed-{seed}.{digest[:12]}.predictions.jsonl"
    predicted.write_bytes(lines)
    document = result(name, float(score), model=model, seed=seed, n_examples=size)
    document |= {
        "predictions_file": str(predicted),
        "predictions_sha256": digest,
        "result_file": str(place / f"seed-{seed}.json"),
    }
    document |= changes
    document["checksum"] = Result.from_json(document).compute_checksum()
    (place / f"seed-{seed}.json").write_text(json.dumps(document))
    return predicted
