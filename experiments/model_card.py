"""The model card of a run: `README.md` in its folder, as the Hugging Face hub reads it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .._version import __version__
from ..escaping import markdown_line, markdown_text
from ..files import atomic_write_text
from ..tasks.task import Task
from ..tasks.word_division import Division
from .reproduction import command_of
from .results import Result

CARD = "README.md"
# The names by which the hub knows the metrics of the benchmark.
_HUB_METRICS = {
    "entity_f1": "f1",
    "word_macro_f1": "f1",
    "micro_f1": "f1",
    "multi_label_micro_f1": "f1",
    "macro_f1": "f1",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "squad_f1": "squad",
    "exact_match": "exact_match",
    "accuracy": "accuracy",
}
_LANGUAGE = "en"


def write_card(folder: Path, result: Result) -> None:
    """Write the model card into a run folder.

    Args:
        folder: the run folder.
        result: the result of the run.
    """
    atomic_write_text(folder / CARD, model_card(result))


def model_card(result: Result) -> str:
    """Return the model card of a run, with a `model-index` that holds the scores of its result."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    task = result.of_task
    scores = [EvalResult(**_index_entry(result, name, value)) for name, value in _scores(result).items()]
    source = str(result.model.get("source"))
    data = ModelCardData(
        model_name=f"{result.name} fine-tuned on {task.title}",
        language=_LANGUAGE,
        library_name="transformers",
        pipeline_tag=task.head.pipeline_tag,
        base_model=source if _is_hub_id(source) else None,
        tags=["biomedical", "linkbert", task.name, task.task_type],
        metrics=[_HUB_METRICS[result.metric]],
        eval_results=scores,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_text(result)}", ignore_metadata_errors=False))


def _is_hub_id(source: str) -> bool:
    return source.count("/") == 1 and not source.startswith((".", "/", "~")) and not Path(source).exists()


def _scores(result: Result) -> dict[str, float]:
    """Return the scores of the model index: that of the benchmark first, then precision and recall."""
    others = {name: result.metrics[name] for name in ("precision", "recall") if name in result.metrics}
    return {result.metric: result.score, **others}


def _index_entry(result: Result, name: str, value: float) -> dict[str, Any]:
    task = result.of_task
    return {
        "task_type": task.head.pipeline_tag,
        "dataset_type": task.name,
        "dataset_name": task.title,
        "dataset_split": result.split,
        "dataset_revision": (result.data.get(result.split) or {}).get("sha256"),
        "metric_type": _HUB_METRICS.get(name, name),
        "metric_name": f"{name} (x100)",
        "metric_value": value,
    }


def _text(result: Result) -> str:
    task = result.of_task
    dev = (result.dev or {}).get("metrics") or {}
    scores = [
        (name, f"{dev[name]:.2f}" if name in dev else "", f"{value:.2f}") for name, value in result.metrics.items()
    ]
    settings = [(key, str(item.get("value")), str(item.get("origin"))) for key, item in result.recipe.items()]
    remarks = [*(f"departs from the recipe: {item}" for item in result.departures), *result.notes]
    remarks += [f"limited: {item}" for item in result.limits]
    if result.shared_with_train:
        remarks.append(f"test examples whose text is also in train: {result.shared_with_train}")
    if result.baseline:
        remarks.append(f"a constant prediction ({result.baseline['name']}) scores {result.baseline['score']:.2f}")
    official = ["the benchmark's"] if result.definition is None else []
    data = [
        (name, item["sha256"], *["yes" if item["official"] else "no"] * len(official))
        for name, item in result.data.items()
    ]
    return "\n".join(
        [
            f"# {markdown_text(result.name)} fine-tuned on {markdown_text(task.title)}",
            "",
            f"An encoder ({markdown_text(str(result.model.get('source')))}) fine-tuned on {markdown_text(task.title)} "
            f"({task.family.name}) with linkbert {__version__}, seed {result.seed}. One run on one test set says "
            "little about another seed: compare means over several seeds.",
            "",
            f"Use it with `transformers`: `{task.head.auto_class}.from_pretrained(...)`.{_marks(task)}{_words(task)}",
            "",
            "## Scores (x100)",
            "",
            *_table(("score", "dev", "test"), scores),
            "",
            *(f"- {markdown_text(item)}" for item in remarks),
            *([""] if remarks else []),
            "## Settings",
            "",
            *_table(("setting", "value", "from"), settings),
            "",
            f"Number format {result.precision}, device {markdown_text(result.device)}.",
            "",
            "## Data",
            "",
            *_table(("split", "SHA-256", *official), data),
            "",
            "## The same run again",
            "",
            *(f"    {line}" for line in command_of(result).splitlines()),
            "",
        ]
    )


def _marks(task: Task) -> str:
    """Return how a text has to show the mentions of a relation; empty for other tasks."""
    if not task.marked:
        return ""
    markers = (task.definition or {}).get("marks") == "markers"
    example = "@ * drug * aspirin @ causes # ^ disease ^ anemia #" if markers else "@DRUG$ causes @DISEASE$"
    return f" Its input shows both mentions of a relation, as in `{example}`; without them its output means nothing."


def _words(task: Task) -> str:
    """Return how a pipeline reads words that have punctuation in them; empty for tasks without such words."""
    if task.division == Division():
        return ""
    return (
        " It was trained on words that may have punctuation in them, such as `IL-2`. A pipeline of transformers tags "
        "their parts one by one; `linkbert predict` and `linkbert.load` tag whole words."
    )


def _table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    headers = list(headers)
    lines = [headers, ["---"] * len(headers), *rows]
    return [markdown_line(line) for line in lines]
