"""The whole judgement: both sides built, and every layer measured."""

# Design: - Every finished part (a pair, a count, the numbers of a side) is a line of a file, so that the same command
#           goes on after an interruption; the file goes when the judgement is complete. A part counts only for the
#           same two commits and the same question.
#         - What is cheap and certain comes first: numbers, memory, instructions; and at last time, with all that is
#           left of the budget.

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from fastgrad.bench.gate import cases, sides
from fastgrad.bench.gate.explain import explained
from fastgrad.bench.gate.layers import Run
from fastgrad.bench.gate.rows import BAD, Judgement, Options
from fastgrad.bench.journal import Parts

VERSION = 4  # counted up when what is measured changes its meaning: kept parts of another version are not used


def judge(
    base: str,
    head: str,
    out: str | Path,
    options: Options = Options(),  # noqa: B008 - it is frozen
    progress: Callable[[int | None, int | None, str], None] = lambda done, total, label: None,
    tell: Callable[[str], None] = lambda message: None,
) -> Judgement:
    """Build two revisions, and judge whether the second is worse than the first.

    Parameters
    ----------
    base, head : str
        git revisions.
    out : path
        A folder for builds and for finished parts, with which the same call goes on after an interruption.
    options : Options
    progress : callable
        Called with the number of finished parts, of all, and what is being done.
    tell : callable
        Called at once with what cannot wait: that the machine is busy.

    Returns
    -------
    Judgement

    Raises
    ------
    GateError
        If a side does not exist or does not build, or there is no suite.
    ValueError
        If a pattern fits nothing.
    ImportError
        If asv is not installed.
    OSError
        If ``out`` cannot be written.
    """
    out = Path(out).resolve()
    with sides.alone(out):
        return _judge({"base": base, "head": head}, out, options, progress, tell)


def _judge(revisions, out, options, progress, tell):
    label = partial(progress, None, None)
    both, notes = sides.prepare(revisions, options.suite, options.python, out, options.allow_dirty, label)
    question = options.bench, options.layers, both["head"].python, both["head"].suite
    identity = " ".join(map(str, (VERSION, both["base"].commit, both["head"].commit, *question)))
    parts = Parts(out / "parts.jsonl", identity, "a judgement")
    label("listing the benchmarks")
    listed, said, looser = cases.listed(both)
    names = [case.label for case in listed]
    for pattern in options.allow:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise cases.no_such("name to allow", pattern, names)
    run = Run(both, parts, options, progress, tell)
    run.judge(*cases.chosen(listed, options.bench))
    rows = [_allowed(row, options.allow) for row in run.rows]
    rows = explained(rows, {case.label: case for case in listed}, run)
    parts.finish()
    return Judgement(
        both["base"].label, both["head"].label, rows, run.doubts, looser + run.missing, notes + said + run.notes
    )


def _allowed(row, patterns):
    meant = row.verdict in BAD and any(fnmatchcase(row.what, pattern) for pattern in patterns)
    return replace(row, verdict="allowed") if meant else row
