"""Numbers that are not times: what track_ benchmarks return, and the memory of peakmem_ and mem_."""

# Design: - The base is measured twice: a number that it does not repeat within its tolerance is not judged by it.
#         - What is bad is measured once more in fresh processes: of identical code whose numbers scatter by the
#           tolerance the base agrees with itself by luck, and the head, measured once, is then bad in 22 % of the rows.
#         - A tracked number that moves is a finding in either direction: an error that halves, or a decay that slows,
#           changes what users measure as much as its opposite. Less memory is an improvement.

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.look import on_each
from fastgrad.bench.gate.processes import Deadline
from fastgrad.bench.gate.sides import Side

TOLERANCE = {"track": 0.01, "peakmemory": 0.05, "memory": 0.05}  # of the number, where its benchmark says none
SMALL = 2**20  # bytes that are never too many
TIMES = 3  # processes whose peak memory is measured, of which the least counts


def measured(
    cases: Iterable[Case], runs: Mapping[str, Side], late: Deadline, progress: Callable[[int, int], None]
) -> dict[str, dict[str, dict]]:
    """The numbers of each run.

    Parameters
    ----------
    cases : iterable of Case
        Whose kind is a key of ``TOLERANCE``.
    runs : mapping of str to Side
        Each has processes of its own; they run at once.
    late : Deadline
        When there is no time for another.
    progress : callable
        Called with how many were measured, and of how many.

    Returns
    -------
    dict
        {label: {run: {"found": number}, or what :meth:`Process.ask` says instead}}, without what there was no time for.
    """
    return on_each(cases, runs, _value, late, progress)


def _value(worker, case, patience):
    if case.kind == "track":
        return worker.ask("value", patience, **case.of(worker.side))
    answers = []
    for _ in range(TIMES if case.kind == "peakmemory" else 1):
        with worker.side.process(lean=case.kind == "peakmemory") as process:
            answers.append(process.ask("value", patience, **case.of(worker.side)))
    return min(answers, key=lambda answer: answer.get("found", -math.inf))


def verdict_of(case: Case, bases: Sequence[float], heads: Sequence[float]) -> str:
    """In words, where every value of the head says the same beside every value of the base."""
    if not all(_near(case, bases[0], again) for again in bases):
        return "inconclusive"
    found = {_one(case, base, head) for base, head in itertools.product(bases, heads)}
    return found.pop() if len(found) == 1 else "inconclusive"


def _one(case, base, head):
    if _near(case, base, head):
        return "same"
    return "moved" if case.kind == "track" else "worse" if not head <= base else "improved"


def _near(case, one, other):
    if math.isfinite(one) and math.isfinite(other):
        return abs(other - one) <= limit(case, one, other)
    return one == other or (math.isnan(one) and math.isnan(other))


def limit(case: Case, one: float, other: float) -> float:
    """How far two values may lie apart; its benchmark may say it, of memory as a share."""
    if case.kind == "track" and case.tolerance is not None:
        return case.tolerance
    share = TOLERANCE[case.kind] if case.tolerance is None else case.tolerance
    return max(share * max(abs(one), abs(other)), 0 if case.kind == "track" else SMALL)
