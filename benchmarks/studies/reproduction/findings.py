"""A finding, with the interval where it must lie, and the experiment that found it."""

# Design: - What others published and what this package's own theory predicts stand in rows of their own: that our
#           measurement agrees with our theory says nothing about the papers.
#         - Every interval has two finite ends and says where they come from. A published number has the precision it
#           was printed with; where it depends on what is not the same here (another data set, a single draw), a factor
#           that is written beside it. What then does not hold is printed as not holding.

import math
from collections.abc import Sequence
from dataclasses import dataclass

# kind -> how its rows are headed.
KINDS = {"number": "published numbers", "order": "published orders", "theory": "predictions of our theory"}


@dataclass(frozen=True)
class Finding:
    """One number measured here, and where it must lie.

    Attributes
    ----------
    what : str
    kind : {"number", "order", "theory"}
        Whether the expected number was published, only an order was, or it is what :mod:`fastgrad.theory` predicts.
    expected : float or None
        None for an order.
    ours : float
    low, high : float
        Where ours must lie.
    reason : str
        Why there.

    Raises
    ------
    ValueError
        If the interval is not finite, what is expected lies outside it, or there is no reason for it.
    """

    what: str
    kind: str
    expected: float | None
    ours: float
    low: float
    high: float
    reason: str

    def __post_init__(self):
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"{self.what}: an interval has two finite ends, got {self.low:g} to {self.high:g}")
        if self.kind not in KINDS or (self.expected is None) != (self.kind == "order"):
            raise ValueError(f"{self.what}: an order expects no number, all else does; got kind {self.kind!r}")
        if self.expected is not None and not self.low <= self.expected <= self.high:
            raise ValueError(f"{self.what}: {self.expected:g} is expected, but not in {self.low:g} to {self.high:g}")
        if not self.reason:
            raise ValueError(f"{self.what}: an interval needs a reason")

    @property
    def holds(self) -> bool:
        """Whether ours lies there; NaN does not."""
        return self.low <= self.ours <= self.high


def printed(what: str, theirs: float, ours: float, decimals: int) -> Finding:
    """A published number that ours must be as far as it was printed: within half a unit of its last decimal."""
    half = 0.5 * 10.0**-decimals
    return Finding(what, "number", theirs, float(ours), theirs - half, theirs + half, "as printed")


def within(what: str, theirs: float, ours: float, factor: float, reason: str) -> Finding:
    """A published number that ours must be within a factor of, either way."""
    low, high = sorted((theirs / factor, theirs * factor))
    return Finding(what, "number", theirs, float(ours), low, high, f"factor {factor:g}: {reason}")


def order(what: str, ours: float, low: float, high: float, reason: str) -> Finding:
    """What was published in words."""
    return Finding(what, "order", None, float(ours), low, high, reason)


def predicted(what: str, theory: float, ours: float, low: float, high: float, reason: str) -> Finding:
    """What this package's theory says."""
    return Finding(what, "theory", float(theory), float(ours), float(low), float(high), reason)


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
    remark : str
        What differs from theirs, where that may be why a finding does not hold.
    """

    name: str
    title: str
    source: str
    findings: tuple[Finding, ...]
    curves: tuple[Curve, ...]
    axes: tuple[str, str]
    remark: str = ""

    @property
    def holds(self) -> bool:
        """Whether every finding does."""
        return all(finding.holds for finding in self.findings)
