"""Instructions of a call by callgrind: the same on a busy machine, and on a good day as on a bad one."""

# Design: - A process of the base, one more of it, and one of the head, at once. The worker enters a function of the C
#           library before and after what is counted, at which callgrind begins a new count; so Python's own start is
#           paid once.
#         - Of some calls and of twice as many: the difference has no part of the marks, and all of what a call costs.
#         - A case whose count the base does not repeat is not judged by it.
#         - valgrind knows no AVX-512: the counts are of what runs without, on every machine alike.

import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.sides import Side
from fastgrad.bench.gate.worker import COUNTS, MARK

TOLERANCE = 0.01
SLOWER = 60  # times, that a program takes under valgrind
START = 20.0  # seconds, at most, of a first look under valgrind at Python itself
PLANT, PLANTED = 1.05, "5 % more calls"
FEWEST = 20  # calls to which 5 % more is one
FUNCTION = re.compile(r"(fn|cfn)=\((\d+)\) ?(.*)")
COSTS = "0123456789+-*"  # how a line that is a cost begins


class CannotCount(Exception):
    """There is no callgrind, or it does not run here; the message says which."""


def count(
    runs: Mapping[str, Side],
    cases: Iterable[Case],
    late: Callable[[], bool],
    progress: Callable[[int, int], None] = lambda done, total: None,
    tables: bool = False,
) -> dict[str, dict[str, dict]]:
    """Instructions of a call.

    Parameters
    ----------
    runs : mapping of str to Side
        One process each.
    cases : iterable of Case
        The first of them is counted once more, as ``PLANTED``.
    late : callable
        Whether there is no time for another.
    progress : callable
        Called with how many were counted, and of how many.
    tables : bool
        Whether to count those of every function too.

    Returns
    -------
    dict
        {run: {label: {"total": instructions, "functions": {name: instructions}}}}, without what a run cannot count or
        had no time for.

    Raises
    ------
    CannotCount
    """
    if not shutil.which("valgrind"):
        raise CannotCount("valgrind is not installed (apt-get install valgrind)")
    cases = list(cases)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(runs)) as pool:
        jobs = {
            name: pool.submit(_counted, side, Path(folder, name), cases, late, progress, tables)
            for name, side in runs.items()
        }
        return {name: job.result() for name, job in jobs.items()}


def _counted(side, out, cases, late, progress, tables):
    options = ("--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={MARK}*")
    found = {}  # {label: calls that are counted once more in the second piece}
    with side.process(prefix=("valgrind", *options)) as process:
        for case in [None, *cases]:
            label, calls, plant = (case.label, COUNTS, 1) if case else (PLANTED, FEWEST, PLANT)
            case = case or cases[0]
            if late():
                break
            answer = process.ask("count", START + SLOWER * case.timeout, **case.of(side), calls=calls, plant=plant)
            if process.dead and not found:
                raise CannotCount(f"valgrind failed: {answer['error']}")
            if process.dead:
                break
            if "found" in answer:
                found[label] = calls
            progress(len(found), len(cases) + 1)
    process.running.wait()
    pieces = sorted(out.parent.glob(f"{out.name}.*"), key=lambda path: int(path.suffix[1:]))
    if len(pieces) < 3 * len(found):
        raise CannotCount(f"callgrind did not see the marks ({MARK} of the C library)")
    return {
        label: _difference(pieces[3 * index + 1], pieces[3 * index + 2], calls, tables)
        for index, (label, calls) in enumerate(found.items())
    }


def _difference(few, many, calls, tables):
    """Instructions of a call, from the pieces of some calls and of twice as many."""
    total = (_summary(many) - _summary(few)) / calls
    before, after = (_functions(piece) if tables else {} for piece in (few, many))
    return {"total": total, "functions": {name: (n - before.get(name, 0)) / calls for name, n in after.items()}}


def _summary(piece):
    return int(re.search(r"^summary: (\d+)", piece.read_text(), re.M)[1])  # type: ignore[index]


def _functions(piece):
    """{function: instructions of its own}.

    Not by callgrind_annotate, which gives functions that were entered before the piece the cost of those they call.
    """
    names, found, function, called = {}, defaultdict(int), "", False
    for line in piece.read_text().splitlines():
        if match := FUNCTION.match(line):
            kind, number, name = match.groups()
            names.setdefault(number, name)
            if kind == "fn":
                function = names[number].partition("'")[0]
        elif line.startswith("calls="):
            called = True  # the next line is the cost of what was called
        elif line[:1] in COSTS and line[:1]:
            found[function] += 0 if called else int(line.split()[-1])
            called = False
    return found


def sees(counted: Mapping[str, dict], case: Case) -> bool:
    """Whether what a run counted of its first case reads worse with ``PLANTED``."""
    if not {case.label, PLANTED} <= set(counted):
        return True  # there was no time
    once, more = (counted[label]["total"] for label in (case.label, PLANTED))
    return verdict_of(once, once, more) == "worse"


def verdict_of(base: float, again: float, head: float) -> str:
    """In words, for instructions of a call; ``again`` are the base's, counted once more."""
    if not abs(again / base - 1) <= TOLERANCE / 2:
        return "inconclusive"
    change = head / base - 1
    return "worse" if not change <= TOLERANCE else "improved" if change < -TOLERANCE else "same"
