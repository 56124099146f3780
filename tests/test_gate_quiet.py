"""What the gate says of the machine: the idlest processor, and the causes of noise."""

import os

import numpy as np
import pytest

from fastgrad.bench.gate import quiet

COLUMNS = 8
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Stat:
    """A /proc/stat of two processors, which are so busy (shares of a second) whenever it is read again."""

    def __init__(self, busy, stolen=0.0):
        self.busy, self.stolen, self.reads = busy, stolen, 0

    def read_text(self):
        self.reads += 1
        rows = np.zeros((2, COLUMNS))
        for cpu, busy in enumerate(self.busy):
            rows[cpu, 0], rows[cpu, 3] = busy, 1 - busy - self.stolen
            rows[cpu, 7] = self.stolen
        rows *= self.reads * TICK * quiet.GLANCE
        lines = [("cpu", rows.sum(axis=0)), ("cpu0", rows[0]), ("cpu1", rows[1])]
        return "\n".join(f"{name} {' '.join(f'{value:.0f}' for value in row)}" for name, row in lines) + "\nintr 1 2"


@pytest.fixture
def two(monkeypatch):
    def use(busy, stolen=0.0, glance=100.0):
        monkeypatch.setattr(quiet, "STAT", Stat(busy, stolen))
        monkeypatch.setattr(quiet, "GLANCE", glance)  # so that ticks are many
        monkeypatch.setattr(quiet.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(quiet.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)

    return use


@pytest.mark.parametrize(
    ("busy", "expected"), [((0, 0), [0, 1, 0]), ((1, 0), [1, 1, 1]), ((0.1, 0.9), [0, 0, 0]), ((1, 1), [0, 1, 0])]
)
def test_the_idlest_processor_or_each_in_turn(two, busy, expected):
    two(busy)
    assert [quiet.idlest(number) for number in range(3)] == expected


@pytest.mark.parametrize(
    ("busy", "stolen", "clocks", "expected"),
    [
        ((0, 0), 0, [1.0, 1.01] * 20, []),
        ((0.9, 0.6), 0, [], ["other processes keep 1.5 processors busy"]),
        ((0, 0), 0.1, [], ["a neighbour on the same machine takes 10% of the time"]),
        ((0, 0), 0, [1.0, 1.1] * 20, ["the processor's speed varies by 10%"]),
    ],
)
def test_the_cause_is_named(two, monkeypatch, busy, stolen, clocks, expected):
    two(busy, stolen)
    now = iter([0.0, quiet.GLANCE])
    monkeypatch.setattr(quiet.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(quiet.os, "times", lambda: (0, 0, 0, 0, 0))
    assert quiet.Watch().causes(clocks) == expected


def test_what_the_gate_does_itself_is_no_cause(two, monkeypatch):
    two((1, 0.5))
    now, own = iter([0.0, quiet.GLANCE]), iter([(0, 0, 0, 0, 0), (0, 0, 1.5 * quiet.GLANCE, 0, 0)])
    monkeypatch.setattr(quiet.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(quiet.os, "times", lambda: next(own))
    assert quiet.Watch().causes() == []


def test_a_system_that_says_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(quiet, "STAT", tmp_path / "stat")
    monkeypatch.setattr(quiet, "GLANCE", 0)
    assert quiet.idlest(0) in os.sched_getaffinity(0)
    assert quiet.Watch().causes() == []
