"""A comparison of two rows as lines of text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from ..escaping import latex_text, markdown_line, markdown_text
from .aggregate import TYPE_TASKS
from .comparison import Comparison, Difference
from .layout import TYPE_TITLES, title_of

_HEADERS = ["on", "diff", "95% interval", "p", "p Holm", "detectable", "verdict"]


def titled(found: Comparison) -> list[tuple[str, str, Difference]]:
    """Return (name, title, difference) of each dataset, each task type of several datasets, and the BLURB score."""
    lines = [(name, title_of(name), difference) for name, difference in found.datasets.items()]
    lines += [
        (name, f"{TYPE_TITLES[name]} (mean)", difference)
        for name, difference in found.types.items()
        if len(TYPE_TASKS[name]) > 1
    ]
    return lines if found.blurb is None else [*lines, ("blurb", "BLURB score", found.blurb)]


def comparison_lines(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headers and lines: the datasets, the task types that have several, and the BLURB score."""
    others = list(found.other_sources)
    lines = []
    for name, title, difference in titled(found):
        *numbers, verdict = _line(title, difference)
        lines.append([*numbers, *(_signed(found.other_sources[other].get(name)) for other in others), verdict])
    return [*_HEADERS[:-1], *others, _HEADERS[-1]], lines


def _line(title: str, found: Difference) -> list[str]:
    return [
        title,
        _signed(found.difference),
        "" if found.ci is None else f"{found.ci[0]:+.2f} to {found.ci[1]:+.2f}",
        _p(found.p),
        _p(found.p_corrected),
        "" if found.detectable is None else f"{found.detectable:.2f}",
        short_verdict(found.verdict),
    ]


def short_verdict(verdict: str) -> str:
    """Return a verdict for a table: without `with these data`, and without a reason, which may be long."""
    return verdict.removesuffix(" with these data").split(":")[0]


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _p(value: float | None) -> str:
    return "" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def method_lines(found: Comparison) -> Iterator[str]:
    """Yield the outcome in one sentence, and how the numbers were computed."""
    yield found.sentence
    yield f"Method: {found.method}."
    if any(difference.p is not None for difference in found.datasets.values()):
        yield (
            "Verdicts on datasets rest on the p-value after Holm's correction, at the 5% level; intervals are not "
            "corrected. `detectable` is the smallest true difference that this test alone would find with 80% power, "
            "before Holm's correction, and is itself an estimate."
        )
    yield from found.remarks
    for other in found.other_sources:
        yield f"The column {other} has the difference that this publication prints for the same models."
    for name, reason in found.refused.items():
        yield f"not compared: {name}: {reason}"


def comparison_latex(found: Comparison) -> str:
    """Return the comparison as a LaTeX table for the package booktabs, with its method as a comment."""
    headers, lines = comparison_lines(found)
    rows = [" & ".join(map(latex_text, line)) + " \\\\" for line in [headers, *lines]]
    return "\n".join(
        [
            *(f"% {latex_text(line)}" for line in (f"{found.a} minus {found.b}", *method_lines(found))),
            f"\\begin{{tabular}}{{l{'r' * (len(headers) - 2)}l}}",
            "\\toprule",
            rows[0],
            "\\midrule",
            *rows[1:],
            "\\bottomrule",
            "\\end{tabular}",
            "",
        ]
    )


def comparison_markdown(found: Comparison) -> str:
    """Return the comparison as a Markdown table with its explanation."""
    headers, lines = comparison_lines(found)
    table = [headers, ["---", *("---:" for _ in headers[1:-1]), "---"], *lines]
    text = "".join(markdown_line(line) + "\n" for line in table)
    title = f"{markdown_text(found.a)} minus {markdown_text(found.b)}\n\n"
    return title + text + "".join(f"\n{markdown_text(line)}\n" for line in method_lines(found))
