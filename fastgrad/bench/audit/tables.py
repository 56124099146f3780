"""Rows of the audit as a table of text, and whether our kernels keep what they promise."""

from collections.abc import Sequence
from dataclasses import fields

from fastgrad.bench.audit.audit import INFINITY_BITS
from fastgrad.bench.audit.tally import Tally
from fastgrad.report.tables import Table

AUDIT_COLUMNS = ("contestant", "max ULP", "mean", "worst at", "subnormal", "false 0", "first at", "other faults")
AUDIT_NOTE = (
    "ULP: error in units in the last place of the true result. Max and mean are over results that are normal numbers, "
    '"subnormal" is the max over those that are subnormal or 0: JAX flushes subnormal numbers to 0, as results and as '
    "inputs. False 0: the result is 0 where the true one is a normal number; first at: the least such |input|."
)
_OTHER = {"not_monotonic": "order", "not_symmetric": "symmetry", "out_of_range": "range", "nan": "NaN"}


def audit_table(rows: Sequence[dict]) -> Table:
    """The findings of ``Audit.rows()``; contestants of one formula with the same findings share a row."""
    groups = {}
    for row in rows:
        formula = f"{row['activation']} {row['kind']}"
        findings = (row["ours"], *(row[field.name] for field in fields(Tally)))
        groups.setdefault(formula, {}).setdefault(findings, []).append(row)
    ours = len({row["contestant"] for row in rows if row["ours"]})
    return Table(
        f"Audit over {_inputs_of(rows)}",
        AUDIT_COLUMNS,
        {
            formula: [(_names(same, ours), *_findings(same[0])) for same in found.values()]
            for formula, found in groups.items()
        },
    )


def audit_verdict(rows: Sequence[dict]) -> list[str]:
    """Whether our kernels keep what they promise, in one line, and a line for each that does not."""
    ours = [row for row in rows if row["ours"]]
    broken = [row for row in ours if row["faults"]]
    if not ours:
        return []
    promise = "their bounds, with no false zero, no step the wrong way, no asymmetry and no NaN"
    if not broken:
        return [f"All {len(ours)} kernels of ours keep {promise}."]
    return [f"{len(broken)} of {len(ours)} kernels of ours break {promise}:"] + [
        f"{row['contestant']}, {row['activation']} {row['kind']}: {'; '.join(row['faults'])}" for row in broken
    ]


def _inputs_of(rows):
    count = rows[0]["count"]
    every = count == 2 * (INFINITY_BITS + 1)
    return f"all {count:,} float32 inputs that are not NaN" if every else f"a sample of {count:,} float32 inputs"


def _names(same, ours):
    names = [row["contestant"] for row in same]
    if not same[0]["ours"]:
        return ", ".join(names)
    short = " ".join(name.removeprefix("fastgrad ") for name in names)
    return f"fastgrad (all {ours})" if len(names) == ours > 1 else f"fastgrad {short}"


def _findings(row):
    other = [f"{_count(row[name])} {word}" for name, word in _OTHER.items() if row[name]]
    return (
        _ulp(row["max_ulp"]),
        _ulp(row["mean_ulp"]),
        _place(row["worst_input"]),
        _ulp(row["max_ulp_subnormal"]),
        _count(row["false_zeros"]),
        _place(row["first_false_zero"]),
        ", ".join(other) or "none",
    )


def _ulp(error):
    if error is None:
        return "none"
    return f"{error:.2f}" if error < 1000 else f"{error:.1e}"


def _place(z):
    return "none" if z is None else f"{z:.4g}"


def _count(number):
    return f"{number:,}" if number < 100_000 else f"{number:.2e}"
