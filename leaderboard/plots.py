"""Pictures of the leaderboard: scores with their confidence intervals, and differences of two rows.

A picture for a paper has fixed colours. One for the page takes its colours from the page, so that it follows the theme:
`themed` replaces the colours of the drawing by names that the page defines.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .board import Board
from .comparison import Comparison
from .comparison_formats import short_verdict, titled
from .layout import Column, columns, name_text, shown_rows, source_text
from .rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that differ in brightness too, for people who see few colours and for print (Okabe and Ito 2008).
INK, MUTED, GRID, MEASURED, PUBLISHED = "#1a1a1a", "#666666", "#dddddd", "#0072b2", "#d55e00"
CURVES = (MEASURED, PUBLISHED, "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
# The same colours as the page calls them.
_THEME = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)", MEASURED: "var(--measured)"}
_THEME |= {PUBLISHED: "var(--published)"}
_LEGEND = "dot: mean; thick line: 95% confidence interval; thin line: one standard deviation over seeds, each side"
_ROW_HEIGHT, _PANEL_WIDTH = 0.26, 3.4  # inches
_PER_LINE = 3  # panels side by side
_DPI = 200
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"(?: (?:width|height)="[\d.]+pt")?')
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


def board_plot(board: Board, file_format: str) -> bytes:
    """Draw one panel per dataset in which there are measured rows: a dot per row, with its 95% interval.

    Published rows without an interval are hollow dots; where deviations over seeds are printed, a thin line shows one
    deviation on each side.

    Args:
        board: the leaderboard.
        file_format: `svg` or `png`.
    """
    shown = [column for column in columns(board, detail=True) if _is_drawn(column, board)]
    board = shown_rows(board, detail=True)
    figure = _figure(len(shown), len(board.rows))
    for place, column in enumerate(shown):
        lines = -(-len(shown) // _PER_LINE)
        axes = figure.add_subplot(lines, min(_PER_LINE, len(shown)), place + 1)
        draw_column(axes, column, board.rows)
    figure.supxlabel(_LEGEND, color=MUTED, fontsize=7)
    return saved(figure, file_format)


def _is_drawn(column: Column, board: Board) -> bool:
    rows = [row for row in board.rows if row.results] or board.rows
    return any(column.cell(row) for row in rows)


def _figure(panels: int, rows: int) -> Figure:
    from matplotlib.figure import Figure

    across, down = min(_PER_LINE, max(1, panels)), -(-max(1, panels) // _PER_LINE)
    size = (across * _PANEL_WIDTH + 0.6, down * (max(2, rows) * _ROW_HEIGHT + 0.9))
    return Figure(figsize=size, layout="constrained")


def draw_column(axes: Axes, column: Column, rows: Sequence[Row]) -> None:
    """Draw the scores of one column, best on top.

    Args:
        axes: where to draw.
        column: the column.
        rows: the rows; those without a score are left out.
    """
    found = sorted(((cell.mean, row, cell) for row in rows if (cell := column.cell(row))), key=lambda item: item[0])
    for height, (mean, row, cell) in enumerate(found):
        colour = MEASURED if row.results else PUBLISHED
        if cell.ci is not None:
            axes.plot(cell.ci, [height, height], color=colour, linewidth=2.2, solid_capstyle="butt")
        elif cell.std is not None:
            axes.plot([mean - cell.std, mean + cell.std], [height, height], color=colour, linewidth=0.9)
        filled = colour if cell.ci is not None else "white"
        axes.plot([mean], [height], "o", markersize=5, color=colour, markerfacecolor=filled)
    labels = [f"{name_text(row)} ({source_text(row)})" if row.publication else name_text(row) for _, row, _ in found]
    axes.set_yticks(range(len(found)), labels)
    axes.set_ylim(-0.6, max(len(found), 2) - 0.4)
    axes.set_title(column.title)
    style(axes)


def style(axes: Axes) -> None:
    """Give a panel the look that all pictures share."""
    axes.title.set(color=INK, fontsize=9, fontweight="bold")
    axes.tick_params(colors=INK, labelsize=7, length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def column_plot(column: Column, rows: Sequence[Row], file_format: str) -> bytes:
    """Draw one column of the board: a dot per row with its interval.

    Args:
        column: the column.
        rows: the rows to draw.
        file_format: `svg` or `png`.
    """
    figure = _figure(1, len(rows))
    draw_column(figure.add_subplot(), column, rows)
    return saved(figure, file_format)


def comparison_plot(found: Comparison, file_format: str) -> bytes:
    """Draw the differences of two rows with their 95% intervals, one line per dataset, task type and BLURB score."""
    lines = [(title, found.difference, found) for _, title, found in titled(found) if found.difference is not None][
        ::-1
    ]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, max(2, len(lines)) * _ROW_HEIGHT * 1.3 + 1.1), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color=MUTED, linewidth=1)
    for height, (_, value, difference) in enumerate(lines):
        colour = {"ahead": MEASURED, "behind": PUBLISHED}.get(difference.verdict, MUTED)
        if difference.ci is not None:
            axes.plot(difference.ci, [height, height], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([value], [height], "o", markersize=5, color=colour)
        axes.annotate(
            short_verdict(difference.verdict),
            (1.02, height),
            xycoords=("axes fraction", "data"),
            va="center",
            color=colour,
            fontsize=7,
        )
    axes.set_yticks(range(len(lines)), [title for title, _, _ in lines])
    axes.set_ylim(-0.6, max(len(lines), 2) - 0.4)
    axes.set_title(f"{found.a} minus {found.b}")
    axes.set_xlabel(
        "difference with its 95% confidence interval; verdicts are corrected for the number of datasets",
        color=MUTED,
        fontsize=7,
    )
    style(axes)
    return saved(figure, file_format)


def saved(figure: Figure, file_format: str) -> bytes:
    """Return a figure as a file. The same figure gives the same bytes.

    Args:
        figure: the figure.
        file_format: `svg` or `png`.
    """
    import matplotlib

    buffer = io.BytesIO()
    # Text stays text in SVG, so that it can be selected and read aloud; ids must not be random.
    options: Any = {"svg.fonttype": "none", "svg.hashsalt": "linkbert", "font.family": "DejaVu Sans"}
    with matplotlib.rc_context(options):
        metadata = {"Date": None} if file_format == "svg" else {"Software": None}
        figure.savefig(buffer, format=file_format, dpi=_DPI, metadata=metadata)
    return buffer.getvalue()


def themed(svg: bytes, name: str, label: str) -> str:
    """Return an SVG picture for the page: with the page's colours, ids of its own, and a label for screen readers.

    Args:
        svg: the picture.
        name: a name that no other picture of the page has.
        label: what the picture shows.
    """
    text = svg.decode()
    text = _SIZE.sub("", text[text.index("<svg") :], count=1)
    text = text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
    text = _ID.sub(rf"\g<1>{name}-", _METADATA.sub("", text))
    for colour, variable in _THEME.items():
        text = text.replace(colour, variable)
    return text.replace("#ffffff", "var(--paper)").replace("fill: white", "fill: var(--paper)")
