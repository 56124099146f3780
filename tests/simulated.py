"""A machine on which the gate's judgement is tested: sides that nobody built, times that a random number makes."""

from pathlib import Path

import numpy as np

from fastgrad.bench.gate import instructions, judgement, pairs, quality, sides
from fastgrad.bench.gate.cases import CASES, KERNELS, NETWORKS


class Machine:
    """Replaces builds, pairs, counts and numbers; ``slower`` has the true ratios of the head's times.

    Attributes
    ----------
    noise : float
        Standard deviation of a log time.
    slower, counted, moved : dict
        Factors on the head's times and instructions by case; what the head's numbers are instead.
    measured : list
        The number of every pair that was really taken.
    stop_after : int or None
        A Ctrl-C comes after so many pairs.
    """

    def __init__(self, monkeypatch, noise=0.003):
        self.noise, self.slower, self.counted, self.moved = noise, {}, {}, {}
        self.blind, self.measured, self.stop_after, self.once = False, [], None, None
        base, head = (sides.Side(name, name * 2, Path(f"/nowhere/{name}")) for name in pairs.SIDES)
        monkeypatch.setattr(sides, "prepare", lambda *_: (base, head))
        monkeypatch.setattr(pairs, "measure_pair", self.pair)
        monkeypatch.setattr(instructions, "count", self.count)
        monkeypatch.setattr(quality, "numbers", self.numbers)
        self.rng = np.random.default_rng(0)

    def pair(self, both, cases, plants, number):
        if self.stop_after is not None and len(self.measured) == self.stop_after:
            raise KeyboardInterrupt
        self.measured.append(number)
        found = {"base": {}, "head": {}}
        for case in cases:
            true = plants.get(case, 1.0) if both["head"].label == "base" else self._slower(case)
            for side, factor in (("base", 1.0), ("head", true)):
                time = np.exp(self.noise * self.rng.standard_normal())
                found[side][case] = factor if isinstance(factor, str) else [factor * time, factor * time * 1e-5]
        return found

    def _slower(self, case):
        """``once`` slows a case in the first stage only: a burst that does not recur."""
        seen = sum(number == 0 for number in self.measured)
        return 1.2 if case == self.once and seen == 2 else self.slower.get(case, 1.0)

    def count(self, both, items):
        return {
            name: {
                label: 10.0 * factor * (self.counted.get(case, 1) if name == "head" else 1)
                for label, (case, factor) in items.items()
            }
            for name in both
        }

    def numbers(self, side, plants=()):
        found = {what: {"max ULP": 1.4, "false zeros": 0, "other faults": 0} for what in KERNELS}
        found |= {what: {"decades per layer": 0.1} for what in NETWORKS}
        if plants and not self.blind:
            found["tanh derivative"] |= {"max ULP": 1e7, "false zeros": 9000}
        return found | (self.moved if side.label == "head" else {})


def judged(out, **options):
    return judgement.judge("base", "head", out, **options)


def verdicts(found, layer="speed"):
    return {row.what: row.verdict for row in found.rows if row.layer == layer}


ALL_COUNTED = dict.fromkeys(CASES, "same")
ALL_SAME = {name: "same" for name, case in CASES.items() if case.timed}
