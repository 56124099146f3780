"""Instructions of a call by callgrind: the same on a busy machine, and on a good day as on a bad one."""

# Design: - A process of the base, one more of it, and one of the head, at once. The worker enters a function of the C
#           library before and after what is counted, at which callgrind begins a new count; so Python's own start is
#           paid once.
#         - Of some calls and of twice as many: the difference has no part of the marks, and all of what a call costs.
#         - A case whose count the base does not repeat is not judged by it, and one that reads worse is counted again.
#         - valgrind knows no AVX-512: the counts are of what runs without, on every machine alike.

import itertools
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.processes import Deadline, at_once
from fastgrad.bench.gate.sides import Side
from fastgrad.bench.gate.worker import MARK

TOLERANCE = 0.01
SLOWER = 60  # times, that a program takes under valgrind
START = 20.0  # seconds, at most, of a first look under valgrind at Python itself
PLANT, PLANTED = 1.05, "5 % more calls"
FEWEST = 20  # calls to which 5 % more is one
SHORT = 1e-3  # seconds of a call: a longer one warms up by itself, and one is enough
LONGEST = 6.0  # seconds that a case may take under valgrind
HANGS = 10  # times as long, after which it is given up
FUNCTION = re.compile(r"(fn|cfn)=\((\d+)\) ?(.*)")
COSTS = "0123456789+-*"  # how a line that is a cost begins


class CannotCount(Exception):
    """There is no callgrind, or it does not run here; the message says which."""


@dataclass(frozen=True)
class Item:
    """A case that is counted: in so many calls and in twice as many, after ``warm`` others."""

    case: Case
    calls: int
    warm: int
    seconds: float  # under valgrind

    @property
    def able(self) -> bool:
        """Whether there is something to count, in the time that a case may take."""
        case = self.case
        return case.count is not False and not (case.raw or case.number) and self.seconds <= LONGEST


def planned(case: Case, setup: float, call: float) -> Item:
    """How to count a case whose setup and call take so many seconds without valgrind."""
    calls, warm = (3, 10) if call < SHORT else (1, 2)  # after 10 Python has specialised its code
    return Item(case, calls, warm, SLOWER * (setup + (warm + 3 * calls) * call))


def count(
    runs: Mapping[str, Side],
    items: Iterable[Item],
    late: Deadline,
    progress: Callable[[int, int], None] = lambda done, total: None,
    tables: bool = False,
) -> dict[str, dict[str, dict]]:
    """Instructions of a call.

    Parameters
    ----------
    runs : mapping of str to Side
        One process each.
    items : iterable of Item
        The first of them is counted once more, as ``PLANTED``.
    late : Deadline
        When there is no time for another.
    progress : callable
        Called with how many were counted, and of how many.
    tables : bool
        Whether to count those of every function too.

    Returns
    -------
    dict
        {run: {label: {"total": instructions, "functions": {name: instructions}} or {"error": why}}}, without what a
        run had no time for.

    Raises
    ------
    CannotCount
    """
    if not shutil.which("valgrind"):
        raise CannotCount("valgrind is not installed (apt-get install valgrind)")
    items = list(items)
    with tempfile.TemporaryDirectory() as folder:
        work = {
            name: partial(_counted, side, Path(folder, name), items, late, progress, tables)
            for name, side in runs.items()
        }
        return at_once(work, late)


def _counted(side, out, items, late, progress, tables):
    """{label: counts or an error} of one run; if its process dies in a case, the next begin another."""
    todo = [(PLANTED, replace(items[0], calls=FEWEST), PLANT), *((item.case.label, item, 1) for item in items)]
    found, tried = {}, 0
    while tried < len(todo) and not late():
        folder = Path(out, str(tried))
        folder.mkdir(parents=True)
        options = ("--quiet", "--tool=callgrind", f"--callgrind-out-file={folder}/out", f"--dump-before={MARK}*")
        first = {}  # {label: (the number of its first mark, calls)}
        with side.process(prefix=("valgrind", *options)) as process:
            while tried < len(todo) and not process.dead and not late():
                label, item, plant = todo[tried]
                tried += 1
                request = item.case.of(side) | {"calls": item.calls, "warm": item.warm, "plant": plant}
                patience = START + HANGS * LONGEST
                answer = process.ask("count", late.left(patience), **request)
                if "error" in answer and late():
                    break  # it was cut off
                if process.dead and not found and not first:
                    raise CannotCount(f"valgrind failed: {answer['error']}")
                if "found" in answer:
                    first[label] = answer["found"], item.calls
                else:
                    found[label] = {"error": f"under valgrind: {answer.get('error') or answer['skipped']}"}
                progress(tried, len(todo))
        process.running.wait()
        for label, (mark, calls) in first.items():
            few, many = (folder / f"out.{mark + number}" for number in (2, 3))  # they are numbered from 1
            if not many.exists():
                raise CannotCount(f"callgrind did not see the marks ({MARK} of the C library)")
            found[label] = _difference(few, many, calls, tables)
    return found


def _difference(few, many, calls, tables):
    """Instructions of a call, from the pieces of some calls and of twice as many."""
    total = (_summary(many) - _summary(few)) / calls
    before, after = (_functions(piece) if tables else {} for piece in (few, many))
    names = dict.fromkeys([*before, *after])
    return {"total": total, "functions": {name: (after.get(name, 0) - before.get(name, 0)) / calls for name in names}}


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
    if not all("total" in counted.get(label, {}) for label in (case.label, PLANTED)):
        return True  # there was no time, or it fails
    once, more = (counted[label]["total"] for label in (case.label, PLANTED))
    return verdict_of([once], [more]) == "worse"


def verdict_of(bases: Sequence[float], heads: Sequence[float]) -> str:
    """In words, where every count of the head says the same beside every count of the base."""
    if not all(abs(again / bases[0] - 1) <= TOLERANCE / 2 for again in bases):
        return "inconclusive"
    changes = [head / base - 1 for base, head in itertools.product(bases, heads)]
    found = {"worse" if not one <= TOLERANCE else "improved" if one < -TOLERANCE else "same" for one in changes}
    return found.pop() if len(found) == 1 else "inconclusive"
