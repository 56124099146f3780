"""Time functions against each other on a machine that is not quiet."""

# Design: - Contestants take turns in random order within one process, so a slow minute hits all of them.
#         - A sample repeats the call until it lasts SAMPLE seconds: the clock and the loop stay below 1 %.
#         - The minimum is quoted: noise only ever adds. Ratios of minima in one run are what repeats.
#         - Calls that take long are sampled less often, all contestants alike, but no less than FEWEST times.

import random
import time
from collections.abc import Callable, Mapping

SAMPLE = 3e-4  # seconds
SPEND = 0.5  # seconds of samples of the slowest contestant
FEWEST = 5


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
