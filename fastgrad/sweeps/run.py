"""Whole sweeps, and the few cells of a study, measured by any executor and kept in a store."""

# Design: - Both run one loop, ``batches.steps``: a sweep counts the results, a study yields them.
#         - A sweep's store is of one plan and one version of the code. A study's folder is the user's working
#           folder: all cells in it are used, and a store of another version is set aside, not refused.

import functools
import logging
import math
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import overload

from fastgrad import machine
from fastgrad._validation import listed, positive_int, real_number
from fastgrad.sweeps import batches, plan, study
from fastgrad.sweeps.batches import PATIENCE
from fastgrad.sweeps.cell import Cell, CellResult
from fastgrad.sweeps.frames import Sweep
from fastgrad.sweeps.pools import Pool
from fastgrad.sweeps.store import Store

STORE_FILE = "cells.db"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What a sweep did.

    ``cells`` of the plan; ``reused`` were in the store, ``measured`` are new, ``failed`` could not be measured;
    ``lost`` never came back from the workers, which is not their fault, and are measured by the next call;
    ``resent`` is how many had to be handed out again, a cell as often as it was;
    ``seconds`` of wall time; ``busy`` seconds summed over the ``workers``; ``bytes`` of the store; ``memory`` that
    this process took at the most since it began, in MB, NaN where the system does not say; ``cpu`` seconds of
    processor time that it used meanwhile: what coordinating costs, where the workers are other processes.
    """

    cells: int
    reused: int
    measured: int
    failed: int
    lost: int
    resent: int
    seconds: float
    busy: float
    workers: int
    bytes: int
    memory: float
    cpu: float

    @property
    def rate(self) -> float:
        """Cells measured in a second."""
        return self.measured / self.seconds if self.seconds else 0.0

    @property
    def scheduling(self) -> float:
        """The share of the workers' time in which they had nothing to measure, start and end included."""
        return 1.0 - self.busy / (self.workers * self.seconds) if self.seconds else 0.0


@overload
def sweep(store: str | os.PathLike, cells=None, **options) -> Summary: ...
@overload
def sweep(store: None = None, cells=None, **options) -> Sweep: ...
def sweep(
    store=None,
    cells=None,
    *,
    executor: Executor | Callable[[], Executor] | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
    extend: bool = False,
    patience: float = PATIENCE,
    progress: Callable[[int, int, int], None] = lambda done, failed, total: None,
    notice: Callable[[str], None] = _LOG.warning,
    **axes,
) -> Summary | Sweep:
    """Measure every cell of a plan that the store does not have yet.

    Parameters
    ----------
    store : path, optional
        An SQLite file, made if it is not there. Each batch is in it as soon as it is finished; the same call
        again goes on where the last one stopped, however that ended. Without one nothing is kept: what was measured
        is returned.
    cells : path, mapping, or sequence of mappings
        The plan: see :func:`fastgrad.sweeps.plan.read`. A path is that of a TOML file.
    executor : concurrent.futures.Executor, or a function without arguments that makes one, optional
        What runs the batches: a process pool, ``mpi4py.futures.MPIPoolExecutor()``, Dask's
        ``client.get_executor()``. Without one, ``workers`` threads of this process. An executor that is given is
        not shut down. One that breaks, as a process pool does when one of its processes ends, is replaced if the
        function that makes it was given, or if it is a ``concurrent.futures.ProcessPoolExecutor``.
    workers : int, optional
        Number of threads, or of the executor's workers where it does not say; the processors by default.
    retry_failed : bool
        Whether to measure cells again that failed before.
    extend : bool
        Whether the store may be one of another plan: its cells then stay beside the new ones.
    patience : float
        Seconds without any result from the executor after which ``notice`` says what is waited for, and it is
        handed out once more, unless it is estimated to take so long. As long again in vain is a WorkerError.
        Threads of this process lose nothing, and are waited for.
    progress : callable
        Called with the numbers of cells done, of these failed, and in all.
    notice : callable
        Called with a sentence when something is waited for or a worker is lost; by default a warning of the
        logger ``fastgrad.sweeps.run``, which is on stderr unless logging is configured otherwise.
    **axes
        In place of ``cells``: the axes of one grid, see :func:`fastgrad.sweeps.plan.grid`.

    Returns
    -------
    Summary
        Without ``store`` a :class:`fastgrad.sweeps.frames.Sweep`, with ``.frame``, ``.plot()`` and ``.report(folder)``.

    Raises
    ------
    ValueError
        If the plan is wrong, before anything is measured; likewise TypeError, and ImportError for what it needs.
    StoreError
        If the store cannot be used, or is one of another plan or of another version of the code.
    WorkerError
        If the workers are lost for good, or run another version of the code. What was measured is in the store.

    Examples
    --------
    >>> fastgrad.sweep("tanh.db", activation="tanh", gain=[1, 1.5, 2], depth=[10, 50], seeds=5)  # doctest: +SKIP
    """
    if store is None:
        options = {"executor": executor, "workers": workers, "patience": patience, "notice": notice}
        return _in_memory(cells, progress=progress, **options, **axes)
    if (cells is None) == (not axes):
        raise TypeError("give a plan or the axes of a grid, one of the two")
    if workers is not None:
        positive_int("workers", workers)
    if patience != math.inf:
        patience = real_number("patience", patience, above=0.0)
    grids = plan.read(axes if cells is None else cells)
    total, expected = sum(map(len, grids)), sum(grid.seconds() for grid in grids)
    if executor is None:
        executor = functools.partial(ThreadPoolExecutor, workers or os.cpu_count())
        patience = math.inf
    counts = dict.fromkeys(("reused", "measured", "failed", "lost", "resent"), 0)
    start, cpu, busy = time.perf_counter(), time.process_time(), 0.0
    with ExitStack() as stack:
        file = stack.enter_context(Store(store, writable=True))
        file.claim([grid.to_dict() for grid in grids], extend)
        pool = stack.enter_context(Pool(executor, workers))
        steps = batches.steps(chain.from_iterable(grids), file, pool, expected, retry_failed, patience, notice)
        for step in stack.enter_context(closing(steps)):
            busy += step.seconds
            counts["reused"] += len(step.reused)
            counts["measured"] += len(step.results)
            counts["failed"] += len(step.raised) + step.failed_before
            counts["lost"] += len(step.lost)
            counts["resent"] += step.resent
            progress(counts["reused"] + counts["measured"] + counts["failed"], counts["failed"], total)
        size = file.bytes
    return Summary(
        cells=total,
        **counts,
        seconds=time.perf_counter() - start,
        busy=busy,
        workers=pool.workers,
        bytes=size,
        memory=machine.peak_megabytes(),
        cpu=time.process_time() - cpu,
    )


