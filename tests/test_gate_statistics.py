"""The gate's intervals hold what they promise: at every look, with drift, repetition, bursts and order in the noise."""

import contextlib
import math
import random

import numpy as np
import pytest
from scipy.stats import binomtest

from fastgrad.bench.gate import pairs, processes, quiet
from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.look import Plan, planned
from fastgrad.bench.gate.pairs import Item

LABEL = "time_it"
PLAN = Plan(turns=4, samples=12, calls=50, warm=3, fresh=False, long=False, seconds=0.1)
ITEMS = {LABEL: Item(Case(LABEL, {"base": LABEL, "head": LABEL}, "time"), PLAN)}
MISS = (1 - pairs.CONFIDENCE) / len(pairs.LOOKS)  # of one look, at most


def simulated_pairs(rng, number, ratio, noise=0.005, loud=0.0, slow=0.0, wider=1.0):
    """Pairs of one case; in a part of them one side is a third slower, in another the head 10 %."""
    found = []
    for _ in range(number):
        times = np.exp(noise * rng.standard_normal(2) * (1, wider)) * (1, ratio)
        times[rng.integers(2)] *= 1.33 if rng.random() < loud else 1
        times[1] *= 1.1 if rng.random() < slow else 1
        found.append({side: {LABEL: [time, time, 1]} for side, time in zip(pairs.SIDES, times, strict=True)})
    return found


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, "same"), (1.05, "worse"), (1.10, "worse"), (0.95, "improved")])
@pytest.mark.parametrize("loud", [0.0, 0.25])
def test_verdict_on_a_known_ratio(ratio, expected, loud):
    found = measured(50, ratio=ratio, loud=loud)
    assert all(one.verdict == expected for one in found)
    assert all(abs(one.ratio / ratio - 1) < 0.01 for one in found)


def measured(judgements, **options):
    """Timings of one case, again and again."""
    rng = np.random.default_rng(1)

    def take(number, items):
        return simulated_pairs(rng, 1, **options)[0]

    return [pairs.measure(take, ITEMS, lambda: False, lambda *_: None)[0][LABEL] for _ in range(judgements)]


@pytest.mark.parametrize("slow", [0.5, 0.6, 0.7, 0.8])
def test_a_head_that_is_slow_in_many_of_its_processes_is_not_the_same(slow):
    found = {one.verdict for one in measured(100, ratio=1.0, noise=0.003, slow=slow)}
    assert found <= {"worse", "inconclusive"}
    assert "worse" in found or slow < 0.7


@pytest.mark.parametrize("wider", [6, 10])
def test_intervals_hold_the_truth_where_one_side_varies_more(wider):
    rng, found, runs = np.random.default_rng(7), np.zeros(len(pairs.LOOKS) + 1, int), 2000
    for _ in range(runs):
        found += misses(simulated_pairs(rng, pairs.LOOKS[-1], 1.05, wider=wider), 1.05)
    assert not too_many(found, runs)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "standard_cauchy"])
@pytest.mark.parametrize("number", [10, 16, 32, 64])
def test_one_look_holds_the_truth(draw, number):
    rng = np.random.default_rng(2)
    truth = 1.0 if draw == "lognormal" else 0.0  # the median
    found = np.array([pairs.interval(getattr(rng, draw)(size=number)) for _ in range(4000)])
    missed = int(np.sum(~((found[:, 0] <= truth) & (truth <= found[:, 1]))))
    assert binomtest(missed, 4000, MISS, alternative="greater").pvalue > 0.01


def test_the_interval_is_no_wider_than_it_must_be():
    ends = [tuple(int(end) for end in pairs.interval(np.arange(1, n + 1))) for n in (10, 16, 32, 64)]
    assert ends == [(1, 10), (2, 15), (8, 25), (20, 45)]


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ({"head": 1}, "worse"),
        ({"base": 1}, "worse"),
        ({"head": 2}, "gone"),
        ({"base": 2}, "inconclusive"),
        ({"base": 1, "head": 1}, "inconclusive"),
        ({"base": 16, "head": 16}, "inconclusive"),
    ],
)
def test_one_failure_decides_nothing(failing, expected):
    taken = simulated_pairs(np.random.default_rng(4), 16, 1.2)
    for side, times in failing.items():
        for pair in taken[:times]:
            pair[side][LABEL] = "timed out after 60 s"
    found = pairs.judge(taken, LABEL)
    assert found.verdict == expected
    assert found.pairs == 16 - max(failing.values())
    assert ("timed out" in found.why) == (expected != "worse")


def test_the_first_look_waits_for_ten_pairs_without_a_failure():
    taken = simulated_pairs(np.random.default_rng(4), 10, 1.2)
    taken[3]["head"][LABEL] = "timed out after 60 s"
    found = pairs.judge(taken, LABEL)
    assert (found.verdict, found.ratio, found.pairs) == ("inconclusive", None, 9)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.021, 0.05, "worse"),
        (0.019, 0.05, "inconclusive"),
        (-0.01, 0.01, "same"),
        (-0.03, 0.01, "inconclusive"),
        (-0.05, -0.021, "improved"),
        (math.nan, math.nan, "inconclusive"),
    ],
)
def test_verdict_of_an_interval(low, high, expected):
    assert pairs.verdict_of(low, high, 0.02) == expected


