"""One speed comparison: a case, the contestants that do it alike, their times, and how these are shown."""

# Design: - A case is a named tuple, what all have to do; a contestant is a call without arguments that does it. Ours is
#           the first and the measure of the others.
#         - What is not equal is not timed: a contestant whose result differs from ours by more than the comparison
#           tolerates gets a row that says by how much. So no contestant is fast by computing something else.
#         - The others take turns with ours: see timing. What the machine can do at most is measured apart: see limits.

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgrad.bench import peers
from fastgrad.bench.timing import interleaved, silent
from fastgrad.report.tables import Table, significant

OURS = "fastgrad"
TINY = float(np.finfo(np.float32).tiny)  # a result below it is compared as if it were as large


@dataclass(frozen=True)
class Row:
    """One contestant in one case.

    Attributes
    ----------
    case : named tuple
        What was done.
    contestant : str
    difference : float or None
        Of its result from ours, relative, see :func:`difference`, if that is too large: then nothing was timed.
    seconds : float or None
        Of one call, the least.
    ratio : float or None
        Its time over ours: above 1, ours is faster.
    figures : mapping of str to number or str
        What the comparison makes of the times.
    """

    case: Any
    contestant: str
    difference: float | None = None
    seconds: float | None = None
    ratio: float | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """All of it by name, as JSON has it; figures only where it was timed."""
        own = {name: getattr(self, name) for name in ("contestant", "difference", "seconds", "ratio")}
        return {**self.case._asdict(), **own, **self.figures}


@dataclass(frozen=True)
class Comparison:
    """A subcommand of ``fastgrad speed``.

    Attributes
    ----------
    peers : mapping
        The libraries that may take part.
    measure : callable
        (case, contestants, rounds, tell) -> rows, ours first; ``tell`` is called with the name of each contestant that
        begins.
    tables, verdict : callable
        What rows have to show.
    note : str
        What the figures mean.
    bounded : bool
        Whether figures stand beside the machine's limits, which are then said and explained.
    only_if_asked : sequence of str
        Peers that take too long to take part unless they are asked for.
    """

    peers: Mapping[str, Any]
    measure: Callable[..., list[Row]]
    tables: Callable[[Sequence[Row]], list[Table]]
    verdict: Callable[[Sequence[Row]], list[str]]
    note: str
    bounded: bool = False
    only_if_asked: Sequence[str] = ()

    def contestants(self, asked: Iterable[str] = ()) -> list[str]:
        """The peers asked for, or those that can run here; ValueError and ImportError as :func:`peers.check`."""
        here = [name for name in peers.installed(self.peers) if name not in self.only_if_asked]
        return peers.check(asked, self.peers) or here


def compare(
    case: Any,
    calls: Mapping[str, Callable | None],
    rounds: int,
    *,
    vectors: Callable[[Any], list[np.ndarray]],
    agree: float,
    figures: Callable[[str, Mapping[str, float]], dict] = lambda contestant, seconds: {},
    tell: Callable[[str], None] = silent,
) -> list[Row]:
    """Time the contestants that agree with ours.

    Parameters
    ----------
    case : named tuple
    calls : mapping of contestant to callable or None
        Ours first; None does not offer this. Of a call that has an attribute ``timed``, only that is timed.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    vectors : callable
        From what a call returns to the vectors that are compared with ours, see :func:`difference`.
    agree : float
        The largest difference that is tolerated.
    figures : callable
        (contestant, seconds by name) -> what follows from the times.
    tell : callable
        Called with the name of each contestant before its first call, which may compile for minutes.

    Returns
    -------
    list of Row
    """
    offered = {contestant: call for contestant, call in calls.items() if call is not None}
    differences = dict(_differences(offered, vectors, tell))
    equal = {name: getattr(call, "timed", call) for name, call in offered.items() if differences[name] <= agree}
    seconds = interleaved(equal, rounds)
    return [
        timed_row(case, name, seconds, figures(name, seconds)) if name in equal else Row(case, name, differences[name])
        for name in offered
    ]


def timed_row(case: Any, contestant: str, seconds: Mapping[str, float], figures: Mapping[str, Any]) -> Row:
    """The row of a contestant that was timed."""
    return Row(case, contestant, None, seconds[contestant], seconds[contestant] / seconds[OURS], figures)


