"""Cells are sent to an executor in batches, and their results, failures and losses are collected."""

# Design: - Of an executor only PEP 3148 is used: submit, and futures that concurrent.futures.wait takes. Threads,
#           processes, loky, mpi4py.futures and Dask's Client.get_executor() all offer that.
#         - Batches last about half a second, longer where there are many workers (a scheduler starts some
#           hundred tasks a second), shorter towards the end. How long a cell takes is estimated, and the
#           estimate's scale corrected by every batch that comes back.
#         - At most ``AHEAD`` batches per worker are submitted at once, and cells are made when they are needed: the
#           memory of this process does not grow with the sweep.
#         - An exception in a cell's computation comes back as data (worker.py). One of a future is therefore
#           a failure of the transport: its cells are submitted again one by one, at most ``TRIES`` times, and are then
#           counted as lost.
#         - When a worker process dies, any cell that was submitted may have killed it. They are submitted again
#           as single cells, one per worker; if a worker dies again, those are submitted one at a time. A cell whose
#           worker dies ``GUILTY`` times while it alone is running has failed.
#         - A lost batch cannot be told from a slow one. After ``patience`` seconds without a result the sweep says
#           what it waits for and submits it once more; a result that comes back twice is stored once.

import functools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field
from itertools import islice

from fastgrad import machine
from fastgrad.sweeps import plan, study
from fastgrad.sweeps.cell import Cell, CellResult
from fastgrad.sweeps.pools import Pool, WorkerError
from fastgrad.sweeps.rows import Failure, StoreError, key
from fastgrad.sweeps.store import Store
from fastgrad.sweeps.worker import Batch, measure_batch, portable, process

BATCH_SECONDS = 0.5
TASKS_PER_SECOND = 200  # what a scheduler is asked for at the most; Dask's does a few thousand
SHORTEST = 0.01  # seconds
MOST_CELLS = 500  # of a batch: 10 MB of them are out at once for each worker
AHEAD = 3
GRACE = 10.0  # seconds that what is out has to come back in, when there is no more to wait for
LOOKUP = 500  # cells looked up in the store at once
TRIES = 5  # times that a cell is handed out and lost on the way
GUILTY = 2  # workers that a cell ends while it is all that is out
PATIENCE = 60.0  # seconds
SLOW = 20  # times as long as estimated: what takes no longer is not handed out again


@dataclass(frozen=True)
class Step:
    """One step of a sweep: a batch that came back, and cells that were in the store, had failed before, or were lost.

    ``lost`` are given up, and the reason of the last time; ``resent`` is how many cells have to be handed out again.
    """

    results: list[CellResult] = field(default_factory=list)
    raised: list[tuple[Cell, Exception]] = field(default_factory=list)
    reused: list[Cell] = field(default_factory=list)
    failed_before: int = 0
    lost: list[tuple[Cell, Exception]] = field(default_factory=list)
    resent: int = 0
    seconds: float = 0.0


class _Batches:
    """Cells in batches that take about as long as is asked for."""

    def __init__(self, cells, expected, workers):
        self._cells, self._left, self._workers = iter(cells), expected, workers
        self._longest = max(BATCH_SECONDS, workers / TASKS_PER_SECOND)
        self._estimated = self._measured = 0.0

    @property
    def _scale(self):
        return self._measured / self._estimated if self._estimated else 1.0

    def next(self):
        """The next batch; empty when there are no more."""
        scale = self._scale
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

    def seconds(self, batch):
        """How long a worker is expected to take."""
        return self._scale * sum(map(plan.seconds, batch))


@dataclass(eq=False)
class _Task:
    """Cells that are submitted together, how many other tasks may run beside it, and its history."""

    cells: list[Cell]
    most: int  # tasks that may be out, itself included
    lost: int = 0  # times on the way
    ended: int = 0  # workers, while it was all that was out
    twice: bool = False  # whether it was handed out a second time because nothing came back

    def one_by_one(self, most, lost):
        return [_Task([cell], most, lost, self.ended) for cell in self.cells]