class Noise:
    """Log times of one turn after the other, as a machine makes them.

    A walk of the speed that the clock does not see (an AR(1) process with a memory of 20 turns), a drift, steps of 3 %
    that last for some pairs, bursts that hit one turn, and outer turns of ABBA that are slower than inner ones.
    """

    def __init__(self, rng, turns):
        shocks = 0.002 * rng.standard_normal(turns)
        walk = np.empty(turns)
        level = 0.0
        for turn, shock in enumerate(shocks):
            walk[turn] = level = 0.95 * level + shock
        steps = 0.03 * (np.cumsum(rng.random(turns) < 0.01) % 2)
        bursts = np.where(rng.random(turns) < 0.05, rng.exponential(0.3, turns), 0)
        drift = np.linspace(0, rng.normal(0, 0.05), turns)
        outer = np.tile([0.006, 0, 0, 0.006], turns // 4)
        self.values = iter(walk + steps + bursts + drift + outer + 0.003 * rng.standard_normal(turns))


class FakeWorker(contextlib.AbstractContextManager):
    """A process that takes its times from the noise, with a layout of its memory that is its own."""

    noise, rng, ratio = None, None, 1.0

    def __init__(self, side, cpu):
        self.side, self.layout = side, 0.004 * FakeWorker.rng.standard_normal()

    def __exit__(self, *_):
        pass

    def ask(self, job, timeout, **request):
        truth = math.log(FakeWorker.ratio) if self.side.name == "head" else 0.0
        return {"found": [math.exp(truth + self.layout + next(FakeWorker.noise.values)), 1.0]}


class FakeSide:
    scratch = ""

    def __init__(self, name):
        self.name = name


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(pairs, "Worker", FakeWorker)
    monkeypatch.setattr(quiet, "idlest", lambda number: None)
    monkeypatch.setattr(Case, "of", lambda self, side: {})


def missed(runs, ratio, seed=5):
    """In how many of the runs each look, and any of them, missed the truth."""
    random.seed(seed)
    FakeWorker.rng, FakeWorker.ratio = np.random.default_rng(seed), ratio
    both = FakeSide("base"), FakeSide("head")
    found = np.zeros(len(pairs.LOOKS) + 1, int)
    for _ in range(runs):
        FakeWorker.noise = Noise(FakeWorker.rng, 16 * pairs.LOOKS[-1])
        taken = [pairs.measure_pair(both, ITEMS, number, processes.Deadline()) for number in range(pairs.LOOKS[-1])]
        found += misses(taken, ratio)
    return found


def misses(taken, ratio):
    """Whether each look at some pairs, and any of them, misses the truth."""
    looks = [pairs.judge(taken[:look], LABEL) for look in pairs.LOOKS]
    found = [not look.low <= ratio <= look.high for look in looks]
    return np.array([*found, any(found)], int)


def too_many(missed, runs):
    """Whether the misses are more than those that are promised, at 1 %."""
    promised = [MISS] * len(pairs.LOOKS) + [1 - pairs.CONFIDENCE]
    found = [binomtest(int(n), runs, p, alternative="greater").pvalue for n, p in zip(missed, promised, strict=True)]
    return min(found) < 0.01 / len(found)


@pytest.mark.parametrize("ratio", [1.0, 1 + pairs.MARGIN])
def test_intervals_hold_the_truth_in_the_noise_of_a_machine(machine, ratio):
    assert not too_many(missed(600, ratio), 600)


@pytest.mark.sweep
@pytest.mark.parametrize("ratio", [1.0, 1 + pairs.MARGIN, 1.1])
def test_intervals_hold_the_truth_in_many_runs(machine, ratio):
    assert not too_many(missed(4000, ratio), 4000)


def test_without_drawing_who_begins_they_do_not(machine, monkeypatch):
    monkeypatch.setattr(random, "sample", lambda population, k: list(population))
    assert too_many(missed(200, 1.0), 200)


def test_who_begins_is_drawn_anew_in_every_stage(machine):
    began = []
    for _ in range(20):
        FakeWorker.rng, FakeWorker.noise = np.random.default_rng(0), Noise(np.random.default_rng(0), 16)
        found = pairs.measure_pair((FakeSide("base"), FakeSide("head")), ITEMS, 0, processes.Deadline())
        began.append(found["base"][LABEL][0])
    assert len(set(began)) == 2


@pytest.mark.parametrize("call", [1e-7, 1e-5, 4e-4, 2e-3, 0.02, 0.5])
@pytest.mark.parametrize("setup", [0.0, 0.1])
def test_a_plan_is_short_where_it_can_be(call, setup):
    plan = planned(Case("c", {}, "time", setups=bool(setup)), setup, call)
    assert plan.samples >= 1
    assert plan.fresh == (setup > 0 and call >= 0.01)
    assert plan.calls * call >= 5e-4 * (1 - 1e-9)
    least = 4 * (setup + call + plan.warm * call)  # ABBA once
    assert plan.seconds <= max(0.13, 1.01 * least + 0.001)


def test_a_benchmark_that_says_how_many_calls_its_setup_is_good_for_gets_so_many():
    plan = planned(Case("c", {}, "time", setups=True, number=7), 1e-4, 1e-6)
    assert (plan.calls, plan.fresh, plan.warm) == (7, True, 0)
