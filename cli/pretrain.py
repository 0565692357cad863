"""`linkbert pretrain`: corpora with links, pretraining on them, and a demo of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..experiments.options import RunOptions
from ..training.stopping import obeying_signals
from . import options, pretrain_options
from .console import print_json, print_table, print_text, progress, set_up_logging
from .group import Group
from .pretraining_tables import print_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RUN = "run"


class PretrainGroup(Group):
    """Lets the name of a command be left out: `linkbert pretrain DIR` is `linkbert pretrain run DIR`."""

    default_command = _RUN

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name in front of arguments that begin with no command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PretrainGroup,
    help="Pretrain a model with document links, as LinkBERT was (Yasunaga et al. 2022).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("data")
def data_command(
    source: Annotated[Path, typer.Argument(help="PubMed XML, WikiExtractor's JSON, JSON lines, or HTML pages.")],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="The folder to write.")],
    links: Annotated[
        str, typer.Option("--links", metavar="KIND", help="own, tfidf (the nearest documents), or random (a control).")
    ] = "own",
    neighbours: Annotated[
        int, typer.Option("--neighbours", metavar="N", min=1, help="tfidf: number of nearest documents.")
    ] = 5,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Read documents with links, and write them as a corpus for pretraining.

    Example: linkbert pretrain data pubmed/ --output corpus
    """
    set_up_logging(quiet=quiet)
    from ..pretraining.writing import write_corpus

    report = write_corpus(source, output, links=links, neighbours=neighbours)
    if json:
        print_json(report)
        return
    _print_report(report)
    print_text(f"corpus {output}")


def _print_report(report: Mapping[str, Any]) -> None:
    rows = [
        (name.replace("_", " "), str(report[name]))
        for name in ("documents", "words", "links", "links_out", "self_links", "repeated_links", "without_links",
                     "without_in_links", "largest_in_degree", "empty", "replaced", "deleted", "equal_texts")
    ]  # fmt: skip
    print_table(("", "number"), rows)
    degrees = ", ".join(f"{degree}: {count}" for degree, count in report["in_degrees"].items())
    print_text(f"documents by in-degree: {degrees}")


@app.command(_RUN)
def run_command(
    context: typer.Context,
    corpus: pretrain_options.Corpus,
    start: pretrain_options.Start = None,
    config: pretrain_options.Config = None,
    tokenizer: pretrain_options.Tokenizer = None,
    vocabulary_size: pretrain_options.VocabularySize = 30_522,
    relations: pretrain_options.Relations = None,
    link_choice: pretrain_options.LinkChoice = "inverse-in-degree",
    linked_segment: pretrain_options.LinkedSegment = "any",
    random_may_be_linked: pretrain_options.RandomMayBeLinked = False,
    whole_words: pretrain_options.WholeWords = False,
    max_steps: pretrain_options.MaxSteps = None,
    max_tokens: pretrain_options.MaxTokens = None,
    batch_size: pretrain_options.BatchSize = 64,
    max_length: pretrain_options.MaxLength = None,
    learning_rate: pretrain_options.LearningRate = None,
    settings: pretrain_options.Settings = None,
    seed: pretrain_options.Seed = 42,
    held_out: pretrain_options.HeldOut = 0.02,
    evaluate_every: pretrain_options.EvaluateEvery = None,
    name: options.Name = None,
    overwrite: options.Overwrite = False,
    restart: options.Restart = False,
    checkpoint_every: options.CheckpointEvery = RunOptions.checkpoint_every,
    runs_dir: options.RunsDir = RunOptions.runs_dir,
    track: options.Track = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    precision: options.Precision = RunOptions.precision,
    per_device_batch_size: options.PerDevice = None,
) -> None:
    """Pretrain a model on a corpus with links. `linkbert pretrain DIR` is the same.

    Example: linkbert pretrain corpus --from pubmedbert-base --max-steps 10000

    Example: linkbert pretrain corpus --config tiny
    """
    set_up_logging(quiet=quiet)
    from ..pretraining.options import FIELDS, PretrainOptions
    from ..tasks.recipe import parse_setting

    values = {key: value for key, value in context.params.items() if key in FIELDS}
    values["settings"] = dict(map(parse_setting, settings or ()))
    _pretrain(PretrainOptions.of(**values), track or (), quiet=quiet, json=json)


def _pretrain(request: Any, track: Sequence[str] = (), *, quiet: bool, json: bool) -> dict[str, Any]:
    from ..experiments.trackers import make_trackers
    from ..pretraining.run import pretrain

    trackers = make_trackers(track)
    with obeying_signals(), progress(quiet=quiet) as reporters:
        record = pretrain(request, reporters=[*reporters, *trackers])
    if json:
        print_json(record)
    else:
        print_scores(record)
        print_text(f"model {record['run_dir']}")
    return record


