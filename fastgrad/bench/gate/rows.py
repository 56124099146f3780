"""A judgement: its rows, and how it is asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastgrad.bench.gate.pairs import FALSE_ALARM, ONCE

BAD, UNCLEAR = ("worse", "gone", "moved"), ("inconclusive", "absent")
LAYERS = ("track", "memory", "instructions", "time")
BUDGET = 300.0  # seconds after the builds
UNREPEATED = "it could not be repeated"


@dataclass(frozen=True)
class Row:
    """One number of both sides, judged.

    Attributes
    ----------
    layer : str
        One of ``LAYERS``.
    what, unit : str
        The label of its case; the unit of the numbers.
    base, head : float or None
    verdict : str
        ``same``, ``improved``, ``worse``, ``moved``, ``inconclusive``, ``new``, ``gone``, ``absent``, or ``allowed``:
        a bad one that the caller said was meant.
    why : str
        Of what does not run, is inconclusive, or was measured once only.
    ratio, low, high : float or None
        Head over base, and its interval.
    pairs : int or None
    grew : list of (str, float, float)
        Of a bad row: functions, by how many instructions or calls at the base and at the head.
    """

    layer: str
    what: str
    unit: str
    base: float | None
    head: float | None
    verdict: str
    why: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int | None = None
    grew: list[tuple[str, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Judgement:
    """What the gate found.

    Attributes
    ----------
    base, head : str
        Labels of the sides.
    rows : list of Row
    doubts : list of str
        What the rehearsal should have read otherwise.
    missing : list of str
        What was not measured, and why.
    notes : list of str
        What else is to be said of the suite.
    """

    base: str
    head: str
    rows: list[Row]
    doubts: list[str]
    missing: list[str]
    notes: list[str]

    @property
    def unclear(self) -> bool:
        """Whether something could not be judged, or nothing was."""
        return bool(self.doubts or self.missing or not self.rows) or any(row.verdict in UNCLEAR for row in self.rows)

    @property
    def false_alarm(self) -> float:
        """How probable it is, at most, that identical code has a row whose time reads worse."""
        each = [ONCE if row.why == UNREPEATED else FALSE_ALARM for row in self.rows if row.ratio is not None]
        return 1 - math.prod(1 - chance for chance in each)

    def exit_code(self, strict: bool = False) -> int:
        """1: something is worse, moved or gone. 3, if ``strict``: something could not be judged. 0: neither."""
        if any(row.verdict in BAD for row in self.rows):
            return 1
        return 3 if strict and self.unclear else 0


@dataclass(frozen=True)
class Options:
    """How to judge.

    Attributes
    ----------
    suite : path or None
        An asv.conf.json, or the folder that has it.
    python : str
        Of the environments: a version, ``"same"`` for this very Python and its packages, ``""`` for what the
        configuration says.
    bench : sequence of str
        Regular expressions for the benchmarks to judge.
    layers : sequence of str
        Of ``LAYERS``.
    budget : float
        Seconds after the builds.
    allow : sequence of str
        Patterns, such as ``*tanh*``, of cases that are meant to change.
    allow_dirty : bool
        Judge the commit that is checked out even if files differ from it.
    """

    suite: str | Path | None = None
    python: str = ""
    bench: Sequence[str] = ()
    layers: Sequence[str] = LAYERS
    budget: float = BUDGET
    allow: Sequence[str] = ()
    allow_dirty: bool = False
