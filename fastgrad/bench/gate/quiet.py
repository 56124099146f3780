"""What else the machine does: which processor has nothing to do, and why times vary."""

# Design: Linux says it in /proc/stat. Where that is missing, processors take turns and no cause is named.

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

STAT = Path("/proc/stat")
IDLE, STOLEN = (3, 4), (7,)  # columns; the last two, of guests, are counted in the first two as well
GLANCE = 0.1  # seconds
BUSY, STEAL, STEPS = 0.25, 0.02, 0.03  # of a processor; of all time; between slow and fast clocks


def _ticks():
    """Seconds of every processor in each column of /proc/stat."""
    try:
        lines = [line.split() for line in STAT.read_text().splitlines() if line.startswith("cpu")]
        return {name: np.array(values[:8], float) / os.sysconf("SC_CLK_TCK") for name, *values in lines}
    except OSError:
        return {}


def idlest(number: int) -> int | None:
    """The processor that does least; of those that are alike the ``number``-th, so that they take turns."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cpus = sorted(os.sched_getaffinity(0))
    before = _ticks()
    time.sleep(GLANCE)
    spent = {name: now - before[name] for name, now in _ticks().items() if name in before}
    busy = {cpu: _busy(spent[f"cpu{cpu}"]) / GLANCE for cpu in cpus if f"cpu{cpu}" in spent}
    idle = [cpu for cpu in cpus if busy.get(cpu, 0) <= min(busy.values(), default=0) + BUSY]
    return idle[number % len(idle)]


def _busy(spent):
    return float(spent.sum() - spent[[*IDLE, *STOLEN]].sum())


class Watch:
    """Looks at the machine from when it is made."""

    def __init__(self):
        self.ticks, self.own, self.start = _ticks(), sum(os.times()[:4]), time.monotonic()

    def causes(self, clocks: Sequence[float] = ()) -> list[str]:
        """Why times may have varied since then, once the processes that were measured have ended.

        Parameters
        ----------
        clocks : sequence of float
            Seconds of the same work, measured meanwhile.
        """
        seconds, found = time.monotonic() - self.start, []
        now = _ticks()
        if self.ticks and "cpu" in now:
            spent = now["cpu"] - self.ticks["cpu"]
            others = (_busy(spent) - (sum(os.times()[:4]) - self.own)) / seconds
            stolen = float(spent[list(STOLEN)].sum() / max(spent.sum(), 1e-9))
            if others > BUSY:
                found.append(f"other processes keep {others:.1f} processors busy")
            if stolen > STEAL:
                found.append(f"a neighbour on the same machine takes {stolen:.0%} of the time")
        if len(clocks) > 1:
            fast, slow = np.quantile(clocks, (0.1, 0.9))
            if slow > fast * (1 + STEPS):
                found.append(f"the processor's speed varies by {slow / fast - 1:.0%}")
        return found
