"""What is judged: the cases of a suite, each a benchmark with its parameters."""

# Design: - A case is known by its label, name(parameters), on both sides: parameters that a suite reads from the
#           project may differ between them.
#         - Whoever marks benchmarks with `gate = True` has chosen. Where nobody has, it is all that fits the budget,
#           the first parameters of every benchmark before the second of any.

import difflib
import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from fastgrad._validation import unknown
from fastgrad.bench.gate.processes import TIMEOUT, Deadline, at_once
from fastgrad.bench.gate.sides import GateError, Side
from fastgrad.bench.gate.worker import ATTRIBUTES

TIMED = ("time", "import")
COMPARED = ("code", "version", "params", "number", "timeout")  # of a benchmark, between the suites
QUOTE = "'"
FEW = 5  # names that an error tells


@dataclass(frozen=True)
class Case:
    """One thing to judge.

    Attributes
    ----------
    label : str
        As tables show it.
    ids : dict
        {side: what asv_runner calls it there}; without a side that does not have it.
    kind : str
        ``time``, ``import``, ``track``, ``peakmemory`` or ``memory``.
    unit : str
    timeout : float
        Seconds.
    number : int
        Calls for which its setup is good; 0: any number of short ones.
    setups, raw : bool
        Whether it has a setup; whether a call is a process.
    count : bool or str or None
        The attribute ``gate_count``: False, it is not counted; ``"only"``, it is not timed.
    tolerance : float or None
        The attribute ``gate_tolerance``.
    cache : str or None
        The key of its ``setup_cache``.
    patience : float
        Seconds for that.
    rank : int
        Of its parameters among those of its benchmark.
    gate : bool or None
        The attribute ``gate``.
    """

    label: str
    ids: Mapping[str, str]
    kind: str
    unit: str = "seconds"
    timeout: float = TIMEOUT
    number: int = 0
    setups: bool = False
    raw: bool = False
    count: bool | str | None = None
    tolerance: float | None = None
    cache: str | None = None
    patience: float = TIMEOUT
    rank: int = 0
    gate: bool | None = None

    def of(self, side: Side) -> dict[str, str]:
        """How a worker of a side is asked for it."""
        folder = str(side.scratch / hashlib.sha256(self.cache.encode()).hexdigest()[:12]) if self.cache else ""
        return {"name": self.ids[side.name], "folder": folder}


def listed(sides: Mapping[str, Side]) -> tuple[list[Case], list[str], list[str]]:
    """The cases of the head's suite, and what is to be said of it beside the base's.

    Parameters
    ----------
    sides : mapping of str to Side

    Returns
    -------
    cases : list of Case
    notes : list of str
    looser : list of str
        What the head's suite judges no more, or by other limits.

    Raises
    ------
    GateError
        If no benchmark is found.
    """
    found = at_once({name: partial(_discovered, side, side.suite) for name, side in sides.items()}, Deadline())
    base, head = found["base"], found["head"]
    cases, ids = {}, defaultdict(dict)
    for side, has in found.items():
        for benchmark in has["benchmarks"]:
            for name, case in _cases(benchmark):
                cases[case.label] = case
                ids[case.label][side] = name
    if not cases:
        why = "".join(f": {module}: {error}" for module, error in list(head["failed"].items())[:1])
        raise GateError(f"no benchmarks in {sides['head'].suite}{why}")
    packages = [name for name in head["packages"] if name in base["packages"]]
    imports = [Case(f"import {name}", dict.fromkeys(sides, f"import {name}"), "import", raw=True) for name in packages]
    return imports + [replace(cases[label], ids=ids[label]) for label in cases], *_compared(sides, found)


def _discovered(side, suite):
    with side.process(suite=suite, lean=False) as process:
        answer = process.ask("discover", 5 * TIMEOUT, project=side.project)
    if "error" in answer:
        raise GateError(f"the benchmarks cannot be listed by {side.label}: {answer['error']}")
    return answer["found"]


