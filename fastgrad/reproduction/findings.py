"""What an experiment brings home."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One number beside the published one.

    Attributes
    ----------
    what : str
    theirs : float or None
        None where they report an order only.
    ours : float
    low, high : float
        Where ours must lie.
    """

    what: str
    theirs: float | None
    ours: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether ours lies there; NaN does not."""
        return self.low <= self.ours <= self.high


def near(what: str, theirs: float, ours: float, tolerance: float) -> Finding:
    """A finding that must lie within a relative tolerance of theirs, either way: from theirs/(1+t) to theirs(1+t)."""
    ends = sorted((theirs / (1 + tolerance), theirs * (1 + tolerance)))
    return Finding(what, theirs, float(ours), *ends)


def above(what: str, ours: float, low: float = 0.0, theirs: float | None = None) -> Finding:
    """A difference that must be at least ``low``."""
    return Finding(what, theirs, float(ours), low, math.inf)


@dataclass(frozen=True)
class Curve:
    """A line of the experiment's figure."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Reproduction:
    """An experiment, done.

    Attributes
    ----------
    name, title, source : str
    findings : tuple of Finding
    curves : tuple of Curve
    axes : (str, str)
        What the figure's axes show.
    """

    name: str
    title: str
    source: str
    findings: tuple[Finding, ...]
    curves: tuple[Curve, ...]
    axes: tuple[str, str]

    @property
    def holds(self) -> bool:
        """Whether every finding does."""
        return all(finding.holds for finding in self.findings)