@app.command("eval")
def eval_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A pretrained model's folder, or another encoder.")],
    corpus: Annotated[Path, typer.Argument(metavar="DIR", help="A corpus with links.")],
    pairs: Annotated[int, typer.Option("--pairs", metavar="N", min=10, help="Number of pairs.")] = 1500,
    held_out: Annotated[
        float | None,
        typer.Option("--held-out", metavar="SHARE", help="Share that was held out; the pretraining's."),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option("--max-length", metavar="N", help="Word pieces per pair; the pretraining's.")
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    precision: options.Precision = RunOptions.precision,
) -> None:
    """Score a pretrained model on held-out pairs, and measure what a linked document tells it about another one.

    Example: linkbert pretrain eval runs/pretrain/tiny-corpus-seed-42 corpus
    """
    set_up_logging(quiet=quiet)
    from ..pretraining.scoring import score_pretrained

    found = score_pretrained(model, corpus, pairs=pairs, held_out=held_out, max_length=max_length, precision=precision)
    if json:
        print_json(found)
        return
    rows = [(name.replace("_", " "), f"{value:.2f}") for name, value in found["scores"].items()]
    print_table((f"{pairs} held-out pairs", found["model"]), rows)
    gain = found["context_gain"]
    if gain:
        interval = (
            "one held-out document, which gives no interval"
            if gain["low"] is None
            else f"95% interval {gain['low']:.4f} to {gain['high']:.4f}, {gain['documents']} held-out documents"
        )
        print_text(
            f"the cross entropy of a held-out word is {gain['gain']:.4f} nats lower beside a linked document than "
            f"beside another ({interval})"
        )


@app.command("speed")
def speed_command(
    corpus: pretrain_options.Corpus,
    start: pretrain_options.Start = None,
    config: pretrain_options.Config = None,
    tokenizer: pretrain_options.Tokenizer = None,
    batch_size: pretrain_options.BatchSize = 32,
    max_length: pretrain_options.MaxLength = None,
    updates: Annotated[int, typer.Option("--updates", metavar="N", min=1, help="Updates of a round.")] = 8,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=1, help="Rounds of each contender.")] = 3,
    quiet: options.Quiet = False,
    json: options.Json = False,
    precision: options.Precision = RunOptions.precision,
) -> None:
    """Compare the speed of pretraining with that of masked language modelling in transformers' Trainer.

    Example: linkbert pretrain speed corpus --from minilm
    """
    set_up_logging(quiet=quiet)
    from ..pretraining.options import PretrainOptions
    from ..pretraining.speed import measure_pretraining
    from .speed import show_comparison, show_round

    request = PretrainOptions(
        corpus, start=start, config=config, tokenizer=tokenizer, batch_size=batch_size, max_length=max_length,
        precision=precision,
    )  # fmt: skip
    found = measure_pretraining(request, updates=updates, rounds=rounds, on_round=None if quiet else show_round)
    if json:
        print_json(found.as_json())
    else:
        show_comparison(found)


@app.command("demo")
def demo_command(
    folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="The folder to write.")] = Path(
        "linkbert-pretraining-demo"
    ),
    max_steps: Annotated[int, typer.Option("--max-steps", metavar="N", help="Updates.")] = 1000,
    seed: pretrain_options.Seed = 42,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Pretrain a tiny LinkBERT on a small synthetic corpus with links, in a few minutes and without a network.

    Example: linkbert pretrain demo
    """
    set_up_logging(quiet=quiet)
    from ..corpora.synthetic_links import write_synthetic_links
    from ..pretraining.options import PretrainOptions
    from ..pretraining.writing import write_corpus

    source, corpus = folder / "documents.jsonl", folder / "corpus"
    if not corpus.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_synthetic_links(source)
        report = write_corpus(source, corpus)
        if not json:
            _print_report(report)
    request = PretrainOptions(
        corpus, config="tiny", vocabulary_size=500, max_length=64, batch_size=64, max_steps=max_steps, held_out=0.1,
        learning_rate=2e-3, evaluate_every=200, runs_dir=folder / "runs", name="linkbert-tiny", seed=seed,
        settings={"dropout": 0.0, "attention_dropout": 0.0},
    )  # fmt: skip
    record = _pretrain(request, quiet=quiet, json=json)
    if not json:
        print_text(f"fine-tune it, e.g.: linkbert finetune gad --model {record['run_dir']}")
