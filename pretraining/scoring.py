"""Scoring a model that pretraining has written, or any encoder with a masked-language head, on a corpus with links."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import RequestError
from ..models.packed import running_packed
from ..models.sources import find_model
from ..models.tokenizer_loading import load_tokenizer
from .corpus import LinkedCorpus
from .evaluation import context_gain, evaluate
from .examples import PairExamples, PairFormat
from .objective import PRETRAINING, RELATION_HEAD, load_for_pretraining, predicting_relations
from .options import PretrainOptions
from .pairs import LINKED, RELATIONS, PairOptions, PairSampler
from .plan import held_out_documents
from .run import RECORD
from .segments import Segments, word_pieces

_SEED = 1


@dataclass(frozen=True)
class ScoreOptions:
    """A request to score a pretrained model.

    Attributes:
        model: a folder that pretraining has written, or another model with a masked-language head.
        corpus: the folder of a corpus. Its held-out documents are those of any corpus with as many documents.
        pairs: number of pairs.
        held_out: share of the documents that were held out; None for that of the pretraining.
        max_length: word pieces per pair; None for that of the pretraining.
        precision: number format.
    """

    model: str
    corpus: Path
    pairs: int = 1500
    held_out: float | None = None
    max_length: int | None = None
    precision: Any = "auto"


def score_pretrained(options: ScoreOptions) -> dict[str, Any]:
    """Return how well a model predicts held-out pairs of a corpus (`evaluation.evaluate` and `context_gain`).

    Relations are scored only if the folder has a relation head.

    Raises:
        RequestError: the model or the corpus cannot be read, or the corpus has no links between its documents.
    """
    from safetensors.torch import load_file

    from ..training.trainer import Trainer

    corpus, source = LinkedCorpus.open(options.corpus), find_model(options.model)
    tokenizer = load_tokenizer(source.path, words=False)
    model: Any = load_for_pretraining(source.path)
    head = source.path / RELATION_HEAD
    if head.is_file():
        model.relation.load_state_dict(load_file(head))
    record = read_json(source.path / RECORD, OWN_LIMIT) if (source.path / RECORD).is_file() else {}
    trained = record.get("identity", {}) if isinstance(record, dict) else {}
    max_length = options.max_length or trained.get("max_length") or 512
    share = options.held_out or trained.get("held_out") or PretrainOptions.held_out
    pieces = word_pieces(corpus, tokenizer)
    segments = Segments.of(pieces.offsets, max_length)
    held = held_out_documents(len(corpus), share)
    if not len(corpus.links.targets):
        raise RequestError(f"{corpus.folder}: has no links, so that there are no linked pairs to score")
    trainer = Trainer(PRETRAINING, tokenizer, options.precision)
    trainer.move(model)
    common: Any = (PairFormat.of(tokenizer, model.config, trainer.device), options.pairs, _SEED)
    of_any_kind = PairSampler(segments, corpus.links, PairOptions(), held, if_possible=True)
    every = PairExamples(pieces, segments, of_any_kind, *common)
    shares: Any = tuple(float(index == LINKED) for index in range(len(RELATIONS)))
    only_linked = PairSampler(segments, corpus.links, PairOptions(shares), held)
    linked = PairExamples(pieces, segments, only_linked, *common, second_only=True)
    with trainer.working(), predicting_relations(model), running_packed(model):
        scores = evaluate(trainer, model, every)
        gain = context_gain(trainer, model, linked)
    if not head.is_file():
        scores = {name: value for name, value in scores.items() if not name.startswith("relation")}
    return {
        "model": source.name,
        "request": {**asdict(options), "corpus": str(options.corpus)},
        "scores": scores,
        "context_gain": gain,
    }
