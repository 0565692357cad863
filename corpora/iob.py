"""Token-per-line corpora: BLURB's and MTL's NER files, and BLURB's EBM PICO."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import RequestError
from .lines import read_lines, split_columns
from .sources import Format, Row, named_files

_BLURB_FILES = {split: (f"{split}.tsv", f"{split}.tsv.gz") for split in ("train", "dev", "test")}
_MAX_TOKENS = 100_000  # of a sentence; the longest real abstract has a hundredth of it
_MTL_FILES = {"train": ("train.tsv",), "dev": ("devel.tsv",), "test": ("test.tsv",)}


def bare_tag(tag: str, types: Mapping[str, str]) -> str:
    """Reduce `B-Disease` to `B`; the prepared NER files carry no type.

    Raises:
        ValueError: neither `O`, `B`, `I` nor one of these with a known type.
    """
    prefix, dash, kind = tag.partition("-")
    if tag in ("O", "B", "I") or (prefix in ("B", "I") and dash and kind in types):
        return prefix
    known = ", ".join(f"B-{name}" for name in types)
    raise ValueError(f"tag {tag!r} is not in the task's set (O, B, I or typed: {known})")


def begin_tag(tag: str, types: Mapping[str, str]) -> str:
    """Write `I-PAR` as `B-PAR`: every labelled PICO word stands by itself.

    Raises:
        ValueError: neither `O` nor `I-` or `B-` with a known type.
    """
    prefix, _, kind = tag.partition("-")
    if tag == "O":
        return tag
    if prefix in ("B", "I") and kind in types:
        return f"B-{kind}"
    raise ValueError(f"tag {tag!r} is not in the task's set (O, {', '.join(f'I-{name}' for name in types)})")


def ner_formats(types: Mapping[str, str]) -> tuple[Format, ...]:
    """Formats of an NER corpus whose typed tags use these types (type in the files -> type of the task)."""
    read = _reader(lambda tag: bare_tag(tag, types))
    return (
        Format("BLURB token TSV", named_files(_BLURB_FILES), read),
        Format("MTL typed IOB", named_files(_MTL_FILES, inside=("mtl",)), read),
    )


def pico_formats(types: Mapping[str, str]) -> tuple[Format, ...]:
    """The format of BLURB's EBM PICO files."""
    return (Format("BLURB token TSV", named_files(_BLURB_FILES), _reader(lambda tag: begin_tag(tag, types))),)


def _reader(normalise: Callable[[str], str]) -> Callable[[tuple[Path, ...], str], Iterator[Row]]:
    def read(files: tuple[Path, ...], split: str) -> Iterator[Row]:
        return read_iob(files[0], normalise)

    return read


def read_iob(path: Path, normalise: Callable[[str], str]) -> Iterator[Row]:
    """Yield one prepared row a sentence: `tokens`, `ner_tags`, and a running number as `id`.

    A blank line or a `-DOCSTART-` line ends a sentence; document lines of any shape are no tokens.

    Raises:
        RequestError: a line without exactly two columns, an empty token or a tag outside the set.
    """
    tokens: list[str] = []
    tags: list[str] = []
    count = 0
    for number, line in read_lines(path):
        line = line.strip()
        if line and not line.startswith("-DOCSTART-"):
            token, tag = split_columns(path, number, line, ("token", "tag"))
            try:
                tags.append(normalise(tag))
            except ValueError as error:
                raise RequestError(f"{path}:{number}: {error}") from error
            tokens.append(token)
            if len(tokens) > _MAX_TOKENS:
                raise RequestError(f"{path}:{number}: {_MAX_TOKENS} tokens without a blank line; this is no sentence")
        elif tokens:
            yield {"tokens": tokens, "ner_tags": tags, "id": str(count)}
            tokens, tags = [], []
            count += 1
    if tokens:
        yield {"tokens": tokens, "ner_tags": tags, "id": str(count)}
