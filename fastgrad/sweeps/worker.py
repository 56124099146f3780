"""The function that a worker runs: it measures a batch of cells, and says what it ran on."""

# Design: - Workers say what they ran on, and refuse to work with another code than the coordinator's.
#         - It returns records; the process that owns the store makes rows of them.

import functools
import os
import pickle
import socket
import time
from dataclasses import dataclass

from fastgrad import machine
from fastgrad.sweeps import pools, study
from fastgrad.sweeps.cell import Cell, CellResult
from fastgrad.sweeps.pools import WorkerError


@dataclass(frozen=True)
class Batch:
    """What a worker hands back: results, cells that raised, what it runs on, and how long it took."""

    results: list[CellResult]
    raised: list[tuple[Cell, Exception]]
    environment: dict[str, str]
    seconds: float


def measure_batch(cells: list[Cell], code: str, coordinator: str) -> Batch:
    """Measure cells one after the other; runs in a worker. ``coordinator`` is ``process()`` where it was sent."""
    if machine.code() != code:
        raise WorkerError(f"a worker on {socket.gethostname()} runs fastgrad {machine.code()}, and this is {code}")
    if coordinator != process():
        _limit_blas()
        pools.end_with_parent()
    start = time.perf_counter()
    results, raised = [], []
    for cell in cells:
        try:
            results.append(study.measure_cell(cell))
        except Exception as error:
            raised.append((cell, portable(error)))
    return Batch(results, raised, machine.environment(), time.perf_counter() - start)


def process() -> str:
    """This process, among those of all machines."""
    return f"{socket.gethostname()}:{os.getpid()}"


@functools.cache
def _limit_blas():
    study.one_blas_thread().__enter__()  # for as long as the worker lives


def portable(error: Exception) -> Exception:
    """The error, or one of its type's name and text if it cannot travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
