"""A machine on which the gate's judgement is tested: sides that nobody built, times that a random number makes."""

from pathlib import Path

import numpy as np

from fastgrad.bench.gate import cases, instructions, judgement, layers, pairs, sides, values
from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.rows import Options

CALL = {"fast": 1e-5, "slow": 2e-3, "import tiny": 0.1}  # seconds
CASES = [
    Case("import tiny", {}, "import", raw=True),
    *(Case(f"time_{name}", {}, "time") for name in ("fast(1)", "fast(2)", "slow")),
    Case("track_number", {}, "track", "decades", tolerance=0.01),
    Case("peakmem_array", {}, "peakmemory", "bytes"),
]
TIMED = {case.label: "same" for case in CASES if case.kind in ("time", "import")}
COUNTED = {case.label: "same" for case in CASES if case.kind == "time"}
VALUES = {"track_number": -2.0, "peakmem_array": 5e7}


class Machine:
    """Replaces builds, first looks, pairs, counts and values.

    Attributes
    ----------
    cases : list of Case
    noise : float
        Standard deviation of a log time.
    slower, counted, value : dict
        Factors on the head's times and instructions by label, an error in words instead; and what its value is.
    again : dict
        What the base's value is the second time.
    fails : dict
        {label: {side: answer to the first look}}.
    looser : list of str
        What the head's suite judges no more.
    busy : list of str
        What else the machine does.
    measured : list
        The number of every pair that was really taken.
    stop_after : int or None
        A Ctrl-C comes after so many pairs.
    """

    def __init__(self, monkeypatch, noise=0.003):
        self.noise, self.slower, self.counted, self.value, self.again = noise, {}, {}, {}, {}
        self.cases, self.fails, self.looser = list(CASES), {}, []
        self.measured, self.stop_after, self.once, self.busy = [], None, None, []
        self.both = {
            name: sides.Side(name, name, name * 2, "tiny", "python", {}, *[Path(f"/nowhere/{name}")] * 3)
            for name in pairs.SIDES
        }
        for case in self.cases:
            case.ids.update(base=case.label, head=case.label)
        monkeypatch.setattr(sides, "prepare", lambda *_: (self.both, []))
        monkeypatch.setattr(cases, "listed", lambda _: (self.cases, [], self.looser))
        monkeypatch.setattr(layers, "prepare_caches", lambda *_: {})
        monkeypatch.setattr(layers, "look_at", self.look)
        monkeypatch.setattr(layers, "AROUND", 0)
        monkeypatch.setattr(layers.Watch, "causes", lambda *_: self.busy)
        monkeypatch.setattr(judgement, "explained", lambda rows, *_: rows)
        monkeypatch.setattr(pairs, "measure_pair", self.pair)
        monkeypatch.setattr(instructions, "count", self.count)
        monkeypatch.setattr(values, "measured", self.values)
        self.rng = np.random.default_rng(0)

    def look(self, seen, both, late, show):
        found = {case.label: {} for case in seen}
        for case in seen:
            call = next(seconds for name, seconds in CALL.items() if name in case.label)
            for side in both:
                good = {"found": {"setup": 0.0, "call": call}}
                found[case.label][side] = self.fails.get(case.label, {}).get(side, good)
        return found

    def pair(self, both, items, number, late):
        if self.stop_after is not None and len(self.measured) == self.stop_after:
            raise KeyboardInterrupt
        self.measured.append(number)
        found = {"base": {}, "head": {}}
        for label, item in items.items():
            true = item.plant if both[1].name == "base" else self._slower(label)
            for side, factor in (("base", 1.0), ("head", true)):
                time = np.exp(self.noise * self.rng.standard_normal())
                found[side][label] = factor if isinstance(factor, str) else [factor * time, factor * time * 1e-5, 4e-5]
        return found

    def _slower(self, label):
        """``once`` slows a case in the first stage only: a burst that does not recur."""
        seen = sum(number == 0 for number in self.measured)
        return 1.2 if label == self.once and seen == 2 else self.slower.get(label, 1.0)

    def count(self, runs, counted, late, show):
        def total(run, label):
            return {"total": 1000.0 * self.counted.get((run, label), 1), "functions": {}}

        planted = {instructions.PLANTED: {"total": 1050.0 * self.counted.get("plant", 1), "functions": {}}}
        return {run: planted | {item.case.label: total(run, item.case.label) for item in counted} for run in runs}

    def values(self, measured, runs, late, show):
        def answer(run, label):
            number = {"base": {}, "again": self.again, "head": self.value}[run].get(label, VALUES[label])
            return number if isinstance(number, dict) else {"found": number}

        return {case.label: {run: answer(run, case.label) for run in runs} for case in measured}


def judged(out, **options):
    return judgement.judge("base", "head", out, Options(**options))


def verdicts(found, layer="time"):
    return {row.what: row.verdict for row in found.rows if row.layer == layer}