def _cases(benchmark):
    """(what asv_runner calls it, case) for every combination of a benchmark's parameters."""
    name, combinations = benchmark["name"], list(itertools.product(*benchmark["params"]))
    plain = [tuple(value.strip(QUOTE) for value in values) for values in combinations]
    shown = plain if len(set(plain)) == len(plain) else combinations  # '1' beside 1
    for index, values in enumerate(shown):
        given = f"({', '.join(values)})" if values else ""
        yield (
            f"{name}-{index}" if values else name,
            Case(
                label=name + given,
                ids={},
                kind=benchmark["type"],
                unit=benchmark["unit"],
                timeout=benchmark.get("timeout") or TIMEOUT,
                number=benchmark.get("number", 0) if benchmark["setups"] else 0,
                setups=benchmark["setups"],
                raw=benchmark["raw"],
                gate=benchmark["gate"],
                count=benchmark["gate_count"],
                tolerance=benchmark["gate_tolerance"],
                cache=benchmark.get("setup_cache_key"),
                patience=benchmark.get("setup_cache_timeout") or benchmark.get("timeout") or TIMEOUT,
                rank=index,
            ),
        )


def _compared(sides, found):
    """What cannot be imported or is another in the suite of the base; and what is judged no more, or otherwise."""
    notes, looser = [], []
    for side, has in found.items():
        for module, error in has["failed"].items():
            notes.append(f"On {sides[side].label} the module {module} of the suite cannot be imported: {error}.")
    if sides["base"].own != sides["base"].suite and sides["base"].own.is_dir():
        own = _discovered(sides["base"], sides["base"].own)["benchmarks"]
        before, after = ({one["name"]: one for one in many} for many in (own, found["head"]["benchmarks"]))
        both = [name for name in after if name in before]
        changed = [name for name in both if any(after[name].get(key) != before[name].get(key) for key in COMPARED)]
        if changed:
            notes.append(f"Benchmarks that changed run on both sides as the head has them: {', '.join(changed)}.")
        if gone := [name for name in before if name not in after]:
            looser.append(f"Benchmarks that only the base has are not judged: {', '.join(gone)}.")
        if others := [name for name in both if _otherwise(before[name], after[name])]:
            looser.append(f"The head judges these by other limits of its own: {', '.join(others)}.")
    return notes, looser


def _otherwise(before, after):
    """Whether a benchmark's own attributes choose, count or limit otherwise."""
    return any(before[key] != after[key] for key in ATTRIBUTES)


def chosen(cases: Iterable[Case], patterns: Iterable[str]) -> tuple[list[Case], bool]:
    """The cases to judge, and whether somebody chose them.

    Parameters
    ----------
    cases : iterable of Case
    patterns : iterable of str
        Regular expressions, for labels.

    Returns
    -------
    cases : list of Case
    asked : bool

    Raises
    ------
    ValueError
        If a pattern fits nothing, or is none.
    """
    cases, patterns = list(cases), list(patterns)
    if patterns:
        for pattern in patterns:
            if not any(_fits(pattern, case.label) for case in cases):
                raise no_such("benchmark", pattern, [case.label for case in cases])
        return [case for case in cases if any(_fits(pattern, case.label) for pattern in patterns)], True
    marked = [case for case in cases if case.gate]
    if marked:
        return [case for case in cases if case.kind == "import"] + marked, True
    return sorted((case for case in cases if case.gate is not False), key=lambda case: case.rank), False


def no_such(what: str, given: str, names: Sequence[str]) -> ValueError:
    """The error for a name or pattern that fits none of many: it tells the nearest, or the first few."""
    near = difflib.get_close_matches(given, names, 1)
    return unknown(what, given, near or [*names[:FEW], *["..."] * (len(names) > FEW)])


def _fits(pattern, label):
    try:
        return re.search(pattern, label)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
