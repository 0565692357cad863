"""Token-per-line corpora: BLURB's and MTL's NER files, and BLURB's EBM PICO."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import RequestError
from .lines import read_lines, split_columns
from .sources import Format, Row, named_files

_BLURB_FILES = {split: (f"{split}.tsv", f"{split}.tsv.gz") for split in ("train", "dev", "test")}
_MAX_TOKENS = 100_000  # tokens of one sentence, a hundred times as many as the longest abstract has
_MTL_FILES = {"train": ("train.tsv",), "dev": ("devel.tsv",), "test": ("test.tsv",)}


def prepared_tag(tag: str, types: Mapping[str, str]) -> str:
    """Return a tag as the prepared format spells it.

    The benchmark's NER files have one entity type each, and their prepared form carries no type: `B-Disease` becomes
    `B`. A corpus with several types of its own keeps them: `B-GENE` becomes `B-Gene`.

    Args:
        tag: a bare tag (`B`) or a typed one (`B-GENE`).
        types: entity type in the source's tags -> the task's own type.

    Raises:
        ValueError: the tag has an unknown prefix or type, or has no type where several types are possible.
    """
    prefix, dash, kind = tag.partition("-")
    several = len(set(types.values())) > 1
    if tag == "O" or (tag in ("B", "I") and not several):
        return tag
    if prefix in ("B", "I") and dash and kind in types:
        return f"{prefix}-{types[kind]}" if several else prefix
    known = ", ".join(f"B-{name}" for name in types)
    raise ValueError(f"tag {tag!r} is not in the task's set ({'O or' if several else 'O, B, I or'} typed: {known})")


def begin_tag(tag: str, types: Mapping[str, str]) -> str:
    """Return `B-PAR` for `I-PAR`, because the score treats each labelled PICO word by itself.

    Raises:
        ValueError: the tag is neither `O` nor `I-` or `B-` with a known type.
    """
    prefix, _, kind = tag.partition("-")
    if tag == "O":
        return tag
    if prefix in ("B", "I") and kind in types:
        return f"B-{kind}"
    raise ValueError(f"tag {tag!r} is not in the task's set (O, {', '.join(f'I-{name}' for name in types)})")


def ner_formats(types: Mapping[str, str]) -> tuple[Format, ...]:
    """Return the original formats of an NER corpus.

    Args:
        types: entity type in the source's tags -> the task's own type.
    """
    read = _reader(lambda tag: prepared_tag(tag, types))
    return (
        Format("BLURB token TSV", named_files(_BLURB_FILES), read),
        Format("MTL typed IOB", named_files(_MTL_FILES, inside=("mtl",)), read),
    )


def pico_formats(types: Mapping[str, str]) -> tuple[Format, ...]:
    """Return the original format of EBM PICO, as BLURB's scripts write it."""
    return (Format("BLURB token TSV", named_files(_BLURB_FILES), _reader(lambda tag: begin_tag(tag, types))),)


def _reader(normalise: Callable[[str], str]) -> Callable[[tuple[Path, ...], str], Iterator[Row]]:
    def read(files: tuple[Path, ...], split: str) -> Iterator[Row]:
        return read_iob(files[0], normalise)

    return read


def read_iob(path: Path, normalise: Callable[[str], str]) -> Iterator[Row]:
    """Yield one prepared row per sentence, with `tokens`, `ner_tags`, and a running number as `id`.

    A blank line or a `-DOCSTART-` line ends a sentence. Document lines come in three shapes, and none of them is a
    token.

    Args:
        path: the file.
        normalise: turns a tag of the file into a tag of the prepared format, or raises ValueError.

    Raises:
        RequestError: a line does not have exactly two columns, or its tag is outside the set.
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
