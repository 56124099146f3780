"""What one thread of this machine can do at most: multiply-adds per second, and bytes per second that a copy moves."""

# Design: - The roofline (Williams et al. 2009): nothing takes less time than its arithmetic at the peak, nor than its
#           reading and writing at the bandwidth of the memory that holds its arrays. The longer of the two binds.
#         - Measured once in a process, all limits taking turns, and used by every table that the process prints.
#         - The peak is that of the instruction set in use (FASTGRAD_CPU). A copy is the C library's memcpy, which takes
#           the widest vectors whatever is in use.
#         - A cache is measured at twice the size of the one before it: there it is at its best, while three quarters of
#           a shared one may be its neighbours' (here: 92 GB/s at 2 MiB of 32, 39 at 16).
#         - A copy within L1 takes less time than a call from Python: so COPIES of them are one call, each a cache line
#           further on than the last. Source and target move alike and lie half a page apart, so that no load seems to
#           wait for a store whose address has the same last 12 bits.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastgrad.bench.timing import interleaved
from fastgrad.kernels import compiled
from fastgrad.report.tables import Table, significant

ROUNDS, MULTIPLY_ADDS = 60, 5_000  # samples; rounds of multiply-adds in a call, a tenth of a millisecond
LINE, PAGE, COPIES = 64, 4096, 64
SMALL_CACHES = {"L1": 2**15, "L2": 2**19}  # bytes, where the system does not say: no processor with AVX2 has less
MEMORY = "memory"
NOTE = (
    "One thread. Multiply-adds: vectors of them that wait for nothing, in the kernels' instruction set; each is two "
    "operations. Copy: bytes read and written by the C library's memcpy; source and target together are as large as "
    "the table says. Each is the best of many samples."
)
EXPLAINED = (
    "% of limit: the time at the machine's limit over ours. The limit is the slower of two: the floating-point "
    "operations at the peak of multiply-adds, and the bytes read and written at the bandwidth of a copy in the memory "
    "that holds all arrays."
)


@dataclass(frozen=True)
class Limits:
    """The limits of one thread.

    Attributes
    ----------
    cpu : str
        The instruction set in use.
    peak : mapping of str to float
        Floating-point operations per second, by dtype.
    bandwidth : mapping of str to float
        Bytes read and written per second by a copy in ``"L1"``, ``"L2"``, ..., ``"memory"``.
    caches : mapping of str to int
        Bytes of each cache, the smallest first.
    """

    cpu: str
    peak: Mapping[str, float]
    bandwidth: Mapping[str, float]
    caches: Mapping[str, int]

    def level(self, held: float) -> str:
        """The smallest memory that holds so many bytes."""
        return next((name for name, size in self.caches.items() if held <= size), MEMORY)

    def figures(
        self, seconds: float, operations: float, moved: float, held: float, dtype: str = "float32"
    ) -> dict[str, float | str]:
        """How near to its limit something is.

        Parameters
        ----------
        seconds : float
            The time it takes.
        operations : float
            Floating-point operations that it needs.
        moved, held : float
            Bytes that it reads and writes at least, and bytes of all its arrays.
        dtype : str

        Returns
        -------
        dict
            ``limit``, which binds, ``"peak"`` or where the arrays lie, as in ``bandwidth``; ``limit_seconds``, the
            time at that limit; and ``percent_of_limit``, the time at the limit over the time.
        """
        level = self.level(held)
        times = {"peak": operations / self.peak[dtype], level: moved / self.bandwidth[level]}
        limit = max(times, key=times.__getitem__)
        return {"limit": limit, "limit_seconds": times[limit], "percent_of_limit": 100 * times[limit] / seconds}

    def rows(self) -> list[dict]:
        """Each limit: ``limit``, ``figure``, ``unit`` and the ``bytes`` at which a copy was measured."""
        peaks = [
            {"limit": f"multiply-adds, {dtype}, {self.cpu}", "figure": rate / 1e9, "unit": "GFLOP/s", "bytes": None}
            for dtype, rate in self.peak.items()
        ]
        return peaks + [
            {"limit": f"copy in {name}", "figure": rate / 1e9, "unit": "GB/s", "bytes": _held(name, self.caches)}
            for name, rate in self.bandwidth.items()
        ]

    def table(self) -> Table:
        """The rows as text."""
        lines: list[tuple[str, ...]] = [
            (row["limit"], significant(row["figure"]), row["unit"], _size(row["bytes"]), _size(self._cache(row)))
            for row in self.rows()
        ]
        return Table("limits", ("limit", "figure", "unit", "measured at", "cache"), {"": lines})

    def _cache(self, row):
        return self.caches.get(row["limit"].removeprefix("copy in "))

    def facts(self) -> dict[str, str]:
        """Name and value of each limit, to stand among the facts of the machine."""
        peaks = {f"peak {dtype}": f"{significant(rate / 1e9)} GFLOP/s" for dtype, rate in self.peak.items()}
        copies = {f"copy in {name}": f"{significant(rate / 1e9)} GB/s" for name, rate in self.bandwidth.items()}
        return peaks | copies


@cache
def limits() -> Limits:
    """The limits, measured when they are first asked for: a second or two."""
    found, calls, work = caches(), {}, {}
    for dtype in ("float32", "float64"):
        calls[dtype] = _multiply_adds(np.dtype(dtype).itemsize)
        work[dtype] = calls[dtype]()
    for name in (*found, MEMORY):
        calls[name], work[name] = _copy(_held(name, found))
    seconds = interleaved(calls, ROUNDS)
    rates = {name: work[name] / seconds[name] for name in calls}
    peak = {name: rates.pop(name) for name in ("float32", "float64")}
    return Limits(compiled.CPU, peak, rates, found)


def share(seconds: float, operations: float, moved: float, held: float) -> dict[str, float | str]:
    """``limit`` and ``percent_of_limit`` of something in float32, as of :meth:`Limits.figures`, on this machine."""
    found = limits().figures(seconds, operations, moved, held)
    return {name: found[name] for name in ("limit", "percent_of_limit")}


def caches(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[str, int]:
    """Bytes of each cache for data, by name, as Linux tells; ``SMALL_CACHES`` where it does not."""
    found = {}
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
            if kind != "Instruction":
                found[f"L{level}"] = int(size.removesuffix("K")) * 1024
        except (OSError, ValueError):  # of a virtual machine that does not know its size
            return SMALL_CACHES
    return found or SMALL_CACHES


def _held(name, sizes):
    """Bytes of source and target of a copy in this memory: three quarters of L1, or twice the cache before it."""
    names = [*sizes, MEMORY]
    before = names.index(name) - 1
    return 2 * sizes[names[before]] if before >= 0 else sizes[name] * 3 // 4


def _multiply_adds(item) -> Callable[[], int]:
    return lambda: compiled.multiply_adds(MULTIPLY_ADDS, item)


def _copy(held):
    """A call that copies within so many bytes, and the bytes that it reads and writes."""
    slide = COPIES * LINE
    size = (held - 2 * slide) // 2 // LINE * LINE
    copies = COPIES if size < PAGE * COPIES else 1
    room = np.ones(2 * (size + slide) + 3 * PAGE, np.uint8)
    start = -room.ctypes.data % PAGE
    second = start + -(-(size + slide) // PAGE) * PAGE + PAGE // 2
    source, target = (
        as_strided(room[at:], (copies, size), (LINE, 1), writeable=at == second) for at in (start, second)
    )
    return lambda: np.copyto(target, source), 2 * size * copies


def _size(count):
    """Bytes as text."""
    if count is None:
        return ""
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"