def _in_memory(*given, **options):
    """A sweep whose store is gone when nobody holds what it found."""
    folder = Path(tempfile.mkdtemp(prefix="fastgrad-"))
    try:
        sweep(folder / STORE_FILE, *given, **options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    found = Sweep([folder / STORE_FILE])
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


def run_study(
    cells: Iterable[Cell],
    out: str | Path | None = None,
    progress: Callable[[CellResult, bool], None] = lambda result, reused: None,
    workers: int = 1,
) -> Iterator[CellResult]:
    """Measure the cells, and yield each result as it is finished.

    Parameters
    ----------
    cells : iterable of Cell
    out : path, optional
        A folder, made if it is not there. Finished cells are kept in its store ``cells.db``, and the cells
        there are not measured again. A store of another version of the code is set aside under its name.
    progress : callable
        Called with each result and whether it was in the store.
    workers : int
        Threads that measure cells side by side; the numbers do not depend on it.

    Raises
    ------
    OSError
        If the folder cannot be written to, before anything is measured.
    ValueError, TypeError, ImportError
        As :func:`fastgrad.sweeps.study.check`, likewise; and the error of a cell that cannot be measured.
    """
    cells = listed("cells", cells)
    positive_int("workers", workers)
    study.check(cells)
    return _results(cells, None if out is None else _folder_store(Path(out)), progress, workers)


def _results(cells, store, progress, workers):
    with ExitStack() as stack:
        if store is not None:
            stack.enter_context(store)
        pool = stack.enter_context(Pool(functools.partial(ThreadPoolExecutor, workers)))
        expected = sum(map(plan.seconds, cells))
        steps = batches.steps(cells, store, pool, expected, retry_failed=True)
        for step in stack.enter_context(closing(steps)):
            for cell in step.reused:
                result = store.get(cell)
                progress(result, True)
                yield result
            for result in step.results:
                progress(result, False)
                yield result
            for _, error in step.raised + step.lost:
                raise error


def _folder_store(folder):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STORE_FILE
    store = Store(path, writable=True)
    if (code := store.code) != machine.code():
        store.close()
        path.rename(folder / f"cells-{code}.db")
        store = Store(path, writable=True)
    store.claim(None)
    return store
