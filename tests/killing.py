"""A sweep whose processes are killed at random moments, and the comparison with an undisturbed one.

``python tests/killing.py STORE GROUPS`` runs the sweep in this process, to be killed from outside.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import fastgrad
from fastgrad import plan, study
from fastgrad.batches import WorkerError
from fastgrad.store import DEFINITION, SCALARS, Store

AXES = {
    "activation": ["tanh", "relu", "elu"],
    "init": ["xavier_normal", "he_normal"],
    "bias_std": [0.0, 0.1],
    "depth": [4, 12, 20],
    "width": 24,
    "batch": 16,
    "data": "normal",
}


def sweep(path, executor=None, **axes):
    return fastgrad.sweep(path, {**AXES, **axes}, executor=executor, workers=2)


def seeds(groups):
    """So many pairs of seeds; a group is 36 cells of about 2 ms."""
    return [[2 * i, 2 * i + 1] for i in range(groups)]


def rows(path):
    """Every row but for its time and place, in order of the key."""
    with Store(path) as store:
        columns = ", ".join(("key", *DEFINITION, *SCALARS, "layers"))
        return store._db.execute(f"SELECT {columns} FROM cells ORDER BY key").fetchall()


def kill_coordinator(path, chance, groups, at_work):
    """Start the sweep as a process of its own, and kill it at a random moment; whether it was still running.

    ``at_work`` waits for rows first; otherwise it may be killed while it starts.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    before = len(rows(path)) if path.exists() else 0
    process = subprocess.Popen([sys.executable, __file__, str(path), str(groups)], env=environment)
    end = time.monotonic() + 60
    while at_work and time.monotonic() < end and process.poll() is None and not _grown(path, before):
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 0.3) if at_work else chance.uniform(0.2, 3.5))
    running = process.poll() is None
    process.kill()
    process.wait()
    return running


def _grown(path, before):
    try:
        return len(rows(path)) > before
    except OSError:  # not made yet
        return False


def ready():
    """Import and load all that the first cell needs."""
    study.measure_cell(next(iter(plan.grid(**AXES))))


def kill_worker(path, chance, groups, at_work):
    """Sweep with two processes, and kill one of them at a random moment; whether the sweep was still running."""
    # Not fork: this process may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, initializer=ready) as pool:
        if at_work:
            list(pool.map(time.sleep, [0.3, 0.3]))  # both have begun
        else:
            pool.submit(int).result()
        victim = chance.choice(list(pool._processes))
        timer = threading.Timer(
            chance.uniform(0.1, 0.4) if at_work else chance.uniform(0.0, 3.0), os.kill, (victim, signal.SIGKILL)
        )
        timer.start()
        try:
            sweep(path, pool, seeds=seeds(groups))
        except WorkerError:
            return True
        finally:
            timer.cancel()
    return False


def rng(seed):
    return random.Random(seed)


if __name__ == "__main__":
    sweep(sys.argv[1], seeds=seeds(int(sys.argv[2])))
