"""The whole judgement: both sides built, the gate rehearsed, then quality, instructions and speed."""

# Design: - Every finished part (a pair, a count, the numbers of a side) is a line of a file, so that the same command
#           goes on after an interruption; the file goes when the judgement is complete. A part counts only for the
#           same two wheels.
#         - What is cheap and certain comes first: quality, instructions, the rehearsal, and speed at last.

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from fastgrad import kernels
from fastgrad._validation import unknown
from fastgrad.bench.gate import instructions, pairs, quality, rehearsal, sides
from fastgrad.bench.gate.cases import CASES, KERNELS, NETWORKS, VERSION
from fastgrad.bench.journal import Parts

BAD = ("worse", "gone", "moved")
NAMES = (*CASES, *KERNELS, *NETWORKS)  # of everything that is judged


@dataclass(frozen=True)
class Row:
    """One number of both sides, judged.

    Attributes
    ----------
    layer : str
        ``speed`` (seconds), ``instructions`` (per unit) or ``quality``.
    what, number : str
        Of which case, kernel or network; which number.
    base, head : float or None
    verdict : str
        ``same``, ``improved``, ``worse``, ``moved``, ``inconclusive``, ``new``, ``gone``, ``absent``, or ``allowed``:
        a bad one that the caller said was meant.
    ratio, low, high : float or None
        Head over base, and its interval.
    quiet, pairs : int or None
    """

    layer: str
    what: str
    number: str
    base: float | None
    head: float | None
    verdict: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    quiet: int | None = None
    pairs: int | None = None


@dataclass(frozen=True)
class Judgement:
    """What the gate found.

    Attributes
    ----------
    base, head : str
        Labels of the sides.
    rows : list of Row
    doubts : list of str
        What the rehearsal should have read otherwise: a layer that it doubts has no rows.
    missing : list of str
        Why a layer was not measured.
    """

    base: str
    head: str
    rows: list[Row]
    doubts: list[str]
    missing: list[str]

    @property
    def unclear(self) -> bool:
        """Whether something could not be judged."""
        return bool(self.doubts or self.missing) or any(row.verdict == "inconclusive" for row in self.rows)

    def exit_code(self, strict: bool = False) -> int:
        """1: something is worse, moved or gone. 3, if ``strict``: something could not be judged. 0: neither."""
        if any(row.verdict in BAD for row in self.rows):
            return 1
        return 3 if strict and self.unclear else 0


def judge(
    base: str,
    head: str,
    out: str | Path,
    allow: Iterable[str] = (),
    allow_dirty: bool = False,
    progress: Callable[[int | None, int | None, str], None] = lambda done, total, label: None,
) -> Judgement:
    """Build two revisions, or take two wheels, and judge whether the second is worse than the first.

    Parameters
    ----------
    base, head : str
        git revisions or paths of wheels.
    out : path
        A folder for builds and for finished parts, with which the same call goes on after an interruption.
    allow : iterable of str
        Patterns, such as ``tanh *``, of cases, kernels and networks that are meant to change.
    allow_dirty : bool
        Judge the commit that is checked out even if files differ from it.
    progress : callable
        Called with the number of finished pairs, of the pairs that are needed at least, and what is being done.

    Returns
    -------
    Judgement

    Raises
    ------
    GateError
        If a side does not exist, does not build or does not run.
    ValueError
        If a pattern fits nothing.
    ImportError
        If Numba, which tallies errors, is not installed.
    OSError
        If ``out`` cannot be written.
    """
    kernels.get("numba")  # which tallies errors; said now, not after the builds
    allow, out = list(allow), Path(out).resolve()
    for pattern in allow:
        if not any(fnmatch(name, pattern) for name in NAMES):
            raise unknown("name to allow", pattern, NAMES)
    before, after = sides.prepare(base, head, out, allow_dirty, lambda label: progress(None, None, label))
    parts = Parts(out / "parts.jsonl", f"{before.digest} {after.digest} {VERSION}", "a judgement")
    rows, doubts, missing = [], [], []
    for layer in (_quality, _instructions, _speed):
        found, doubted, lacking = layer(before, after, parts, progress)
        rows += [] if doubted else [_allowed(row, allow) for row in found]
        doubts += doubted
        missing += lacking
    parts.finish()
    return Judgement(before.label, after.label, rows, doubts, missing)


def _allowed(row, patterns):
    meant = row.verdict in BAD and any(fnmatch(row.what, pattern) for pattern in patterns)
    return replace(row, verdict="allowed") if meant else row


def _quality(base, head, parts, progress):
    """(rows, doubts, what was not measured); as the other layers."""
    progress(None, None, "errors and decay")
    ours = parts.get("quality base", lambda: quality.numbers(base))
    theirs = parts.get("quality head", lambda: quality.numbers(head))
    planted = parts.get("quality planted", lambda: quality.numbers(base, [rehearsal.WRONG]))
    rows = _compared(ours, theirs)
    doubts = rehearsal.quality_doubts((row.what, row.number) for row in _compared(ours, planted) if row.verdict in BAD)
    return rows, doubts, []


def _compared(base, head):
    return [
        Row("quality", what, number, one, head[what][number], quality.verdict_of(number, one, head[what][number]))
        for what, numbers in base.items()
        for number, one in numbers.items()
    ]


def _instructions(base, head, parts, progress):
    progress(None, None, "counting instructions")
    items = {case: (case, 1) for case in CASES} | {"planted": (rehearsal.SLOWED, rehearsal.FACTOR)}
    try:
        counts = parts.get("instructions", lambda: instructions.count({"base": base, "head": head}, items))
    except instructions.CannotCount as error:
        return [], [], [f"Instructions were not counted: {error}."]
    ours, theirs = counts["base"], counts["head"]
    rows = [
        Row("instructions", case, f"per {CASES[case].unit}", *pair, instructions.verdict_of(*pair))
        for case, pair in ((case, (ours.get(case), theirs.get(case))) for case in CASES)
    ]
    planted = instructions.verdict_of(ours.get(rehearsal.SLOWED), ours.get("planted"))
    return rows, rehearsal.count_doubts(planted), []


def _speed(base, head, parts, progress):
    def stage(name, second, cases, plants=None):
        def take(number, cases):
            pair = {"base": base, "head": second}
            return parts.get(f"{name} {number}", lambda: pairs.measure_pair(pair, cases, plants or {}, number))

        return pairs.measure(take, cases, lambda done, total: progress(done, total, f"{name}, pairs of processes"))

    rehearsed = (rehearsal.SLOWED, *rehearsal.UNCHANGED)
    doubts = rehearsal.speed_doubts(stage("rehearsal", base, rehearsed, {rehearsal.SLOWED: rehearsal.FACTOR}))
    if doubts:
        return [], doubts, []
    timings = stage("speed", head, [name for name, case in CASES.items() if case.timed])
    timings |= stage("again", head, [case for case, timing in timings.items() if timing.verdict == "worse"])
    return [Row("speed", case, "seconds", **asdict(timing)) for case, timing in timings.items()], [], []
