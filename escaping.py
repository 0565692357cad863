"""Text from outside on its way to a terminal, a document or a table: it shows itself and does nothing."""

from __future__ import annotations

import html
import json
import re
from typing import Any

# Control characters but tab and line feed, the separators that end lines for some readers, marks that turn text, and
# halves of characters, which no output takes (a file's name that is not UTF-8 has them).
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*\[\]|]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def visible(text: str) -> str:
    r"""Spell characters that would steer a terminal or turn a line, e.g. `\x1b`; line feeds and tabs stay."""
    return _ACTIVE.sub(_spelled, text)


def to_json_text(document: Any, indent: int | None = None) -> str:
    """Serialise a document as strict JSON that a terminal can show; any reader gets the document back.

    Raises:
        ValueError: a NaN or an infinity in it.
    """
    text = json.dumps(document, indent=indent, allow_nan=False, ensure_ascii=False)
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def markdown_text(text: str) -> str:
    """Escape text for a cell of a Markdown table: no markup, no HTML, no new column or line."""
    escaped = html.escape(visible(text).replace("\n", " "), quote=False)
    return _MARKDOWN.sub(lambda found: "\\" + found[0], escaped)


def csv_text(text: str) -> str:
    """Keep a cell of text from being a formula in a spreadsheet, by an apostrophe before it."""
    text = visible(text)
    return "'" + text if text.startswith(_FORMULA) else text


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
