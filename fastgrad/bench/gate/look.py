"""A first look: does each case run on both sides, how long does it take, and so how is it measured?"""

# Design: - A case that fails, is skipped or times out is found here, in a process that may die of it; what is measured
#           afterwards is known to run.
#         - A call that lasts as long as a sample of asv's is set up anew each time, as is one whose benchmark says for
#           how many calls its setup is good. Shorter ones follow each other on the same state, as in asv up to 0.2.

import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.processes import Deadline, at_once
from fastgrad.bench.gate.sides import Side, Worker
from fastgrad.bench.gate.worker import LONG

ASV_SAMPLE = 0.01  # seconds
SAMPLE = 5e-4  # seconds
CLOCK = 5e-5  # seconds, of the clock beside a sample
QUOTA = 0.06  # seconds of a pair that one side of a case may take, if its samples are not longer
TURNS, SAMPLES = 4, 12  # at most ABBA four times, twelve samples a turn: 96 of each side
ABSENT = "there is no such benchmark"


@dataclass(frozen=True)
class Plan:
    """How a case is timed in a pair of processes.

    Attributes
    ----------
    turns : int
        ABBA so often.
    samples, calls : int
        Of a turn; of a sample.
    warm : int
        Calls before them.
    fresh, long : bool
        Whether each sample has a setup of its own; whether it lasts long.
    seconds : float
        What the pair takes.
    """

    turns: int
    samples: int
    calls: int
    warm: int
    fresh: bool
    long: bool
    seconds: float

    @property
    def request(self) -> dict:
        """What a worker is asked."""
        return {name: getattr(self, name) for name in ("samples", "calls", "warm", "fresh", "long")}


def planned(case: Case, setup: float, call: float, fewest: int = 1) -> Plan:
    """The plan for a case whose setup and call take so many seconds, with at least ``fewest`` calls a sample."""
    fresh = case.setups and not case.raw and bool(case.number or call >= ASV_SAMPLE)
    calls = case.number or (1 if case.raw or call >= SAMPLE else math.ceil(SAMPLE / max(call, 1e-9)))
    calls, warm = max(calls, fewest), 0 if case.raw or fresh else 1 if call >= ASV_SAMPLE else 3
    sample = calls * call + CLOCK + (setup if fresh else 0)
    once = (0 if fresh else setup) + warm * call
    for turns in (TURNS, 2, 1):
        samples = int((QUOTA / (2 * turns) - once) / sample)
        if samples >= 2:
            break
    samples = min(max(samples, 1), SAMPLES)
    return Plan(turns, samples, calls, warm, fresh, calls * call > LONG, 4 * turns * (once + samples * sample))


def look_at(
    cases: Iterable[Case],
    sides: Mapping[str, Side],
    late: Deadline,
    progress: Callable[[int, int], None],
) -> dict[str, dict[str, dict]]:
    """Run each case once on every side that has it, all sides at once.

    Parameters
    ----------
    cases : iterable of Case
        Whose kind is ``time`` or ``import``.
    sides : mapping of str to Side
    late : Deadline
        When there is no time for another.
    progress : callable
        Called with how many were looked at, and of how many.

    Returns
    -------
    dict
        {label: {side: ``{"found": {"setup" and fastest "call"}}``, ``{"skipped": why}`` or
        ``{"error": why}``}}, without the cases for which there was no time.
    """
    cases = list(cases)

    def ask(worker, case, patience):
        return worker.ask("look", patience, **case.of(worker.side), fresh=case.setups and bool(case.number))

    return on_each(cases, sides, ask, late, progress)


def on_each(
    cases: Iterable[Case],
    runs: Mapping[str, Side],
    ask: Callable[[Worker, Case, float], dict],
    late: Deadline,
    progress: Callable[[int, int], None],
) -> dict[str, dict[str, dict]]:
    """Ask processes of every run, all runs at once, about each case; {label: {run: answer}}, as :func:`look_at`."""
    cases = list(cases)

    def run(side):
        found = {}
        with Worker(side) as worker:
            for case in cases:
                if late():
                    break
                patience = late.left(case.timeout)
                answer = ask(worker, case, patience) if side.name in case.ids else {"error": ABSENT}
                if "error" in answer and patience < case.timeout and late():
                    break  # it was cut off
                found[case.label] = answer
                progress(len(found), len(cases))
        return found

    found = at_once({name: partial(run, side) for name, side in runs.items()}, late)
    return {
        case.label: {name: found[name][case.label] for name in runs}
        for case in cases
        if all(case.label in of for of in found.values())
    }


def prepare_caches(cases: Iterable[Case], sides: Mapping[str, Side], late: Deadline) -> dict[str, dict[str, str]]:
    """Run every ``setup_cache`` once on each side; {its key: {side: its error}} of those that fail."""
    having = sorted((case for case in cases if case.cache), key=lambda case: len(case.ids))
    keyed = {str(case.cache): replace(case, timeout=case.patience) for case in having}  # by one that both sides have

    def ask(worker, case, patience):
        request = case.of(worker.side)
        shutil.rmtree(request["folder"], ignore_errors=True)  # of an earlier judgement
        Path(request["folder"]).mkdir(parents=True)
        with worker.side.process() as process:  # its own, as in asv
            return process.ask("cache", patience, **request)

    found = on_each(keyed.values(), sides, ask, late, lambda done, total: None)
    failed = {}
    for key, case in keyed.items():
        answers = found.get(case.label, {side: {"error": "no time was left for it"} for side in sides})
        errors = {side: answer["error"] for side, answer in answers.items() if "error" in answer}
        if errors:
            failed[key] = {side: f"its setup_cache: {error}" for side, error in errors.items()}
    return failed
