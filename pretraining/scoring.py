"""Scoring a model that pretraining has written, or any encoder with a masked-language head, on a corpus with links."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..models.packed import running_packed
from ..models.sources import find_model
from ..models.tokenizer_loading import load_tokenizer
from .corpus import LinkedCorpus
from .evaluation import context_gain, evaluate
from .examples import PairExamples, PairFormat
from .kinds import require_kinds
from .objective import PRETRAINING, RELATION_HEAD, load_for_pretraining, predicting_relations
from .options import SMALLEST_LENGTH, PretrainOptions
from .pairs import LINKED, RELATIONS, PairOptions, PairSampler
from .plan import held_out_documents
from .record import RECORD, read_record
from .segments import Segments, word_pieces
from .starting import longest_sequence

_log = logging.getLogger(__name__)

_SEED = 1
_KINDS = {"model": (str, Path), "corpus": (str, Path), "pairs": (int,), "held_out": (int, float, type(None)),
          "max_length": (int, type(None))}  # fmt: skip


def score_pretrained(
    model: str | Path,
    corpus: str | Path,
    *,
    pairs: int = 1500,
    held_out: float | None = None,
    max_length: int | None = None,
    precision: Any = "auto",
) -> dict[str, Any]:
    """Return how well a model predicts held-out pairs of a corpus (`evaluation.evaluate` and `context_gain`).

    Relations are scored only if the folder has a relation head.

    Args:
        model: a folder that pretraining has written, or another model with a masked-language head.
        corpus: the folder of a corpus. Its held-out documents are those of any corpus with as many documents.
        pairs: number of pairs.
        held_out: share of the documents that were held out; None for that of the pretraining.
        max_length: word pieces per pair; None for that of the pretraining.
        precision: number format.

    Raises:
        RequestError: the model or the corpus cannot be read, or the corpus has no links between its documents.
    """
    from ..training.trainer import Trainer

    request: dict[str, Any] = {"model": model, "corpus": corpus, "pairs": pairs}
    require_kinds({**request, "held_out": held_out, "max_length": max_length}, _KINDS)
    opened, source = LinkedCorpus.open(Path(corpus)), find_model(str(model))
    if not len(opened.links.targets):
        raise RequestError(f"{opened.folder}: has no links, so that there are no linked pairs to score")
    tokenizer = load_tokenizer(source.path, words=False)
    loaded: Any = load_for_pretraining(source.path, whole=True)
    trained = _pretrained_with(source.path)
    most = longest_sequence(loaded)
    longest = max_length if max_length is not None else trained.get("max_length") or min(512, most)
    share = held_out if held_out is not None else trained.get("held_out") or PretrainOptions.held_out
    _check(pairs, share, longest, most)
    if trained and (trained.get("texts"), trained.get("held_out")) != (opened.report["texts_sha256"], share):
        _log.warning(
            "%s: was pretrained with other texts or another --held-out, and may know these documents", source.name
        )
    pieces = word_pieces(opened, tokenizer)
    segments = Segments.of(pieces.offsets, longest)
    held = held_out_documents(opened, share)
    trainer = Trainer(PRETRAINING, tokenizer, precision)
    trainer.move(loaded)
    common: Any = (PairFormat.of(tokenizer, loaded.config, trainer.device), pairs, _SEED)
    of_any_kind = PairSampler(segments, opened.links, PairOptions(), held, if_possible=True)
    every = PairExamples(pieces, segments, of_any_kind, *common)
    shares: Any = tuple(float(index == LINKED) for index in range(len(RELATIONS)))
    only_linked = PairSampler(segments, opened.links, PairOptions(shares), held)
    linked = PairExamples(pieces, segments, only_linked, *common, first_only=True)
    with trainer.working(), predicting_relations(loaded), running_packed(loaded):
        scores = evaluate(trainer, loaded, every)
        gain = context_gain(trainer, loaded, linked)
    if not (source.path / RELATION_HEAD).is_file():
        scores = {name: value for name, value in scores.items() if not name.startswith("relation")}
    request |= {"model": source.name, "corpus": str(corpus), "held_out": share, "max_length": longest}
    return {**request, "scores": scores, "context_gain": gain}


def _check(pairs: int, share: float, longest: int, most: int) -> None:
    problems = []
    if pairs < 1:
        problems.append(f"--pairs should be at least 1, found {pairs}")
    if not 0 < share < 1:
        problems.append(f"--held-out should be above 0 and below 1, found {share}")
    if not SMALLEST_LENGTH <= longest <= most:
        problems.append(
            f"--max-length should be from {SMALLEST_LENGTH} to the model's {most} positions, found {longest}"
        )
    if problems:
        raise RequestError(*problems)


def _pretrained_with(folder: Path) -> dict[str, Any]:
    """Return the settings with which the model in a folder was pretrained; nothing if that is not known."""
    return read_record(folder)["identity"] if (folder / RECORD).is_file() else {}