class _Out:
    """The tasks that are submitted, and those that have to be submitted again."""

    def __init__(self, fresh, pool, store, patience, notice):
        self._fresh, self._pool, self._store = fresh, pool, store
        self._patience, self._notice = patience, notice
        self._timeout = None if patience >= threading.TIMEOUT_MAX else patience
        self._most = AHEAD * pool.workers
        self._futures: dict[Future, _Task] = {}
        self._out = Counter()  # how many tasks are, by how few others each may be beside
        self._again = {most: deque() for most in (1, pool.workers, self._most)}
        self._lost_in_a_row = 0
        self._silent, self._in_vain = 0.0, False  # seconds since anything came back; whether all is out twice

    def __bool__(self):
        return bool(self._futures)

    def fill(self):
        """Submit as many tasks as may be."""
        while (task := self._next()) is not None:
            self._out[task.most] += 1
            self._submit(task)

    def _next(self):
        """The next task that may run beside those that are submitted; None if there is none."""
        most = next((most for most, waiting in self._again.items() if waiting), self._most)
        if self._out.total() >= min(most, *(limit for limit, tasks in self._out.items() if tasks), self._most):
            return None
        if self._again[most]:
            return self._again[most].popleft()
        cells = self._fresh.next()
        return _Task(cells, self._most) if cells else None

    def _submit(self, task):
        self._futures[self._pool.submit(measure_batch, task.cells, machine.code(), process())] = task

    def come_back(self):
        """Wait for a result; yield its steps once they are stored."""
        done = wait(self._futures, timeout=self._timeout, return_when=FIRST_COMPLETED).done
        if not done:
            yield from self._nothing_came()
            return
        self._silent, self._in_vain = 0.0, False
        if any(isinstance(_error(future), BrokenExecutor) for future in done):
            done = wait(self._futures, timeout=GRACE).done  # it has lost all others, or is about to
        ended = []
        for future in done:
            if (task := self._take(future)) is None:
                continue
            error = _error(future)
            if error is None:
                yield self._finished(task, future.result())
            elif isinstance(error, WorkerError | ImportError):
                raise error
            elif isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker":  # Dask's
                ended.append((task, error))
            else:
                yield self._lost(task, error)
        if ended:
            yield self._worker_ended(ended)

    def _take(self, future):
        """The task of a future that has come back; None if it has come back before."""
        task = self._futures.pop(future, None)
        if task is None:
            return None
        self._out[task.most] -= 1
        if task.twice:
            for twin in [other for other, its in self._futures.items() if its is task]:
                del self._futures[twin]
                self._pool.abandoned |= not (twin.cancel() or twin.done())
        return task

    def _finished(self, task, batch):
        self._lost_in_a_row = 0
        self._fresh.came_back(task.cells, batch.seconds)
        return self._stored(batch)

    def _stored(self, batch):
        if self._store is not None:
            failures = [Failure(cell, _reason(error)) for cell, error in batch.raised]
            self._store.add(batch.results, failures, batch.environment)
        return Step(batch.results, batch.raised, seconds=batch.seconds)

    def _lost(self, task, error):
        """The step of a task that was lost in transport."""
        self._lost_in_a_row += 1
        if self._lost_in_a_row > TRIES * self._most:
            raise WorkerError(
                f"{self._pool} gives back nothing but errors, {self._lost_in_a_row} in a row, the last "
                f"{_reason(error)}; what was measured is kept, and the same call goes on from there"
            ) from error
        if task.lost + 1 == TRIES:
            return Step(lost=[(cell, portable(error)) for cell in task.cells])
        self._again[task.most].extend(task.one_by_one(task.most, task.lost + 1))
        return Step(resent=len(task.cells))

    def _worker_ended(self, tasks):
        """The step of tasks, each with its error, that were running when a worker died."""
        error = next((error for _, error in tasks if isinstance(error, BrokenExecutor)), None)
        if error is None:
            ended = f"its worker ended: {_reason(tasks[0][1])}"
        else:
            trial = functools.partial(measure_batch, [], machine.code(), process())
            ended = f"its worker process ended: {self._pool.replace(error, trial, self._timeout)}"
        guilty, resent = [], 0
        for task, _ in tasks:
            task.ended += task.most == 1
            if task.ended == GUILTY:
                guilty += task.cells
                continue
            narrower = self._pool.workers if task.most > self._pool.workers else 1
            self._again[narrower].extend(task.one_by_one(narrower, task.lost))
            resent += len(task.cells)
        if resent:
            self._notice(f"a worker was lost ({ended}): {resent:,} cells that were out are tried one by one")
        if not guilty:
            return Step(resent=resent)
        failed: list[tuple[Cell, Exception]] = [(cell, WorkerError(ended)) for cell in guilty]
        return self._stored(Batch([], failed, machine.environment(), 0.0))

    def _nothing_came(self):
        """Say what is waited for; submit it again when it is late; give up when that did not help."""
        self._silent += self._patience
        tasks = list(dict.fromkeys(self._futures.values()))
        since = time.strftime("%H:%M:%S", time.localtime(time.time() - self._silent))
        text = f"nothing has come back from {self._pool} for {self._silent:g} s, since {since}: "
        text += f"{sum(len(task.cells) for task in tasks):,} cells are out"
        if self._silent < SLOW * max(self._fresh.seconds(task.cells) for task in tasks):
            self._notice(f"{text}, which are estimated to take long")
            return
        if self._in_vain:
            raise WorkerError(
                f"{text}, for the second time; what was measured is kept, and the same call goes on from there "
                "(with more patience, if they do take as long)"
            )
        self._notice(f"{text}, and handed out again")
        self._silent, self._in_vain = 0.0, True
        for task in tasks:
            if task.twice:  # others have come back meanwhile: not the executor is lost, but these
                yield self._given_up(task)
            else:
                task.twice = True
                self._submit(task)
                yield Step(resent=len(task.cells))

    def _given_up(self, task):
        self._take(next(future for future, its in self._futures.items() if its is task))
        self._pool.abandoned = True
        error = TimeoutError("handed out twice, and never came back")
        return Step(lost=[(cell, error) for cell in task.cells])

    def keep(self, seconds):
        """At the end: cancel what has not begun, and store what is finished within so many seconds."""
        running = [future for future in self._futures if not future.cancel()]
        for future in wait(running, timeout=seconds).done:
            task = self._take(future)
            if task is not None and _error(future) is None:
                try:
                    self._finished(task, future.result())
                except StoreError:
                    return

    def cancel(self):
        for future in self._futures:
            future.cancel()


def _error(future):
    """The exception of a future that is done, or None."""
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _reason(error):
    return str(error) if isinstance(error, WorkerError) else f"{type(error).__name__}: {error}"


def steps(
    cells: Iterable[Cell],
    store: Store | None,
    pool: Pool,
    expected: float,
    retry_failed: bool,
    patience: float = float("inf"),
    notice: Callable[[str], None] = lambda text: None,
) -> Generator[Step, None, None]:
    """Every step of measuring the cells that the store does not have; each batch is stored before it is yielded.

    ``expected`` is the estimate of seconds for all; ``patience`` and ``notice`` are as in :func:`fastgrad.sweep`.
    """
    found: deque[Step] = deque()
    fresh = _Batches(_missing(iter(cells), store, retry_failed, found), expected, pool.workers)
    out = _Out(fresh, pool, store, patience, notice)
    with study.one_blas_thread():
        try:
            while True:
                out.fill()
                while found:
                    yield found.popleft()
                if not out:
                    return
                yield from out.come_back()
        except (KeyboardInterrupt, GeneratorExit):
            out.keep(GRACE)
            raise
        except (WorkerError, ImportError):
            out.keep(0.0)
            raise
        finally:
            out.cancel()


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
