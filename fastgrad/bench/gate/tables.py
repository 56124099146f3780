"""A judgement as tables and words, and as JSON for what draws histories."""

import json
import math
from collections import Counter

from fastgrad.bench.gate.instructions import TOLERANCE as COUNT_TOLERANCE
from fastgrad.bench.gate.pairs import CONFIDENCE, MARGIN, PROCESS_MARGIN
from fastgrad.bench.gate.rows import BAD, UNREPEATED, Judgement, Row
from fastgrad.report.tables import Table

NOTE = (
    "us: the least time of a call at the base. Ratio: time of the head over time of the base, the median of pairs of "
    f"fresh processes, and an interval that holds it with {CONFIDENCE:.0%} however often it is looked at. Worse: all "
    f"of the interval is above 1 + {MARGIN:.0%} ({PROCESS_MARGIN:.0%} where a call is a process), twice in a row "
    "unless it could not be repeated; same: all of it is within; improved: all of it is below; inconclusive: none "
    "of these. Identical code has a row of time that reads worse with a probability of ALARM at most. Instructions: of "
    f"a call, without AVX-512; {COUNT_TOLERANCE:.0%} more is worse. Tracked numbers may not move beyond their "
    "tolerance, in either direction; memory may not grow."
)
WORDS = {0: "no regression", 1: "a regression", 3: "no regression seen, but not all of it could be judged"}


def note(found: Judgement) -> str:
    """What the columns and verdicts mean."""
    return NOTE.replace("ALARM", f"{found.false_alarm:.2g}")


def tables(found: Judgement) -> list[Table]:
    """Times with instructions; tracked numbers that are not quite what they were; memory."""
    timed, rest = {}, {"track": [], "memory": []}
    names = _short({row.what for row in found.rows})
    for row in found.rows:
        if row.layer not in rest:
            timed.setdefault(row.what, {})[row.layer] = row
        elif row.layer == "memory" or row.base is None or row.base != row.head:
            rest[row.layer].append((names[row.what], *_numbers(row), row.verdict))
    shown = []
    if timed:
        lines = [
            (names[what], *_time(of.get("time")), *_count(of.get("instructions")), _worst(of.values()))
            for what, of in timed.items()
        ]
        columns = ("case", "us", "ratio", "interval", "pairs", "instructions", "change", "verdict")
        shown.append(Table("Speed", columns, {"": lines}))
    for layer, title in (("track", "Numbers"), ("memory", "Memory")):
        if rest[layer]:
            shown.append(Table(title, ("case", "base", "head", "unit", "verdict"), {"": rest[layer]}))
    return shown


def _short(labels):
    """{label: itself without its module, where it has a class and no other is called so}."""
    short = {}
    for label in labels:
        name, bracket, given = label.partition("(")
        short[label] = ".".join(name.split(".")[-2:]) + bracket + given
    times = Counter(short.values())
    return {label: name if times[name] == 1 else label for label, name in short.items()}


def _time(row):
    if row is None:
        return ("",) * 4
    time = "" if row.base is None else f"{row.base * 1e6:.3g}"
    pairs = "" if row.pairs is None else str(row.pairs)
    return time, "" if row.ratio is None else f"{row.ratio:.3f}", _interval(row), pairs


def _interval(row):
    return "" if row.low is None else f"{row.low:.3f} {row.high:.3f}"


def _count(row):
    if row is None or row.base is None:
        return ("",) * 2
    return f"{row.base:,.4g}", "" if row.head is None else f"{row.head / row.base - 1:+.1%}"


def _worst(rows):
    verdicts = {row.layer: row.verdict for row in rows}
    if len(set(verdicts.values())) == 1:
        return next(iter(verdicts.values()))
    return ", ".join(f"{verdict} ({layer})" for layer, verdict in verdicts.items() if verdict != "same")


def _numbers(row):
    scale, unit = (1e6, "MB") if row.layer == "memory" else (1, row.unit)
    return *("" if one is None else f"{one / scale:.5g}" for one in (row.base, row.head)), unit


def verdict(found: Judgement, code: int) -> list[str]:
    """The outcome in a line, and a line for each of its reasons; rows that share one share a line."""
    lines = [f"{found.base} -> {found.head}: {WORDS[code or (3 if found.unclear else 0)]}."]
    alike, grew = {}, {}
    for row in found.rows:
        if row.verdict != "same":
            alike.setdefault((row.verdict, _reason(row)), []).append(row.what)
            grew.setdefault((row.verdict, _reason(row)), row.grew)
    for (word, reason), names in sorted(alike.items(), key=lambda item: item[0][0] not in BAD):
        lines.append(f"{', '.join(dict.fromkeys(names))}: {word}, {reason}.")
        lines += [f"  {what}: {base:,.0f} -> {head:,.0f}" for what, base, head in grew[word, reason]]
    unmoved = sum(row.layer == "track" and row.base is not None and row.base == row.head for row in found.rows)
    if unmoved:
        lines.append(f"Tracked numbers that are exactly what they were: {unmoved}.")
    if found.doubts:
        lines.append("This machine cannot judge everything today:")
    return [*lines, *(f"{doubt}." for doubt in found.doubts), *found.missing, *found.notes]


def _reason(row: Row) -> str:
    if row.ratio is not None:
        return f"time x {row.ratio:.3f} ({row.low:.3f} to {row.high:.3f})" + (row.why and f"; {row.why}")
    if row.why != UNREPEATED and row.why:
        return row.why
    base, head, unit = _numbers(row)
    change = f", {row.head - row.base:+.3g}" if row.layer == "track" else f", {row.head / row.base - 1:+.1%}"  # type: ignore[operator]
    what = "instructions" if row.layer == "instructions" else unit
    return f"{what} {base} -> {head}{change}" + (row.why and f"; {row.why}")


def benchmark_action(found: Judgement) -> str:
    """For github-action-benchmark, as its ``customSmallerIsBetter``: the head's times, instructions and memory."""
    entries = []
    for row in found.rows:
        if row.layer != "track" and row.head is not None:
            entry = {"name": f"{row.what} ({row.layer})", "unit": row.unit, "value": row.head}
            if row.ratio is not None:
                entry["range"] = f"x {row.low:.4f} to {row.high:.4f} of the base"
            entries.append(entry | {"extra": row.verdict})
    return json.dumps(entries, indent=1) + "\n"


MEASURES = {"time": "latency", "instructions": "instructions", "memory": "memory", "track": "value"}


def bencher(found: Judgement) -> str:
    """For Bencher, in its metric format: the head's numbers, times in nanoseconds."""
    entries = {}
    for row in found.rows:
        if row.head is not None and math.isfinite(row.head):
            scale = 1e9 if row.layer == "time" else 1
            metric = {"value": scale * row.head}
            if row.ratio is not None:
                metric |= {"lower_value": scale * row.base * row.low, "upper_value": scale * row.base * row.high}  # type: ignore[operator]
            entries.setdefault(row.what, {})[MEASURES[row.layer]] = metric
    return json.dumps(entries, indent=1) + "\n"
