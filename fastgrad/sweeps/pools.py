"""An executor that is replaced when it breaks, and worker processes that end with the process that started them."""

# Design: - One process that dies breaks a whole process pool for good; PEP 3148 says no more. To go on, a caller gives
#           the function that makes the pool. The standard library's own process pool is made again from its settings,
#           which have been private attributes since Python 3.9 at the latest.
#         - The processes of a pool whose owner is killed would wait for ever: each holds both ends of the queue they
#           read, so that none sees it closed. A thread in each waits for the parent instead, with the sentinel that
#           multiprocessing gives every child: for spawn, forkserver and fork, on every system.
#         - Only the pool knows the exit code of a process: it keeps its processes in ``_processes``.

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import TypeGuard

ATTEMPTS = 3  # at a pool that does not break before it has anything to do


class WorkerError(RuntimeError):
    """The workers cannot go on, in one sentence; what was measured is in the store."""


def processes(workers: int) -> ProcessPoolExecutor:
    """A pool of processes that ignore Ctrl-C, which this process handles, and that end with it however it ends."""
    # Not fork, which would copy locks that other threads hold.
    context = multiprocessing.get_context("spawn")
    return _Processes(workers, mp_context=context, initializer=_begin)


class _Processes(ProcessPoolExecutor):
    """A pool in which Ctrl-C is delayed while a process is started: in the middle of that it would print tracebacks."""

    def submit(self, function, /, *arguments, **named):
        with _interrupted_later():
            return super().submit(function, *arguments, **named)


@contextlib.contextmanager
def _interrupted_later():
    """Delay SIGINT; a process that is started inherits the mask, until ``_begin`` ignores the signal there."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    came = []
    handler = signal.signal(signal.SIGINT, lambda *_: came.append(True))  # for what other threads are sent
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
        if came:
            signal.raise_signal(signal.SIGINT)


def _begin():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """End this process when the one that started it ends, if multiprocessing started it."""
    _watch_parent(os.getpid())


@functools.cache
def _watch_parent(pid):  # by process: what is forked inherits the cache and not the thread
    parent = multiprocessing.parent_process()
    if parent is not None and parent.sentinel is not None:  # loky's have none: they end when they are idle
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent):
    parent.join()
    os._exit(1)


class Pool:
    """An executor, and another one in its place when it has broken.

    Parameters
    ----------
    source : concurrent.futures.Executor, or a function without arguments that makes one
        What is made here is shut down at the end; an executor that was given is not.
    workers : int, optional
        How many batches it runs at once, where it does not say.

    Raises
    ------
    TypeError
        If ``source`` is neither.
    """

    def __init__(self, source: Executor | Callable[[], Executor], workers: int | None = None):
        self._make: Callable[[], Executor] | None
        self._executor: Executor
        if _is_executor(source):
            self._given, self._make, self._executor = True, _maker_like(source), source
        elif callable(source):
            self._given, self._make, self._executor = False, source, source()
        else:
            raise TypeError(f"executor must be an Executor or a function that makes one, got {source!r}")
        if not hasattr(self._executor, "submit"):
            raise TypeError(f"the function given as executor must make an Executor, got {self._executor!r}")
        self._processes = {}
        self.workers = workers or _workers_of(self._executor)
        self.abandoned = False  # whether it still runs something that nobody waits for

    def __str__(self) -> str:
        client = getattr(self._executor, "_client", None)  # Dask's, which says how many workers there are
        name = next(kind.__name__ for kind in type(self._executor).__mro__ if not kind.__name__.startswith("_"))
        return name + ("" if client is None else f" of {client!r}")

    def submit(self, function: Callable, /, *arguments) -> Future:
        """The executor's future; if it refuses, a future that holds its exception."""
        try:
            future = self._executor.submit(function, *arguments)
        except Exception as error:
            future = Future()
            future.set_exception(error)
        self._processes = dict(getattr(self._executor, "_processes", None) or self._processes)
        return future

    def replace(self, error: BrokenExecutor, trial: Callable[[], object], timeout: float | None) -> str:
        """Make the executor, which broke, again; what its process ended with, as ``signal 9 (SIGKILL)``.

        ``trial`` must come back from the new one, within ``timeout`` seconds, before it is given any work: so no cell
        is blamed for processes which cannot begin.

        Raises
        ------
        WorkerError
            If the executor cannot be made again, or breaks at the trial as well.
        """
        self._executor.shutdown()  # then the processes have been waited for
        ended = _how_it_ended(self._processes)
        if self._make is None:
            raise WorkerError(
                f"a worker process ended ({ended}) and broke the {type(self._executor).__name__}, which cannot be made "
                "again from here: give the function that makes it as executor; what was measured is kept"
            ) from error
        broke: BrokenExecutor | TimeoutError = error
        for _ in range(ATTEMPTS):
            self._executor, self._given = self._make(), False
            try:
                self._executor.submit(trial).result(timeout)
                return ended
            except (BrokenExecutor, TimeoutError) as failed:
                broke = failed
                self._shut_down(wanted=False)
        raise WorkerError(
            f"the processes of {self} end before they have anything to measure ({type(broke).__name__}: {broke}); "
            "what was measured is kept"
        ) from broke

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, kind, *_) -> None:
        if not self._given:
            self._shut_down(wanted=kind is None and not self.abandoned)

    def _shut_down(self, wanted):
        """Shut the executor down; kill its processes first if their results are not wanted, as one may never end."""
        if not wanted:
            for process in dict(getattr(self._executor, "_processes", None) or {}).values():
                process.kill()
        self._executor.shutdown()


def _is_executor(source: object) -> TypeGuard[Executor]:
    """By its methods: Dask's executor, for one, is no subclass of the standard library's."""
    return hasattr(source, "submit") and not isinstance(source, type)


def _maker_like(executor):
    """A function that makes another executor with the same settings; None if that is not known."""
    if type(executor) is not ProcessPoolExecutor:
        return None
    names = ("max_workers", "mp_context", "initializer", "initargs", "max_tasks_per_child")
    return functools.partial(ProcessPoolExecutor, **{name: vars(executor)[f"_{name}"] for name in names})


def _workers_of(executor):
    """How many batches the executor runs at once."""
    client = getattr(executor, "_client", None)  # Dask's
    if client is not None:
        return max(1, sum(client.nthreads().values()))
    return getattr(executor, "_max_workers", None) or getattr(executor, "num_workers", None) or os.cpu_count()


def _how_it_ended(processes):
    codes = {process.exitcode for process in processes.values()} - {None}
    if not codes:
        return "how, the executor does not say"
    code = min(codes, key=lambda code: code == -signal.SIGTERM)  # with which the pool ends the others
    names = {item.value: f" ({item.name})" for item in signal.Signals}
    return f"exit code {code}" if code >= 0 else f"signal {-code}{names.get(-code, '')}"
