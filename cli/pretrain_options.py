"""The options of `linkbert pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

_PAIRS, _MODEL, _TRAINING = "Pairs", "Model", "Training"


def _option(flag: str, help_text: str, panel: str, metavar: str | None = None, **further: Any) -> Any:
    return typer.Option(flag, help=help_text, rich_help_panel=panel, metavar=metavar, **further)


Corpus = Annotated[Path, typer.Argument(metavar="DIR", help="A corpus that `linkbert pretrain data` wrote.")]
Start = Annotated[str | None, _option("--from", "Continue this model's pretraining.", _MODEL, "MODEL")]
Config = Annotated[
    str | None, _option("--config", "From scratch: tiny, base, large, or a configuration.", _MODEL, "SIZE|FILE")
]
Tokenizer = Annotated[
    str | None, _option("--tokenizer", "From scratch: whose tokenizer; one is made by default.", _MODEL, "MODEL")
]
VocabularySize = Annotated[
    int, _option("--vocabulary-size", "Word pieces of a tokenizer that is made; at least 100.", _MODEL, "N")
]
Relations = Annotated[
    str | None,
    _option(
        "--relations", "contiguous, random, linked; all by default. NAME=WEIGHT for other shares.", _PAIRS, "R,R,..."
    ),
]
LinkChoice = Annotated[
    str, _option("--link-choice", "Which linked document: inverse-in-degree (the paper), or uniform.", _PAIRS, "HOW")
]
LinkedSegment = Annotated[
    str, _option("--linked-segment", "Which segment of it: any, or first (the paper does not say).", _PAIRS, "WHICH")
]
RandomMayBeLinked = Annotated[
    bool, _option("--random-may-be-linked", "Let a random document be one that is linked.", _PAIRS)
]
WholeWords = Annotated[bool, _option("--whole-words", "Mask all pieces of a word together (Gu et al. 2021).", _PAIRS)]
MaxSteps = Annotated[
    int | None,
    _option("--max-steps", "Updates; by default, as many pairs as segments.", _TRAINING, "N"),
]
MaxTokens = Annotated[
    int | None, _option("--max-tokens", "Tokens to train on, instead of --max-steps.", _TRAINING, "N")
]
BatchSize = Annotated[int, _option("--batch-size", "Pairs per update.", _TRAINING, "N")]
MaxLength = Annotated[int | None, _option("--max-length", "Word pieces per pair; 512 by default.", _TRAINING, "N")]
LearningRate = Annotated[
    float | None,
    _option(
        "--learning-rate",
        "The highest rate; by default the paper's, times the square root of the batches' ratio.",
        _TRAINING,
        "RATE",
    ),
]
Settings = Annotated[
    list[str] | None, _option("--set", "Another setting, e.g. warmup=0.05; repeatable.", _TRAINING, "KEY=VALUE")
]
Seed = Annotated[int, _option("--seed", "The seed.", _TRAINING, "N")]
HeldOut = Annotated[float, _option("--held-out", "Share of the documents for evaluation.", _TRAINING, "SHARE")]
EvaluateEvery = Annotated[
    int | None,
    _option(
        "--evaluate-every", "Updates between evaluations; by default, they take a tenth of the time.", _TRAINING, "N"
    ),
]
