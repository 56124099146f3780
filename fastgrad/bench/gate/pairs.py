"""Is the head slower? Pairs of fresh processes, both sides of a pair within the same tenth of a second."""

# Design: - A pair is a fresh process of each side, on the idlest processor, taking turns ABBA at every case. What the
#           two compare is the median over turns of time over the clock's time (worker.py).
#         - Which side is A is drawn anew for every case of every pair. Whatever the machine does, in whatever rhythm,
#           it then does to either side with the same probability: what it adds to a log ratio has a random sign,
#           independent from pair to pair, however much its size drifts or repeats itself.
#         - Every pair counts. To keep those that look quiet by their own times throws away exactly those in which one
#           side is slow: a head 10 % slower in 60 % of its processes then read "same" 200 times of 200.
#         - The interval lies between two order statistics of the pairs' log ratios, which hold the median with a
#           probability that is known whatever the distribution (the whole range of six pairs holds it with
#           96.9 %; bootstrap intervals looked at after every second pair missed it in 16 % of the judgements).
#         - What is timed has run on both sides before. A failure of one pair is an accident, and the pair is left out;
#           the head is broken if it fails in fresh processes again.
#         - The pairs are looked at LOOKS times at most. Each interval misses with a quarter of 1 - CONFIDENCE, so that
#           all that are looked at hold the truth together with CONFIDENCE (Bonferroni). That takes 10 pairs.
#         - Worse: the whole interval is above the margin. Same: all of it is within. Neither: more pairs, up to the
#           last look or the end of the budget, and then inconclusive.
#         - A case that reads worse is measured a second time with new pairs, and is worse only if it reads so again. So
#           a row whose time is the same is called worse with a probability of ((1 - CONFIDENCE) / 2)^2 at most. If no
#           time is left for that, it stays worse and says so: a regression is not lost because there are many.

import contextlib
import functools
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.stats import binom

from fastgrad.bench.gate import quiet
from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.look import Plan
from fastgrad.bench.gate.processes import Deadline
from fastgrad.bench.gate.sides import Side, Worker

MARGIN = 0.02
PROCESS_MARGIN = 0.05  # where a call is a process: imports
LOOKS = (10, 16, 32, 64)  # pairs, at which a case may be decided
CONFIDENCE = 0.99  # of all looks together
ONCE = (1 - CONFIDENCE) / 2  # a row whose time is the same reads worse in one stage, at most
FALSE_ALARM = ONCE**2  # and in both
SIDES = ("base", "head")
UNTIMED = "no time was left to time it"


@dataclass(frozen=True)
class Item:
    """A case that is timed, by which plan, and how many times the calls the second side makes of it."""

    case: Case
    plan: Plan
    plant: float = 1

    @property
    def margin(self) -> float:
        return PROCESS_MARGIN if self.case.raw else MARGIN


@dataclass(frozen=True)
class Timing:
    """What the pairs say of one case.

    Attributes
    ----------
    base, head : float or None
        The least seconds of a call.
    ratio, low, high : float or None
        Time of the head over time of the base, the median of the pairs, and its interval, which all looks share at
        99 %. None with fewer than 10 pairs.
    pairs : int
    verdict : str
        ``worse``, ``same``, ``improved``, ``inconclusive``; ``gone`` if the head failed in two pairs and the base in
        none.
    why : str
        The error.
    """

    base: float | None
    head: float | None
    ratio: float | None
    low: float | None
    high: float | None
    pairs: int
    verdict: str
    why: str = ""


def measure_pair(sides: Iterable[Side], items: Mapping[str, Item], number: int, late: Deadline) -> dict:
    """One pair.

    Parameters
    ----------
    sides : iterable of Side
        Two, which may be the same.
    items : mapping of str to Item
    number : int
        Of the pair.
    late : Deadline
        When there is no time for another case.

    Returns
    -------
    dict
        {"base" and "head": {label: [time over the clock's, least seconds, the clock's] or the error in words}}, without
        the cases for which there was no time.
    """
    cpu = quiet.idlest(number)
    found = {side: {} for side in SIDES}
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(side, cpu)) for name, side in zip(SIDES, sides, strict=True)}
        for label, item in items.items():
            if late():
                break
            turns = {side: [] for side in SIDES}
            first, second = random.sample(SIDES, 2)
            for side in (first, second, second, first) * item.plan.turns:
                turns[side].append(_turn(workers[side], item, item.plant if side == "head" else 1, late))
            of = {side: _of_turns(turns[side]) for side in SIDES}
            if late() and any(isinstance(one, str) for one in of.values()):
                break  # it was cut off
            for side in SIDES:
                found[side][label] = of[side]
    return found


