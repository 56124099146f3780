"""Cells measured in batches by an executor: how long a batch is, who measures it, and what comes back."""

# Design: - An executor is what PEP 3148 says and no more: submit, and futures that concurrent.futures.wait
#           takes. Threads, processes, loky, mpi4py.futures and Dask's Client.get_executor() all are.
#         - Batches last about half a second, longer where there are many workers (a scheduler starts some
#           hundred tasks a second), shorter towards the end. How long a cell takes is estimated, and the
#           estimate's scale corrected by every batch that comes back.
#         - At most ``AHEAD`` batches for each worker are out at once and cells are made when they are needed:
#           the memory of this process does not grow with the sweep.
#         - A batch that does not come back at all (its worker was killed for its memory, say) is tried again
#           cell by cell, so that one cell takes no other with it.
#         - Workers say what they ran on, and refuse to work with another code than the coordinator's.

import functools
import os
import pickle
import socket
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, wait
from dataclasses import dataclass, field
from itertools import islice

from fastgrad import machine, plan, study
from fastgrad.store import Failure, StoreError, encode, key
from fastgrad.study import Cell

BATCH_SECONDS = 0.5
TASKS_PER_SECOND = 200  # what a scheduler is asked for at the most; Dask's does a few thousand
SHORTEST = 0.01  # seconds
MOST_CELLS = 500  # of a batch: 10 MB of them are out at once for each worker
AHEAD = 3
LOOKUP = 500  # cells looked up in the store at once


class WorkerError(RuntimeError):
    """The workers cannot go on, in one sentence; what was measured is in the store."""


@dataclass(frozen=True)
class Batch:
    """What a worker hands back: rows as the store holds them, cells that raised, where, and how long it took."""

    rows: list[tuple]
    raised: list[tuple[Cell, Exception]]
    environment: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class Step:
    """What the sweep did next: a batch that came back, cells that were in the store, or had failed before."""

    rows: list[tuple] = field(default_factory=list)
    raised: list[tuple[Cell, Exception]] = field(default_factory=list)
    reused: list[Cell] = field(default_factory=list)
    failed_before: int = 0
    seconds: float = 0.0


def measure_batch(cells: list[Cell], code: str, coordinator: str) -> Batch:
    """Measure cells one after the other; runs in a worker. ``coordinator`` is ``_process()`` where it was sent."""
    if machine.code() != code:
        raise WorkerError(f"a worker on {socket.gethostname()} runs fastgrad {machine.code()}, and this is {code}")
    if coordinator != _process():
        _limit_blas()
    start = time.perf_counter()
    rows, raised = [], []
    for cell in cells:
        try:
            rows.append(encode(study.measure_cell(cell)))
        except Exception as error:
            raised.append((cell, _portable(error)))
    return Batch(rows, raised, machine.environment(), time.perf_counter() - start)


def _process():
    return f"{socket.gethostname()}:{os.getpid()}"


@functools.cache
def _limit_blas():
    study.one_blas_thread().__enter__()  # for as long as the worker lives


def _portable(error):
    """The error, or one of its type's name and text if it cannot travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _Batches:
    """Cells in batches of about as many seconds as asked for."""

    def __init__(self, cells, expected, workers):
        self._cells, self._left, self._workers = iter(cells), expected, workers
        self._longest = max(BATCH_SECONDS, workers / TASKS_PER_SECOND)
        self._again = deque()
        self._estimated = self._measured = 0.0

    def next(self):
        """The next batch; empty when there are no more."""
        if self._again:
            return [self._again.popleft()]
        scale = self._measured / self._estimated if self._estimated else 1.0
        # Towards the end shorter ones, so that no worker waits long for the last of another.
        enough = min(self._longest, max(scale * self._left / (8 * self._workers), SHORTEST))
        batch, cost = [], 0.0
        for cell in self._cells:
            batch.append(cell)
            cost += scale * plan.seconds(cell)
            if cost >= enough or len(batch) == MOST_CELLS:
                break
        self._left -= cost / scale
        return batch

    def came_back(self, batch, seconds):
        self._estimated += sum(map(plan.seconds, batch))
        self._measured += seconds

    def again(self, batch):
        """Hand out the cells of a lost batch one by one."""
        self._again.extend(batch)


def steps(cells, store, executor, workers, expected, retry_failed):
    """Every step of measuring the cells that the store does not have; each batch is stored before it is yielded."""
    found = deque()
    batches = _Batches(_missing(cells, store, retry_failed, found), expected, workers)
    pending = {}
    with study.one_blas_thread():
        try:
            while True:
                while len(pending) < AHEAD * workers and (batch := batches.next()):
                    pending[_submit(executor, batch)] = batch
                while found:
                    yield found.popleft()
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    batch = pending.pop(future)
                    step = _came_back(future, batch, batches, store)
                    if step is not None:
                        yield step
        except (KeyboardInterrupt, GeneratorExit):
            _keep_what_runs(pending, batches, store)
            raise
        finally:
            for future in pending:
                future.cancel()


def _missing(cells, store, retry_failed, found):
    """The cells to measure; what the store says of the others goes to ``found``."""
    while some := list(islice(cells, LOOKUP)):
        if store is None:
            yield from some
            continue
        keys = list(map(key, some))
        present = store.present(keys)
        failed = set() if retry_failed else store.failed(keys)
        reused = [cell for cell, name in zip(some, keys, strict=True) if name in present]
        failed_before = sum(name in failed for name in keys)
        if reused or failed_before:
            found.append(Step(reused=reused, failed_before=failed_before))
        yield from (cell for cell, name in zip(some, keys, strict=True) if name not in present | failed)


def _submit(executor, batch):
    try:
        return executor.submit(measure_batch, batch, machine.code(), _process())
    except BrokenExecutor as error:
        raise _died(error) from error


def _came_back(future, batch, batches, store):
    """The step of a finished batch, stored; None if it is to be tried again."""
    try:
        result = future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise _died(error) from error
    except (WorkerError, ImportError):
        raise
    except Exception as error:  # the batch as a whole: its worker died, or could not read it
        if len(batch) > 1:
            batches.again(batch)
            return None
        result = Batch([], [(batch[0], _portable(error))], machine.environment(), 0.0)
    batches.came_back(batch, result.seconds)
    if store is not None:
        failures = [Failure(cell, f"{type(error).__name__}: {error}") for cell, error in result.raised]
        store.add(result.rows, failures, result.environment)
    return Step(result.rows, result.raised, seconds=result.seconds)


def _keep_what_runs(pending, batches, store):
    """On the way out: drop what has not begun, and store what is being measured."""
    running = {future: batch for future, batch in pending.items() if not future.cancel()}
    for future in wait(running, timeout=20 * BATCH_SECONDS).done:
        try:
            _came_back(future, running[future], batches, store)
        except (WorkerError, StoreError, ImportError):
            return


def _died(error):
    return WorkerError(
        f"a worker died or was taken away ({type(error).__name__}); what was measured is kept, "
        "and the same call goes on from there"
    )


def workers_of(executor, workers):
    """How many batches the executor runs at once."""
    if workers is not None:
        return workers
    client = getattr(executor, "_client", None)  # Dask's
    if client is not None:
        return max(1, sum(client.nthreads().values()))
    return getattr(executor, "_max_workers", None) or getattr(executor, "num_workers", None) or os.cpu_count()
