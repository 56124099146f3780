"""Processes of a sweep that are killed at random moments, and executors that lose what they are given.

No moment that matters is one of the clock: a kill waits for rows, or for progress.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import fastgrad
from fastgrad.sweeps.rows import DEFINITION, SCALARS
from fastgrad.sweeps.store import Store

AXES = {
    "activation": ["tanh", "relu", "elu"],
    "init": ["xavier_normal", "he_normal"],
    "bias_std": [0.0, 0.1],
    "depth": [4, 12, 20],
    "width": 24,
    "batch": 16,
    "data": "normal",
}
GROUP = 36  # cells of about 2 ms


def sweep(path, executor=None, **axes):
    return fastgrad.sweep(path, {**AXES, **axes}, executor=executor, workers=2)


def seeds(groups):
    """So many pairs of seeds, for each of which there is a group of cells."""
    return [[2 * i, 2 * i + 1] for i in range(groups)]


def rows(path):
    """Every row but for its time and place, in order of the key."""
    with Store(path) as store:
        columns = ", ".join(("key", *DEFINITION, *SCALARS, "layers"))
        return store._db.execute(f"SELECT {columns} FROM cells ORDER BY key").fetchall()


def start_command(path, plan):
    """``fastgrad sweep`` with two processes, in a group of its own; its pipes close when its last process ends."""
    toml = path.parent / "plan.toml"
    toml.write_text("\n".join(f"{name} = {value!r}" for name, value in plan.items()).replace("'", '"'))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-m", "fastgrad", "sweep", str(toml), str(path), "--workers", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip


def wait_for_rows(process, path, more_than=0):
    """Until the store has more rows, or the process has ended."""
    while process.poll() is None and count(path) <= more_than:
        time.sleep(0.01)


def count(path):
    try:
        with Store(path) as store:
            return len(store)
    except OSError:  # not made yet
        return 0


def processes_of(process):
    """A line for each process of its group."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if int(line.split()[0]) == process.pid]


def output(process):
    """What the command prints until the last of its processes has ended: with an error if one never does."""
    try:
        return process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        left = "\n".join(processes_of(process))
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"of a command that was killed there still run:\n{left}") from None


def kill_coordinator(path, chance, groups, starting):
    """Start the command, and kill it at a random moment; whether it was still running. Its workers end with it.

    It has then measured a random number of cells; or, with the probability ``starting``, it may not have begun.
    """
    process = start_command(path, {**AXES, "seeds": seeds(groups)})
    if chance.random() < starting:
        time.sleep(chance.uniform(0.2, 3.5))
    else:
        wait_for_rows(process, path, count(path) + chance.randrange(4 * GROUP))
    running = process.poll() is None
    process.kill()
    output(process)
    return running


def kill_workers(chance, times, cells):
    """A ``progress`` for :func:`fastgrad.sweep` that kills workers as they are at work; the pids that it killed."""
    due = sorted(chance.sample(range(1, cells * 3 // 4), times))
    others, killed = {child.pid for child in multiprocessing.active_children()}, []

    def progress(done, failed, total):
        if due and done >= due[0]:
            due[:] = [at for at in due if at > done]
            victim = chance.choice([c.pid for c in multiprocessing.active_children() if c.pid not in others])
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    return progress, killed


class Deadly(ProcessPoolExecutor):
    """A pool whose process ends at certain cells, as one does that runs out of memory."""

    def __init__(self, deadly, how):
        super().__init__(2, mp_context=multiprocessing.get_context("spawn"))
        self.deadly, self.how = deadly, how

    def submit(self, fn, /, *args):
        return super().submit(measure_or_end, self.deadly, self.how, fn, *args)


def measure_or_end(deadly, how, fn, *args):
    if args and not deadly.isdisjoint(args[0]):
        how(os.getpid(), signal.SIGKILL) if how is os.kill else how(3)
    return fn(*args)


class Fragile(Executor):
    """What a process pool is to its user, in one thread: a deadly cell loses all that is out, and all that comes.

    ``deadly`` has how many more times a cell is, and may be that of several executors.
    """

    def __init__(self, deadly, at_once=False):
        self._deadly, self._broken, self._closed = deadly, at_once, False
        self._queue, self._change = deque(), threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def submit(self, fn, /, *args):
        with self._change:
            if self._broken:
                raise BrokenProcessPool("broken")
            self._queue.append((future := Future(), fn, args))
            self._change.notify()
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        with self._change:
            self._closed = True
            self._change.notify()

    def _run(self):
        while True:
            with self._change:
                self._change.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                future, fn, args = self._queue.popleft()
                guilty = [cell for cell in (args[0] if args else ()) if self._deadly.get(cell)]
                if guilty:
                    self._deadly[guilty[0]] -= 1
                    self._broken = True
                    for lost in (future, *(future for future, *_ in self._queue)):
                        lost.set_exception(BrokenProcessPool("a process was terminated abruptly"))
                    return
            if future.set_running_or_notify_cancel():
                future.set_result(fn(*args))


def rng(seed):
    return random.Random(seed)
