"""Is the head slower? Pairs of fresh processes, both sides of a pair within the same tenth of a second."""

# Design: - A pair is a fresh process of each side, on the same processor, taking turns ABBA at every case; pairs
#           alternate who begins, and the processor. What the two compare is the median over turns of time over the
#           clock's time (worker.py).
#         - Quiet pairs: those whose two times, multiplied, are within QUIET squared of the least such product. A limit
#           for each side by its own best time prefers the side that was lucky once: of 600 simulated judgements with
#           1.2 % of noise 6 % missed the truth at some look, where .5 % do now.
#         - The interval lies between two order statistics of the quiet pairs' log ratios, which hold the median with a
#           probability that is known whatever the distribution (the whole range of six pairs holds it with
#           96.9 %; bootstrap intervals looked at after every second pair missed it in 16 % of the judgements).
#         - The pairs are looked at LOOKS times at most. Each interval misses with a quarter of 1 - CONFIDENCE, so that
#           all that are looked at hold the truth together with CONFIDENCE (Bonferroni). That takes 10 quiet pairs.
#         - Worse: the whole interval is above the margin. Same: all of it is within. Neither: more pairs, up to the
#           last look, and then inconclusive. Too few quiet pairs is inconclusive too.
#         - A case that reads worse is measured a second time with new pairs, and is worse only if it reads so again.

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.stats import binom

from fastgrad.bench.gate.sides import Side

MARGIN = 0.02
QUIET = 1.04
LOOKS = (10, 16, 32, 64)  # pairs, at which a case may be decided
TURNS, SAMPLES = 4, 12  # ABBA four times, twelve samples a turn: 96 of each side
CONFIDENCE = 0.99  # of all looks together
SIDES = ("base", "head")


@dataclass(frozen=True)
class Timing:
    """What the pairs say of one case.

    Attributes
    ----------
    base, head : float or None
        The least seconds of a call.
    ratio, low, high : float or None
        Time of the head over time of the base, the median of the quiet pairs, and its interval, which all looks share
        at 99 %. None with too few quiet pairs.
    quiet, pairs : int
    verdict : str
        ``worse``, ``same``, ``improved``, ``inconclusive``; ``new`` or ``gone`` if only one
        side can run it, ``absent`` if none can.
    """

    base: float | None
    head: float | None
    ratio: float | None
    low: float | None
    high: float | None
    quiet: int
    pairs: int
    verdict: str


def measure_pair(sides: Mapping[str, Side], cases: Iterable[str], plants: Mapping[str, float], number: int) -> dict:
    """One pair.

    Parameters
    ----------
    sides : mapping of str to Side
        ``"base"`` and ``"head"``.
    cases : iterable of str
        Names, of ``CASES``.
    plants : mapping of str to float
        Factors on the size at which the head runs a case.
    number : int
        Of the pair: it says on which processor, and who begins.

    Returns
    -------
    dict
        {side: {case: [time over the clock's, least seconds] or the error in words}}.
    """
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    cpu = cpus[number // 2 % len(cpus)]
    order = SIDES if number % 2 == 0 else SIDES[::-1]
    found = {side: {} for side in SIDES}
    with sides["base"].process(cpu) as base, sides["head"].process(cpu) as head:
        processes = {"base": base, "head": head}
        for case in cases:
            turns = {side: [] for side in SIDES}
            for side in (*order, *order[::-1]) * TURNS:
                plant = plants.get(case, 1) if side == "head" else 1
                turns[side].append(processes[side].ask("seconds", name=case, samples=SAMPLES, plant=plant))
            for side in SIDES:
                found[side][case] = _of_turns(turns[side])
    return found


def _of_turns(answers):
    for answer in answers:
        if "error" in answer:
            return answer["error"]
    times = [answer["found"] for answer in answers]
    return [median(seconds / clock for seconds, clock in times), min(seconds for seconds, _ in times)]


def judge(pairs: Iterable[dict], case: str) -> Timing:
    """The verdict on a case from the pairs that hold it."""
    pairs = [{side: pair[side][case] for side in SIDES} for pair in pairs if case in pair["base"]]
    lacking = {side for side in SIDES if any(isinstance(pair[side], str) for pair in pairs)}
    if lacking:
        base, head = (None if side in lacking else min(pair[side][1] for pair in pairs) for side in SIDES)
        verdict = {"base": "new", "head": "gone"}[lacking.pop()] if len(lacking) == 1 else "absent"
        return Timing(base, head, None, None, None, 0, len(pairs), verdict)
    both = [math.prod(pair[side][0] for side in SIDES) for pair in pairs]
    quiet = [pair for pair, product in zip(pairs, both, strict=True) if product <= QUIET**2 * min(both)]
    base, head = (min(pair[side][1] for pair in pairs) for side in SIDES)
    logs = np.log([pair["head"][0] / pair["base"][0] for pair in quiet])
    found = interval(logs)
    if found is None:
        return Timing(base, head, None, None, None, len(quiet), len(pairs), "inconclusive")
    ratio, low, high = map(math.exp, (np.median(logs), *found))
    return Timing(base, head, ratio, low, high, len(quiet), len(pairs), verdict_of(*found, math.log1p(MARGIN)))


def interval(logs: np.ndarray) -> tuple[float, float] | None:
    """Of the median, for one of ``LOOKS``: from the k-th value to the k-th last (David and Nagaraja 2003, section 7.1).

    k is the largest with 2 P(fewer than k heads of n fair coins) at most (1 - CONFIDENCE) / len(LOOKS). None if there
    is none: for fewer than 10 values.
    """
    k = int(binom.ppf((1 - CONFIDENCE) / len(LOOKS) / 2, logs.size, 0.5))
    ordered = np.sort(logs)
    return (float(ordered[k - 1]), float(ordered[-k])) if k > 0 else None


def verdict_of(low: float, high: float, margin: float) -> str:
    """In words, for an interval of the log ratio."""
    if low > margin:
        return "worse"
    if high < -margin:
        return "improved"
    return "same" if -margin < low and high < margin else "inconclusive"


def measure(
    take: Callable[[int, list[str]], dict],
    cases: Iterable[str],
    progress: Callable[[int, int], None],
) -> dict[str, Timing]:
    """Pairs until every case is decided, or the last of ``LOOKS``.

    Parameters
    ----------
    take : callable
        (number of the pair, cases) -> what :func:`measure_pair` returns.
    cases : iterable of str
    progress : callable
        Called with the number of pairs and of those that are needed at least.

    Returns
    -------
    dict of case to Timing
    """
    pairs, timings, open_cases = [], {}, list(cases)
    for look in LOOKS:
        while open_cases and len(pairs) < look:
            pairs.append(take(len(pairs), open_cases))
            progress(len(pairs), look)
        timings |= {case: judge(pairs, case) for case in open_cases}
        open_cases = [case for case in open_cases if timings[case].verdict == "inconclusive"]
    return timings
