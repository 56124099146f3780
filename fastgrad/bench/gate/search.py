"""The commit of a range from which on the gate calls some rows bad."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fastgrad.bench.gate import judgement, sides
from fastgrad.bench.gate.rows import BAD, Judgement, Options


def first_bad(
    base: str,
    head: str,
    found: Judgement,
    out: str | Path,
    options: Options,
    progress: Callable[[int | None, int | None, str], None],
    tell: Callable[[str], None],
) -> str:
    """Search the commits between two revisions, each judged against the first by the rows that are bad at the last.

    Parameters
    ----------
    base, head : str
        git revisions; ``head`` descends from ``base``.
    found : Judgement
        Of these two.
    out : path
    options : Options
    progress, tell : callable
        As :func:`judgement.judge` takes them.

    Returns
    -------
    str
        A sentence that names the commit, or the commits among which it is where some cannot be judged.

    Raises
    ------
    GateError
        If there is no commit between, or something in the repository is wrong.
    """
    bad = [row for row in found.rows if row.verdict in BAD]
    if not bad:
        return "Nothing is bad, so there is no commit to look for."
    folder = sides.configuration(options.suite).parent
    listed = sides.git(folder, "rev-list", "--first-parent", "--reverse", f"{base}..{head}").stdout.split()
    if not listed:
        raise sides.GateError(f"{head} does not descend from {base}: there is no commit between them")
    only = replace(
        options,
        bench=[f"^{re.escape(what)}$" for what in dict.fromkeys(row.what for row in bad)],
        layers=sorted({row.layer for row in bad}),
        allow_dirty=True,  # commits are judged, not what is checked out
    )
    good, high, skipped = -1, len(listed) - 1, []  # commits up to `good` are good, that at `high` is bad
    while high - good > 1:
        middle = (good + high) // 2
        judged = _judged(base, listed[middle], out, only, progress, tell)
        tell(f"{listed[middle][:12]} is {judged}")
        if judged == "bad":
            high = middle
        elif judged == "good":
            good = middle
        else:
            skipped.append(listed.pop(middle))
            high -= 1
    log = sides.git(folder, "log", "-1", "--format=%h %s", listed[high]).stdout.strip()
    doubt = f", or one before it that could not be judged: {', '.join(one[:12] for one in skipped)}" if skipped else ""
    return f"The first bad commit is {log}{doubt}."


def _judged(base, commit, out, options, progress, tell):
    try:
        found = judgement.judge(base, commit, out, options, progress, tell)
    except ValueError as error:  # it does not build, or its suite has no such benchmark
        return f"not judged: {error}"
    return "bad" if found.exit_code() else "not judged: inconclusive" if found.unclear else "good"
