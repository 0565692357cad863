"""Functions that escape untrusted text before it is written to a terminal, JSON, Markdown, LaTeX or CSV.

Such text comes from corpora, model folders and result files. It must be shown as it is and must have no other effect.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any

# Control characters except tab and line feed; U+2028 and U+2029, which some programs read as the end of a line; marks
# that change the direction of text; and lone surrogates, which cannot be encoded as UTF-8 (Python represents file names
# that are not UTF-8 with them).
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*\[\]|]")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
# Spreadsheet programs take a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def visible(text: str) -> str:
    r"""Return text with control and direction characters written as escapes, e.g. `\x1b`; line feeds and tabs stay."""
    return _ACTIVE.sub(_spelled, text)


def to_json_text(document: Any, indent: int | None = None) -> str:
    """Return a document as strict JSON that is safe to print on a terminal; parsing it gives the same document.

    Args:
        document: anything that `json.dumps` accepts.
        indent: number of spaces per level; None writes everything on one line.

    Raises:
        ValueError: the document contains a NaN or an infinity, which strict JSON cannot express.
    """
    text = json.dumps(document, indent=indent, allow_nan=False, ensure_ascii=False)
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def markdown_text(text: str) -> str:
    """Return text for a cell of a Markdown table: one line, with HTML, `|` and most Markdown characters escaped."""
    escaped = html.escape(visible(text).replace("\n", " "), quote=False)
    return _MARKDOWN.sub(lambda found: "\\" + found[0], escaped)


def markdown_line(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table, with its cells escaped."""
    return "| " + " | ".join(map(markdown_text, cells)) + " |"


def latex_text(text: str) -> str:
    """Return text for LaTeX, on one line, with every special character escaped."""
    return "".join(_LATEX.get(character, character) for character in visible(text).replace("\n", " "))


def csv_text(text: str) -> str:
    """Return text for a cell of a CSV file; an apostrophe in front keeps a spreadsheet from running it as a formula."""
    text = visible(text)
    return "'" + text if text.startswith(_FORMULA) else text


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
