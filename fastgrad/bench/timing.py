"""Time functions against each other on a machine that is not quiet."""

# Design: - Contestants take turns in random order within one process, so a slow minute hits all of them.
#         - A sample repeats the call until it lasts SAMPLE seconds: the clock and the loop stay below 1 %.
#         - The minimum is quoted: noise only ever adds. Ratios of minima in one run are what repeats.
#         - Calls that take long are sampled less often, all contestants alike, but no less than FEWEST times.

import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")
SAMPLE = 3e-4  # seconds
SPEND = 0.5  # seconds of samples of the slowest contestant
FEWEST = 5


def silent(_: str) -> None:
    """Tell nobody."""


def _once(function: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def interleaved(functions: Mapping[str, Callable[[], object]], rounds: int, seed: int = 0) -> dict[str, float]:
    """The least seconds per call of each function, all taking turns in random order.

    Parameters
    ----------
    functions : mapping of name to function without arguments
    rounds : int
        Samples per function, or fewer if calls are slow.
    seed : int
        Of the order.

    Returns
    -------
    dict of name to seconds
    """
    order = random.Random(seed)
    repeats, slowest = {}, SAMPLE
    for name, function in functions.items():
        function()  # compile, touch memory
        seconds = max(_once(function, 3), 1e-9)
        repeats[name] = max(1, round(SAMPLE / seconds))
        slowest = max(slowest, seconds)
    rounds = min(rounds, max(FEWEST, round(SPEND / slowest)))
    best = dict.fromkeys(functions, float("inf"))
    names = list(functions)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            best[name] = min(best[name], _once(functions[name], repeats[name]))
    return best


def round_by_round(
    starts: Mapping[str, Callable[[int], Callable[[], T]]],
    rounds: int,
    seed: int = 0,
    tell: Callable[[str], None] = silent,
) -> dict[str, list[tuple[float, T]]]:
    """Seconds and result of each function in each round: for what is started anew each time and takes long.

    Parameters
    ----------
    starts : mapping of name to function
        Of the round's number; it makes the call that is timed, and is not timed itself.
    rounds : int
    seed : int
        Of the order in which they take turns.
    tell : callable
        Called with the name and round that begin.

    Returns
    -------
    dict of name to a (seconds, result) for every round
    """
    order = random.Random(seed)
    names, found = list(starts), {name: [] for name in starts}
    for number in range(rounds):
        order.shuffle(names)
        for name in names:
            tell(f"{name}, {number + 1} of {rounds}")
            call = starts[name](number)
            start = time.perf_counter()
            result = call()
            found[name].append((time.perf_counter() - start, result))
    return found
