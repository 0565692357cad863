"""The comparison of two rows: differences, how sure they are, and a verdict in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .aggregate import TYPE_TASKS
from .marks import unbeaten_baseline
from .numbers import Interval, Paired, PairedDifferences
from .rows import Cell, Row
from .seed_noise import replicated_variance
from .significance import ALPHA, Mean, holm, weighted, welch
from .uncertainty import Uncertainty

AHEAD, BEHIND, SAME = "ahead", "behind", "cannot be told apart with these data"
RUNS_DIFFER = "these two runs differ: nothing is known of other seeds"
INSIDE = "the published score lies inside the interval"
ABOVE, BELOW = "the published score lies above the interval", "the published score lies below the interval"
NOT_TESTED = "cannot be tested"  # the reason follows after a colon


@dataclass(frozen=True)
class Difference:
    """The difference of two rows on one task, task type, or the BLURB score.

    Attributes:
        difference: first minus second, x100; None if one of them has no score.
        ci: its 95% confidence interval.
        p: p-value of the test; None if there is none.
        p_corrected: the p-value after Holm's correction over the datasets; that of types and BLURB is not corrected.
        detectable: the smallest true difference that would be found with 80% power.
        verdict: how the first stands beside the second.
    """

    difference: float | None
    ci: Interval | None
    p: float | None
    p_corrected: float | None
    detectable: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """The comparison of two rows.

    Attributes:
        a: the first row's name.
        b: the second row's name.
        paired: whether both were tested on the same examples.
        method: how the p-values were computed, in words.
        datasets: task -> difference.
        types: BLURB task type -> difference.
        blurb: difference of the BLURB scores; None unless both are complete.
        other_sources: publication -> differences (dataset or `blurb` -> number) that it prints for the same models.
        refused: tasks that could not be compared, with the reason.
        remarks: what else a reader must know, such as rows that do not beat a constant prediction.
    """

    a: str
    b: str
    paired: bool
    method: str
    datasets: Mapping[str, Difference]
    types: Mapping[str, Difference]
    blurb: Difference | None
    other_sources: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        if self.blurb is not None:
            return f"{self.a} beside {self.b}: {self.blurb.verdict} (BLURB score {_signed(self.blurb)})"
        verdicts: dict[str, list[str]] = {}
        for name, found in self.datasets.items():
            verdicts.setdefault(found.verdict, []).append(name)
        return f"{self.a} beside {self.b}: " + "; ".join(f"{v} ({', '.join(names)})" for v, names in verdicts.items())


def _signed(found: Difference) -> str:
    text = f"{found.difference:+.2f}"
    return text if found.ci is None else f"{text}, 95% interval {found.ci[0]:+.2f} to {found.ci[1]:+.2f}"


def compare_rows(pairs: Iterable[tuple[Row, Row]], uncertainty: Uncertainty) -> list[Comparison]:
    """Compare pairs of rows, first beside second.

    Two measured rows are tested on the same examples. Other pairs are tested by Welch's test where the deviations over
    seeds of both are known; else a published score is only held against the interval of the measured one.

    Args:
        pairs: pairs of rows.
        uncertainty: of all measured rows.
    """
    pairs = list(pairs)
    measured = [(a.key, b.key) for a, b in pairs if a.results and b.results]
    found = uncertainty.differences(measured)
    compared = [
        _paired(a, b, found[a.key, b.key], uncertainty) if a.results and b.results else _unpaired(a, b)
        for a, b in pairs
    ]
    return [replace(one, remarks=tuple(_remarks(one, *pair))) for one, pair in zip(compared, pairs, strict=True)]


def _remarks(found: Comparison, a: Row, b: Row) -> Iterator[str]:
    for row in (a, b):
        yield from _about_single_runs(found, row, b if row is a else a)
        unbeaten = dict.fromkeys(
            result.task for result in row.results if result.task in found.datasets and unbeaten_baseline(result)
        )
        if unbeaten:
            yield f"{row.key} has runs that do not beat a constant prediction ({', '.join(unbeaten)})"


def _about_single_runs(found: Comparison, row: Row, other: Row) -> Iterator[str]:
    """Say where the noise of the seeds comes from on tasks on which a row has one run."""
    if not (row.results and found.paired):
        return
    sources: dict[str, list[str]] = {}
    for name in found.datasets:
        if row.tasks[name].n == 1:
            if (other.tasks[name].n or 1) > 1:
                source = "counted as that of the other row"
            elif replicated_variance(name, row.model) is not None:
                source = "taken from the replication with ten seeds (INDUS)"
            else:
                source = "unknown, and counted as none"
            sources.setdefault(source, []).append(name)
    for source, names in sources.items():
        yield f"{row.key} has one run on {', '.join(names)}: the noise of its seeds is {source}"


def _paired(a: Row, b: Row, found: PairedDifferences, uncertainty: Uncertainty) -> Comparison:
    corrected = holm({name: paired.p for name, paired in found.tasks.items()})
    datasets: dict[str, Difference] = {}
    refused: dict[str, str] = {}
    for name in (name for name in a.tasks if name in b.tasks):
        if name in found.tasks:
            datasets[name] = _of_paired(found.tasks[name], corrected[name])
        else:
            refused[name] = _reason(a, b, name, uncertainty)
            difference = a.tasks[name].mean - b.tasks[name].mean
            datasets[name] = Difference(difference, None, None, None, None, f"not compared: {refused[name]}")
    method = "paired, on the same examples: approximate randomisation with the noise of the seeds"
    if found.tasks and not any(paired.seeds for paired in found.tasks.values()):
        method = "paired, on the same examples: exact McNemar test for accuracy, else approximate randomisation"
    types = {name: _of_paired(paired, None) for name, paired in found.types.items()}
    blurb = None if found.blurb is None else _of_paired(found.blurb, None)
    return Comparison(a.key, b.key, True, method, datasets, types, blurb, refused=refused)


def _reason(a: Row, b: Row, task: str, uncertainty: Uncertainty) -> str:
    problems = [problem for row in (a, b) if (problem := uncertainty.problems.get((row.key, task)))]
    return "; ".join(problems) or "the two were not tested on the same examples"


def _of_paired(found: Paired, p_corrected: float | None) -> Difference:
    decisive = found.p if p_corrected is None else p_corrected
    verdict = _verdict(found.difference, decisive)
    if verdict != SAME and not found.seeds:
        verdict = RUNS_DIFFER
    return Difference(found.difference, found.ci, found.p, p_corrected, found.detectable, verdict)


def _verdict(difference: float, p: float) -> str:
    if p >= ALPHA:
        return SAME
    return AHEAD if difference > 0 else BEHIND


def _unpaired(a: Row, b: Row) -> Comparison:
    shared = [name for name in a.tasks if name in b.tasks]
    if a.other_data or b.other_data:
        return _refused(a, b, shared, "the data are not those of the other rows")
    means = [{name: mean_of(row.tasks[name]) for name in shared} for row in (a, b)]
    tested = {name: _by_welch(means[0][name], means[1][name]) for name in shared}
    corrected = holm({name: found.p for name, found in tested.items() if found.p is not None})
    datasets = {}
    for name, found in tested.items():
        if found.p is not None and found.difference is not None:
            found = replace(found, p_corrected=corrected[name], verdict=_verdict(found.difference, corrected[name]))
        else:
            found = _held_against_interval(found, a, b, a.tasks[name], b.tasks[name])
        datasets[name] = found
    types = {}
    for kind, members in TYPE_TASKS.items():
        if all(name in shared for name in members):
            types[kind] = _aggregate(a, b, kind, [_average(side, members) for side in means])
    blurb = None
    if a.blurb is not None and b.blurb is not None:
        sides = [blurb_mean(side) for side in means]
        blurb = _aggregate(a, b, None, sides)
    by_welch = any(found.p is not None for found in datasets.values())
    method = (
        "not paired: Welch's test from means, deviations and numbers of runs; it knows seeds, not the finite test set"
        if by_welch
        else "not tested: a published score without deviations is only held against the interval of a measured one"
    )
    return Comparison(a.key, b.key, False, method, datasets, types, blurb)


def _refused(a: Row, b: Row, tasks: Sequence[str], reason: str) -> Comparison:
    datasets = {
        name: Difference(a.means[name] - b.means[name], None, None, None, None, f"not compared: {reason}")
        for name in tasks
    }
    return Comparison(a.key, b.key, False, "none", datasets, {}, None, refused=dict.fromkeys(tasks, reason))


def mean_of(cell: Cell) -> Mean:
    """Return the score of a cell with the variance that its deviation over seeds tells."""
    return Mean.of(cell.mean, cell.std, cell.n)


def _average(means: Mapping[str, Mean], members: Iterable[str]) -> Mean:
    members = list(members)
    return weighted([(1 / len(members), means[name]) for name in members])


def _by_welch(first: Mean, second: Mean) -> Difference:
    total = weighted([(1, first), (-1, second)])
    found = welch(total)
    if found is None:
        return Difference(total.value, None, None, None, None, NOT_TESTED)
    return Difference(total.value, found.interval, found.p, None, found.detectable, _verdict(total.value, found.p))


def _aggregate(a: Row, b: Row, kind: str | None, sides: list[Mean]) -> Difference:
    """Compare a task type, or the BLURB score if `kind` is None."""
    found = _by_welch(*sides)
    if found.p is not None:
        return found
    cells = [
        Cell(side.value, None, None, row.intervals.blurb if kind is None else row.intervals.types.get(kind))
        for row, side in zip((a, b), sides, strict=True)
    ]
    return _held_against_interval(found, a, b, *cells)


def _held_against_interval(found: Difference, a: Row, b: Row, first: Cell, second: Cell) -> Difference:
    """Say where a published score lies beside the interval of a measured one, if that is all that can be said."""
    measured, published = (first, second) if a.results else (second, first)
    if bool(a.results) == bool(b.results) or measured.ci is None:
        unknown = [row for row, cell in ((a, first), (b, second)) if cell.std is None]
        printed = " and ".join(row.key for row in unknown if not row.results)
        reasons = [f"{row.key} has one run" for row in unknown if row.results]
        reasons += [f"no deviation is printed for {printed}"] if printed else []
        return replace(found, verdict=f"{NOT_TESTED}: {', '.join(reasons)}" if reasons else NOT_TESTED)
    low, high = measured.ci
    return replace(found, verdict=BELOW if published.mean < low else ABOVE if published.mean > high else INSIDE)


def blurb_mean(means: Mapping[str, Mean]) -> Mean:
    """Return the BLURB score of the scores of its tasks."""
    return weighted([(1 / len(TYPE_TASKS), _average(means, members)) for members in TYPE_TASKS.values()])
