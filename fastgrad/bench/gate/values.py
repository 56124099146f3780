"""Numbers that are not times: what track_ benchmarks return, and the memory of peakmem_ and mem_."""

# Design: - The base is measured twice: a number that it does not repeat within its tolerance is not judged by it.
#         - A tracked number that moves is a finding in either direction: an error that halves, or a decay that slows,
#           changes what users measure as much as its opposite. Less memory is an improvement.

import math
from collections.abc import Callable, Iterable, Mapping

from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.look import on_each
from fastgrad.bench.gate.sides import Side

TOLERANCE = {"track": 0.01, "peakmemory": 0.05, "memory": 0.05}  # of the number, where its benchmark says none
SMALL = 2**20  # bytes that are never too many
TIMES = 3  # processes whose peak memory is measured, of which the least counts


def measured(
    cases: Iterable[Case], runs: Mapping[str, Side], late: Callable[[], bool], progress: Callable[[int, int], None]
) -> dict[str, dict[str, dict]]:
    """The numbers of each run.

    Parameters
    ----------
    cases : iterable of Case
        Whose kind is a key of ``TOLERANCE``.
    runs : mapping of str to Side
        Each has processes of its own; they run at once.
    late : callable
        Whether there is no time for another.
    progress : callable
        Called with how many were measured, and of how many.

    Returns
    -------
    dict
        {label: {run: {"found": number}, or what :meth:`Process.ask` says instead}}, without what there was no time for.
    """
    return on_each(cases, runs, _value, late, progress)


def _value(worker, case):
    if case.kind == "track":
        return worker.ask("value", case.timeout, **case.of(worker.side))
    answers = []
    for _ in range(TIMES if case.kind == "peakmemory" else 1):
        with worker.side.process(lean=case.kind == "peakmemory") as process:
            answers.append(process.ask("value", case.timeout, **case.of(worker.side)))
    return min(answers, key=lambda answer: answer.get("found", -math.inf))


def verdict_of(case: Case, base: float, again: float, head: float) -> str:
    """In words; what is NaN on both sides is the same."""
    if math.isnan(base) and math.isnan(again) and math.isnan(head):
        return "same"
    if not _near(case, base, again):
        return "inconclusive"
    if _near(case, base, head):
        return "same"
    return "moved" if case.kind == "track" else "worse" if not head <= base else "improved"


def _near(case, one, other):
    return one == other or abs(other - one) <= limit(case, one, other)


def limit(case: Case, one: float, other: float) -> float:
    """How far two values may lie apart; its benchmark may say it, of memory as a share."""
    if case.kind == "track" and case.tolerance is not None:
        return case.tolerance
    share = TOLERANCE[case.kind] if case.tolerance is None else case.tolerance
    return max(share * max(abs(one), abs(other)), 0 if case.kind == "track" else SMALL)