def _differences(calls, vectors, tell):
    ours = None
    for name, call in calls.items():
        tell(name)
        found = vectors(call())
        ours = found if ours is None else ours
        yield name, difference(ours, found)


def difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """The largest relative difference of a vector: norm of theirs minus ours over the norm of ours.

    Vectors lie along the last axis of each array. NaN or inf if theirs is not even finite.
    """
    norm = np.linalg.norm
    with np.errstate(all="ignore"):
        largest = [
            np.max(norm(b - a, axis=-1) / np.maximum(norm(a, axis=-1), TINY)) for a, b in zip(ours, theirs, strict=True)
        ]
    return float(np.max(largest))


def each_array(found: Iterable) -> list[np.ndarray]:
    """Arrays as one vector each: a matrix is judged by its norm."""
    return [np.asarray(array, np.float64).reshape(-1) for array in found]


def each_number(found: Iterable) -> list[np.ndarray]:
    """Arrays as vectors of one number: every entry is judged."""
    return [np.asarray(array, np.float64).reshape(-1, 1) for array in found]


@dataclass(frozen=True)
class Layout:
    """Tables of a line for each case: ours in figures, the peers relative to ours.

    Attributes
    ----------
    title : callable
        The title of the table in which a case stands.
    place, ours : callable
        By column, the cells of a case, and those of our row.
    describe : callable
        A case in words.
    order : callable
        What the cases of a table are sorted by; as they were measured, if nothing is given.
    """

    title: Callable[[Any], str]
    place: Callable[[Any], dict[str, str]]
    ours: Callable[[Row], dict[str, str]]
    describe: Callable[[Any], str]
    order: Callable[[Any], Any] = lambda case: 0

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """One for each title."""
        return [
            self._table(title, [row for row in rows if self.title(row.case) == title])
            for title in dict.fromkeys(self.title(row.case) for row in rows)
        ]

    def _table(self, title, rows):
        cases = {}
        for row in sorted(rows, key=lambda row: self.order(row.case)):
            cases.setdefault(row.case, {})[row.contestant] = row
        others = contestants_of(rows)[1:]
        lines = [
            self.place(case) | self.ours(found[OURS]) | {other: _times(found.get(other)) for other in others}
            for case, found in cases.items()
        ]
        return table_of(title, lines)

    def verdict(self, rows: Sequence[Row]) -> list[str]:
        """In how many comparisons ours is slower, and every result that differs from ours."""
        ratios = [row.ratio for row in rows if row.contestant != OURS and row.ratio is not None]
        lines = [f"Ours is slower in {sum(ratio < 1 for ratio in ratios)} of {len(ratios)} comparisons."]
        for row in rows:
            if row.difference is not None:
                off = f"{row.difference:.1e} of ours" if math.isfinite(row.difference) else "more than any number"
                lines.append(f"{row.contestant} differs: its {self.describe(row.case)} is off by {off}; not timed.")
        return lines if ratios else lines[1:]


def table_of(title: str, lines: Sequence[Mapping[str, str]]) -> Table:
    """The table of these lines, {column: text}, all of the same columns."""
    return Table(title, tuple(lines[0]), {"": [tuple(line.values()) for line in lines]})


def contestants_of(rows: Iterable[Row]) -> list[str]:
    """Who takes part, ours first."""
    return list(dict.fromkeys([OURS, *(row.contestant for row in rows)]))


def _times(row):
    if row is None:
        return ""
    if row.difference is not None:
        return "differs"
    return significant(row.ratio) + (" !" if row.ratio < 1 else "")


def percent_of_limit(row: Row) -> str:
    """Our share of the limit and which it is, from the figures ``percent_of_limit`` and ``limit``: ``88 L2``."""
    return f"{row.figures['percent_of_limit']:.0f} {row.figures['limit']}"


def _shape(case):
    return " x ".join(map(str, case[1:]))


def _our_figures(row):
    cells = {"us": significant(row.seconds * 1e6), "ns each": significant(row.figures["ns_each"])}
    return cells | ({"% of limit": percent_of_limit(row)} if "limit" in row.figures else {})


BY_SHAPE = Layout(  # for cases that are what to do and the shape to do it on; a row has the figure ``ns_each``
    title=lambda case: case[0],
    place=lambda case: {"shape": _shape(case)},
    ours=_our_figures,
    describe=lambda case: f"{case[0]} of {_shape(case)}",
)
