"""Can the gate judge on this machine, today? It is shown what it must call the same, and what it must catch."""

# Design: - The plants are in what is measured, not in a build: 5 % more elements of one kernel in the process of the
#           second side, and `1 - y*y` instead of tanh's derivative. The pairs, intervals and verdicts are those by
#           which the head is judged, so a machine too noisy for them is found out here.

from collections.abc import Iterable, Mapping

from fastgrad.bench.gate.pairs import Timing

SLOWED, FACTOR = "tanh training float32", 1.05
UNCHANGED = ("relu value float32", "profile 10 x 32")
WRONG = "tanh derivative"


def speed_doubts(timings: Mapping[str, Timing]) -> list[str]:
    """What the base against itself, with FACTOR times the work in one kernel, should have read otherwise."""
    expected = {SLOWED: "worse"} | dict.fromkeys(UNCHANGED, "same")
    return [
        f"{case}, {'slowed by 5 %' if case == SLOWED else 'unchanged'}, reads {_read(timings[case])}"
        for case, verdict in expected.items()
        if timings[case].verdict != verdict
    ]


def _read(timing):
    if timing.ratio is None:
        return f"{timing.verdict}: {timing.quiet} of {timing.pairs} pairs were quiet"
    return f"{timing.verdict}: {timing.ratio:.3f} ({timing.low:.3f} to {timing.high:.3f})"


def count_doubts(verdict: str) -> list[str]:
    """The same by instructions, of which FACTOR times the work was judged so."""
    return [] if verdict == "worse" else [f"{SLOWED}, slowed by 5 %, reads {verdict} by instructions"]


def quality_doubts(moved: Iterable[tuple[str, str]]) -> list[str]:
    """The same for a wrong derivative: of all (kernel, number) its errors and false zeros move, and nothing else."""
    moved = sorted(moved)
    if moved == [(WRONG, "false zeros"), (WRONG, "max ULP")]:
        return []
    return [f"1 - y*y in place of tanh's derivative moves {', '.join(map(' '.join, moved)) or 'nothing'}"]
