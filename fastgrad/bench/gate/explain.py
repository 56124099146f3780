"""Where a bad row comes from: functions in which the head spends more instructions, or which it calls more often."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fastgrad.bench.gate import instructions
from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.layers import Run
from fastgrad.bench.gate.processes import Deadline
from fastgrad.bench.gate.rows import Row
from fastgrad.bench.gate.sides import Side, Worker

SHOWN, ROWS = 5, 10  # functions of a row; rows
SHARE = 0.005  # of a row's instructions: what a function that is shown gained, at least
PATIENCE = 60.0  # seconds, of all of it


def explained(rows: Sequence[Row], cases: Mapping[str, Case], run: Run) -> list[Row]:
    """The rows, the bad ones of time and instructions with what grew."""
    bad = [row for row in rows if row.layer in ("instructions", "time") and row.verdict == "worse"]
    wanted = {row.what: cases[row.what] for row in bad[:ROWS]}
    if not wanted:
        return list(rows)
    late = Deadline(PATIENCE)
    run.progress(None, None, "looking for what grew")
    items = [run.counted[label] for label in wanted if label in run.counted]
    grew = _instructions(items, run.sides, late)
    for label, case in wanted.items():
        if late():
            break
        found = {}
        for side in run.sides.values():
            with Worker(side) as worker:
                found[side.name] = worker.ask("calls", late.left(), **case.of(side)).get("found", {})
        unit, least = ("microseconds", 1000) if case.kind == "import" else ("calls", 0)
        grew[label] = grew.get(label, []) + _grown(found["base"], found["head"], unit, least)
    return [replace(row, grew=grew[row.what]) if row in bad and row.what in grew else row for row in rows]


def _instructions(items: Sequence[instructions.Item], sides: Mapping[str, Side], late: Deadline):
    if not items:
        return {}
    try:
        counts = instructions.count(sides, items, late, tables=True)
    except instructions.CannotCount:
        return {}
    able = [label for label, count in counts["base"].items() if "total" in count and label != instructions.PLANTED]
    both = [label for label in able if "total" in counts["head"].get(label, {})]
    grown = {}
    for label in both:
        base, head = (counts[side][label] for side in ("base", "head"))
        grown[label] = _grown(base["functions"], head["functions"], "instructions", SHARE * base["total"])
    return grown


def _grown(base, head, unit, least):
    """[(what, base, head)] of what gained most."""
    gained = {name: number - base.get(name, 0) for name, number in head.items()}
    most = sorted((name for name, gain in gained.items() if gain > least), key=gained.get, reverse=True)  # type: ignore[arg-type]
    return [
        (f"{unit} {'in' if unit == 'instructions' else 'of'} {name}", base.get(name, 0), head[name])
        for name in most[:SHOWN]
    ]
