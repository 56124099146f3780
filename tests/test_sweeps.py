"""Sweeps: the same bits from every executor, failures that stay where they are, processes that are killed."""

import multiprocessing
import pickle
import sys
import time
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from killing import AXES, kill_coordinator, kill_worker, rng, rows, seeds, sweep

import fastgrad
from fastgrad import batches, machine, plan, study
from fastgrad.store import Store, StoreError

FEW = {"depth": [2, 3], "seeds": [[0, 1], [5]], "width": 8, "batch": 4}
CELLS = 3 * 2 * 2 * 2 * 2


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "undisturbed.db"
    summary = sweep(path, **FEW)
    assert (summary.cells, summary.measured, summary.reused, summary.failed) == (CELLS, CELLS, 0, 0)
    return path


class Inline(Executor):
    """An executor that runs what it is given at once."""

    def submit(self, fn, /, *args):
        future = Future()
        try:
            future.set_result(pickle.loads(pickle.dumps(fn(*pickle.loads(pickle.dumps(args))))))
        except Exception as error:
            future.set_exception(error)
        return future


def test_rows_are_what_a_study_measures(undisturbed):
    with Store(undisturbed) as store:
        found = list(store.results())
    assert {result.cell for result in found} == set(plan.grid(**{**AXES, **FEW}))
    for result in found[:: len(found) // 5]:
        again = study.measure_cell(result.cell)
        assert repr(again).partition("seconds=")[0] == repr(result).partition("seconds=")[0]


@pytest.mark.parametrize("kind", ["inline", "threads", "processes", "loky"])
def test_every_executor_gives_the_same_bits(kind, undisturbed, tmp_path):
    if kind == "loky":
        executor = pytest.importorskip("loky").get_reusable_executor(1)
    elif kind == "processes":
        executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    else:
        executor = Inline() if kind == "inline" else ThreadPoolExecutor(3)
    with executor:
        sweep(tmp_path / "a.db", executor, **FEW)
    assert rows(tmp_path / "a.db") == rows(undisturbed)


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_dask_gives_the_same_bits(undisturbed, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        summary = fastgrad.sweep(tmp_path / "a.db", {**AXES, **FEW}, executor=client.get_executor(pure=False))
    assert summary.workers == 1
    assert rows(tmp_path / "a.db") == rows(undisturbed)


def test_the_same_call_measures_only_what_is_missing(undisturbed, tmp_path):
    path = tmp_path / "a.db"
    assert sweep(path, **{**FEW, "seeds": [[5]]}).measured == CELLS // 2
    with pytest.raises(StoreError, match="holds another sweep"):
        sweep(path, **FEW)
    seen = []
    summary = fastgrad.sweep(path, {**AXES, **FEW}, extend=True, workers=1, progress=lambda *now: seen.append(now))
    assert (summary.measured, summary.reused) == (CELLS // 2, CELLS // 2)
    assert seen[-1] == (CELLS, 0, CELLS)
    assert rows(path) == rows(undisturbed)
    assert sweep(path, **FEW).measured == 0


def test_a_cell_that_fails_is_listed_and_stops_nothing(undisturbed, tmp_path, monkeypatch):
    real = study.measure_cell

    def failing(cell):
        if (cell.activation, cell.depth) == ("relu", 3):
            raise ZeroDivisionError("<b>no</b>")
        return real(cell)

    monkeypatch.setattr(study, "measure_cell", failing)
    path = tmp_path / "a.db"
    first = sweep(path, **FEW)
    assert (first.failed, first.measured) == (CELLS // 6, CELLS - CELLS // 6)
    with Store(path) as store:
        failures = list(store.failures())
    assert {failure.error for failure in failures} == {"ZeroDivisionError: <b>no</b>"}
    assert {(failure.cell.activation, failure.cell.depth) for failure in failures} == {("relu", 3)}
    monkeypatch.setattr(study, "measure_cell", real)
    again = sweep(path, **FEW)
    assert (again.failed, again.measured) == (CELLS // 6, 0)
    cured = fastgrad.sweep(path, {**AXES, **FEW}, retry_failed=True, workers=1)
    assert (cured.failed, cured.measured) == (0, CELLS // 6)
    assert rows(path) == rows(undisturbed)


class Losing(Inline):
    """An executor that loses every batch with a certain cell, as when its worker runs out of memory."""

    def submit(self, fn, /, cells, *args):
        if any((cell.activation, cell.depth, cell.seeds) == ("tanh", 2, (5,)) for cell in cells):
            future = Future()
            future.set_exception(MemoryError("killed"))
            return future
        return super().submit(fn, cells, *args)


def test_a_lost_batch_is_tried_again_cell_by_cell(undisturbed, tmp_path, monkeypatch):
    path = tmp_path / "a.db"
    summary = sweep(path, Losing(), **FEW)
    assert (summary.failed, summary.measured) == (4, CELLS - 4)
    with Store(path) as store:
        assert {failure.error for failure in store.failures()} == {"MemoryError: killed"}
    assert len(set(rows(path)) - set(rows(undisturbed))) == 0


class Cancelling(Inline):
    def submit(self, fn, /, *args):
        future = Future()
        future.set_exception(CancelledError())
        return future


def test_workers_that_go_away_are_one_error_and_no_failure(tmp_path):
    with pytest.raises(batches.WorkerError, match="a worker died or was taken away"):
        sweep(tmp_path / "a.db", Cancelling(), **FEW)
    with Store(tmp_path / "a.db") as store:
        assert (len(store), store.failed_count()) == (0, 0)


def test_workers_of_another_code_are_refused(tmp_path, monkeypatch):
    class Elsewhere(Inline):
        def submit(self, fn, /, cells, code, coordinator):
            return super().submit(fn, cells, "0.0+other", coordinator)

    with pytest.raises(batches.WorkerError, match=r"a worker on .* runs fastgrad .*, and this is 0.0\+other"):
        sweep(tmp_path / "a.db", Elsewhere(), **FEW)


def test_an_interrupt_keeps_the_batches_that_run(undisturbed, tmp_path, monkeypatch):
    real = batches.wait
    calls = []

    def interrupted(*arguments, **options):
        calls.append(real(*arguments, **options))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(batches, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path / "a.db", **FEW)
    monkeypatch.setattr(batches, "wait", real)
    before = len(rows(tmp_path / "a.db"))
    assert before > 0
    assert sweep(tmp_path / "a.db", **FEW).reused == before
    assert rows(tmp_path / "a.db") == rows(undisturbed)


def test_little_work_is_still_several_batches(tmp_path):
    out = []

    class Counting(Inline):
        def submit(self, fn, /, cells, *args):
            out.append(len(cells))
            return super().submit(fn, cells, *args)

    fastgrad.sweep(tmp_path / "a.db", {**AXES, **FEW}, executor=Counting(), workers=2)
    assert sum(out) == CELLS
    assert len(out) >= 3


def test_batches_last_as_long_as_asked_for_whatever_the_machine():
    cells = list(plan.grid(data="normal", depth=[10], width=64, seeds=[[i] for i in range(4000)], activation="tanh"))
    queue = batches._Batches(cells, 1e9, 2)
    slowness = 40.0  # this machine takes so many times the estimate
    for _ in range(6):
        batch = queue.next()
        took = slowness * sum(map(plan.seconds, batch))
        queue.came_back(batch, took)
    assert batches.BATCH_SECONDS <= took <= 2 * batches.BATCH_SECONDS


def test_the_environment_of_every_row_is_kept(undisturbed):
    with Store(undisturbed) as store:
        (facts,) = store.environments().values()
    assert facts == machine.environment()
    assert facts["flush to zero"] == "off"


def test_wrong_calls(tmp_path):
    for arguments in ({}, {"cells": {"depth": 1}, "depth": 2}):
        with pytest.raises(TypeError, match="give a plan or the axes of a grid"):
            fastgrad.sweep(tmp_path / "a.db", **arguments)
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        fastgrad.sweep(tmp_path / "a.db", depth=1, workers=0)
    assert not list(tmp_path.glob("a.db"))


def killed(kill, times, groups, at_work, tmp_path):
    """The numbers of rows after each kill; what is finished in spite of them begins anew."""
    whole, path, chance = tmp_path / "whole.db", tmp_path / "killed.db", rng(times)
    sweep(whole, seeds=seeds(groups))
    grown, kills = [0], 0
    while kills < times:
        kills += kill(path, chance, groups, at_work)
        grown.append(len(rows(path)) if path.exists() else 0)
        assert grown[-1] >= grown[-2]
        if grown[-1] == len(rows(whole)):
            assert rows(path) == rows(whole)
            path.unlink()
            grown.append(0)
    sweep(path, seeds=seeds(groups))
    assert rows(path) == rows(whole)
    return grown


KILLS = pytest.mark.parametrize("kill", [kill_coordinator, kill_worker], ids=["coordinator", "worker"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@KILLS
def test_killed_and_resumed_is_as_if_undisturbed(kill, tmp_path):
    assert max(killed(kill, 2, 24, True, tmp_path)) > 0


@pytest.mark.sweep
@KILLS
def test_killed_fifty_times(kill, tmp_path):
    start = time.monotonic()
    grown = killed(kill, 50, 100, False, tmp_path)
    print(f"{kill.__name__}: 50 kills in {time.monotonic() - start:.0f} s, rows after each: {grown}")