def _turn(worker, item, plant, late):
    patience = late.left(item.case.timeout * (1 + item.plan.samples + item.plan.warm))
    return worker.ask("seconds", patience, **item.case.of(worker.side), **item.plan.request, plant=plant)


def _of_turns(answers):
    for answer in answers:
        if "found" not in answer:
            return answer.get("error") or answer["skipped"]
    times = [answer["found"] for answer in answers]
    least, clock = (min(column) for column in zip(*times, strict=True))
    return [median(seconds / clock for seconds, clock in times), least, clock]


def judge(pairs: Iterable[dict], label: str, margin: float = MARGIN) -> Timing:
    """The verdict on a case from the pairs that hold it."""
    pairs = [{side: pair[side][label] for side in SIDES} for pair in pairs if label in pair["base"]]
    errors = {side: [pair[side] for pair in pairs if isinstance(pair[side], str)] for side in SIDES}
    pairs = [pair for pair in pairs if not any(isinstance(pair[side], str) for side in SIDES)]
    flaws = [*errors["head"], *errors["base"]]
    if len(flaws) > 1 or len(pairs) < LOOKS[0]:
        gone = len(errors["head"]) > 1 and not errors["base"]
        verdict, why = "gone" if gone else "inconclusive", f"failed in {len(flaws)} pairs: {flaws[0]}"
        return Timing(None, None, None, None, None, len(pairs), verdict, flaws[0] if gone else why)
    base, head = (min(pair[side][1] for pair in pairs) for side in SIDES)
    logs = np.log([pair["head"][0] / pair["base"][0] for pair in pairs])
    found = interval(logs)
    ratio, low, high = map(math.exp, (np.median(logs), *found))
    return Timing(base, head, ratio, low, high, len(pairs), verdict_of(*found, math.log1p(margin)))


def interval(logs: np.ndarray) -> tuple[float, float]:
    """Of the median, for one of ``LOOKS``: from the k-th value to the k-th last (David and Nagaraja 2003, section 7.1).

    k is the largest with 2 P(fewer than k heads of n fair coins) at most (1 - CONFIDENCE) / len(LOOKS). There is
    one from 10 values on.
    """
    k, ordered = _rank(logs.size), np.sort(logs)
    return float(ordered[k - 1]), float(ordered[-k])


@functools.cache
def _rank(number):
    return int(binom.ppf((1 - CONFIDENCE) / len(LOOKS) / 2, number, 0.5))


def verdict_of(low: float, high: float, margin: float) -> str:
    """In words, for an interval of the log ratio."""
    if low > margin:
        return "worse"
    if high < -margin:
        return "improved"
    return "same" if -margin < low and high < margin else "inconclusive"


def measure(
    take: Callable[[int, dict[str, Item]], dict],
    items: Mapping[str, Item],
    late: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Timing], list[dict]]:
    """Pairs until every case is decided, or the last of ``LOOKS``, or there is no time left.

    Parameters
    ----------
    take : callable
        (number of the pair, items) -> what :func:`measure_pair` returns.
    items : mapping of str to Item
    late : callable
        Whether there is no time left.
    progress : callable
        Called with the number of pairs and of those that are needed at least.

    Returns
    -------
    timings : dict of label to Timing
        A case that was not seen at the first look is inconclusive, without an interval.
    pairs : list of dict
    """
    pairs, timings, undecided = [], {}, dict(items)
    for look in LOOKS:
        while undecided and len(pairs) < look and not late():
            pairs.append(take(len(pairs), undecided))
            progress(len(pairs), look)
        for label, item in undecided.items():
            taken = sum(label in pair["base"] for pair in pairs)
            if taken == look:
                timings[label] = judge(pairs, label, item.margin)
            elif label not in timings:
                timings[label] = Timing(None, None, None, None, None, taken, "inconclusive", UNTIMED)
        undecided = {label: item for label, item in undecided.items() if timings[label].verdict == "inconclusive"}
    return timings, pairs
