"""A judgement as tables and words."""

from collections import defaultdict

from fastgrad.bench.gate.instructions import TOLERANCE as COUNT_TOLERANCE
from fastgrad.bench.gate.judgement import BAD, Judgement
from fastgrad.bench.gate.pairs import CONFIDENCE, MARGIN
from fastgrad.report.tables import Table

NOTE = (
    "us: the least time of a call at the base. Ratio: time of the head over time of the base, the median of the quiet "
    f"pairs of fresh processes, and an interval that holds it with {CONFIDENCE:.0%} however often it is looked at. "
    f"Worse: all of the interval is above 1 + {MARGIN:.0%}, twice in a row; same: all of it is within; improved: all "
    "of it is below; inconclusive: none of these. Instructions: per element, call, sample or row, as AVX2 runs them; "
    f"{COUNT_TOLERANCE:.0%} more is worse; a derivative alone is counted, not timed. Arrays of activations and layers "
    "start at fixed places within a page. Errors are of float32, over a sample of its inputs; they and decay may not "
    "move, in either direction."
)
WORDS = {0: "no regression", 1: "a regression", 3: "no regression seen, but not all of it could be judged"}


def tables(found: Judgement) -> list[Table]:
    """Speed with instructions, errors, decay."""
    rows = defaultdict(dict)
    for row in found.rows:
        rows[row.layer, row.what][row.number] = row
    speed = {}
    for (layer, what), numbers in rows.items():
        if layer != "quality":
            speed.setdefault(what, {})[layer] = next(iter(numbers.values()))
    shown = []
    if speed:
        lines = [(what, *_speed(both.get("speed")), *_counts(both.get("instructions"))) for what, both in speed.items()]
        columns = ("case", "us", "ratio", "interval", "pairs", "speed", "instructions", "change", "count")
        shown.append(Table("Speed", columns, {"": lines}))
    for title, first in (("Errors", "max ULP"), ("Decay", "decades per layer")):
        quality = {what: of for (layer, what), of in rows.items() if layer == "quality" and first in of}
        lines = [(what, *map(_move, of.values()), _worst(of.values())) for what, of in quality.items()]
        if lines:
            columns = ("kernel" if title == "Errors" else "network", *next(iter(quality.values())), "verdict")
            shown.append(Table(title, columns, {"": lines}))
    return shown


def _speed(row):
    if row is None:
        return ("",) * 5
    time = "" if row.base is None else f"{row.base * 1e6:.3g}"
    if row.ratio is None:
        return time, "", "", f"{row.quiet}/{row.pairs}", row.verdict
    return time, f"{row.ratio:.3f}", f"{row.low:.3f} {row.high:.3f}", f"{row.quiet}/{row.pairs}", row.verdict


def _counts(row):
    if row is None:
        return ("",) * 3
    change = "" if None in (row.base, row.head) else f"{row.head / row.base - 1:+.1%}"
    return "" if row.base is None else f"{row.base:,.4g}", change, row.verdict


def _move(row):
    base, head = (f"{value:.4g}" if abs(value) < 1e5 else f"{value:.1e}" for value in (row.base, row.head))
    return base if row.base == row.head else f"{base} -> {head}"


def _worst(rows):
    verdicts = {row.verdict for row in rows}
    return next((verdict for verdict in (*BAD, "allowed") if verdict in verdicts), "same")


def verdict(found: Judgement, code: int) -> list[str]:
    """The outcome in a line, and a line for each of its reasons."""
    lines = [f"{found.base} -> {found.head}: {WORDS[code or (3 if found.unclear else 0)]}."]
    for row in found.rows:
        if row.verdict in (*BAD, "inconclusive", "improved", "allowed"):
            lines.append(f"{row.what}: {row.verdict}, {_reason(row)}.")
    if found.doubts:
        lines.append("This machine cannot judge today, as the gate's rehearsal shows:")
    return [*lines, *(f"{doubt}." for doubt in found.doubts), *found.missing]


def _reason(row):
    if row.layer == "speed":
        if row.ratio is None:
            return (
                f"{row.quiet} of {row.pairs} pairs were quiet" if row.verdict == "inconclusive" else "it does not run"
            )
        return f"time x {row.ratio:.3f} ({row.low:.3f} to {row.high:.3f})"
    if None in (row.base, row.head):
        return "it does not run"
    if row.layer == "instructions":
        return f"instructions {row.base:,.4g} -> {row.head:,.4g} {row.number}"
    return f"{row.number} {_move(row)}"
