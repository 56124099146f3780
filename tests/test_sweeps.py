"""Sweeps: the same bits from every executor, failures that stay where they are, processes that are killed."""

import functools
import math
import multiprocessing
import os
import pickle
import re
import sys
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from killing import (
    AXES,
    GROUP,
    Deadly,
    Fragile,
    kill_coordinator,
    kill_workers,
    measure_or_end,
    rng,
    rows,
    seeds,
    sweep,
)

import fastgrad
from fastgrad import machine
from fastgrad.sweeps import batches, plan, pools, study
from fastgrad.sweeps.rows import Failure, StoreError
from fastgrad.sweeps.run import Summary
from fastgrad.sweeps.store import Store

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
def test_every_executor_gives_the_same_bits(kind, undisturbed, tmp_path, capfd):
    if kind == "loky":
        executor = pytest.importorskip("loky").get_reusable_executor(1)
    elif kind == "processes":
        executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    else:
        executor = Inline() if kind == "inline" else ThreadPoolExecutor(3)
    with executor:
        sweep(tmp_path / "a.db", executor, **FEW)
    assert rows(tmp_path / "a.db") == rows(undisturbed)
    assert "Traceback" not in capfd.readouterr().err


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
        if (cell.activation.name, cell.depth) == ("relu", 3):
            raise ZeroDivisionError("<b>no</b>")
        return real(cell)

    monkeypatch.setattr(study, "measure_cell", failing)
    path = tmp_path / "a.db"
    first = sweep(path, **FEW)
    assert (first.failed, first.measured) == (CELLS // 6, CELLS - CELLS // 6)
    with Store(path) as store:
        failures = list(store.failures())
    assert {failure.error for failure in failures} == {"ZeroDivisionError: <b>no</b>"}
    assert {(failure.cell.activation.name, failure.cell.depth) for failure in failures} == {("relu", 3)}
    monkeypatch.setattr(study, "measure_cell", real)
    again = sweep(path, **FEW)
    assert (again.failed, again.measured) == (CELLS // 6, 0)
    cured = fastgrad.sweep(path, {**AXES, **FEW}, retry_failed=True, workers=1)
    assert (cured.failed, cured.measured) == (0, CELLS // 6)
    assert rows(path) == rows(undisturbed)


def of_a_kind(cell):
    return (cell.activation.name, cell.depth, cell.seeds) == ("tanh", 2, (5,))


class Losing(Inline):
    """An executor that loses every batch with certain cells, as when their results are too large for it."""

    def submit(self, fn, /, cells, *args):
        if any(map(of_a_kind, cells)):
            future = Future()
            future.set_exception(MemoryError("too large"))
            return future
        return super().submit(fn, cells, *args)


def test_what_the_executor_loses_takes_no_other_with_it_and_is_no_failure(undisturbed, tmp_path):
    path = tmp_path / "a.db"
    summary = sweep(path, Losing(), **FEW)
    assert (summary.failed, summary.lost, summary.measured) == (0, 4, CELLS - 4)
    assert summary.resent >= 4 * (batches.TRIES - 1)
    assert set(rows(path)) < set(rows(undisturbed))
    with Store(path) as store:
        assert store.failed_count() == 0
    again = sweep(path, **FEW)
    assert (again.measured, again.lost, again.resent) == (4, 0, 0)
    assert rows(path) == rows(undisturbed)


class Unreliable(Inline):
    """An executor that fails for so many of what it is given, in one of several ways; ``refuses`` at once."""

    ERRORS = (ConnectionError, pickle.PicklingError, CancelledError, EOFError, MemoryError, RuntimeError)

    def __init__(self, share, refuses=False):
        self.share, self.refuses, self.chance = share, refuses, rng(7)

    def submit(self, fn, /, *args):
        if self.chance.random() >= self.share:
            return super().submit(fn, *args)
        error = self.chance.choice(self.ERRORS)("on the way")
        if self.refuses:
            raise error
        future = Future()
        future.set_exception(error)
        return future


@pytest.mark.parametrize("refuses", [False, True])
def test_an_error_of_the_transport_is_not_the_cells_fault(refuses, undisturbed, tmp_path):
    path = tmp_path / "a.db"
    summary = sweep(path, Unreliable(0.25, refuses), **FEW)
    assert (summary.failed, summary.lost, summary.measured) == (0, 0, CELLS)
    assert 0 < summary.resent < 2 * CELLS
    assert rows(path) == rows(undisturbed)


def test_errors_of_the_transport_do_not_add_up(tmp_path):
    """More of them than would end the sweep in a row."""
    given, errors = [], []

    class OneByOne(Inline):
        def submit(self, fn, /, cells, *args):
            given.append(cells)
            if len(cells) > 1 or len(given) % 3 == 0:
                errors.append(cells)
                raise ConnectionError("on the way")
            return super().submit(fn, cells, *args)

    summary = fastgrad.sweep(tmp_path / "a.db", {**AXES, **FEW}, executor=OneByOne(), workers=1)
    assert (summary.measured, summary.lost, summary.failed) == (CELLS, 0, 0)
    assert len(errors) > batches.TRIES * batches.AHEAD


def test_a_transport_that_does_nothing_but_fail_is_one_error_and_no_failure(tmp_path):
    with pytest.raises(batches.WorkerError, match=r"Unreliable gives back nothing but errors, \d+ in a row, the last "):
        sweep(tmp_path / "a.db", Unreliable(1.0), **FEW)
    with Store(tmp_path / "a.db") as store:
        assert (len(store), store.failed_count()) == (0, 0)


ALL = list(plan.grid(**{**AXES, **FEW}))


@pytest.mark.parametrize("guilty", [[0], [17], [CELLS - 1], [3, 4], [5, 20, 40], range(CELLS)], ids=str)
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_who_ends_its_worker_fails_and_nobody_else(guilty, workers, undisturbed, tmp_path):
    guilty, made = dict.fromkeys((ALL[i] for i in guilty), math.inf), []

    def make():
        made.append(Fragile(guilty))
        return made[-1]

    path = tmp_path / "a.db"
    summary = fastgrad.sweep(path, {**AXES, **FEW}, executor=make, workers=workers, notice=lambda text: None)
    assert (summary.failed, summary.lost, summary.measured) == (len(guilty), 0, CELLS - len(guilty))
    with Store(path) as store:
        assert {failure.cell for failure in store.failures()} == set(guilty)
        assert all(failure.error.startswith("its worker process ended") for failure in store.failures())
    assert set(rows(path)) <= set(rows(undisturbed))
    assert len(made) <= 1 + 4 * len(guilty)  # one for each time that it was out: a batch, a cell, and twice alone


@pytest.mark.parametrize(("times", "failed"), [(1, 0), (3, 0), (4, 1)])
def test_a_cell_whose_worker_was_ended_by_somebody_else_is_not_blamed(times, failed, undisturbed, tmp_path):
    """Out in a batch, as a cell, and alone once: only who ends its worker again while alone is guilty."""
    left = {ALL[7]: times}
    path = tmp_path / "a.db"
    make = functools.partial(Fragile, left)
    summary = fastgrad.sweep(path, {**AXES, **FEW}, executor=make, workers=2, notice=lambda text: None)
    assert (summary.failed, summary.measured, summary.lost) == (failed, CELLS - failed, 0)
    assert left == {ALL[7]: 0}


def test_who_is_suspected_last_is_all_that_is_out(tmp_path):
    left, given = {ALL[0]: math.inf}, []

    class Logged(Fragile):
        def __init__(self, deadly):
            super().__init__(deadly)
            given.append([])

        def submit(self, fn, /, *args):
            given[-1].extend(args[:1])
            return super().submit(fn, *args)

    make = functools.partial(Logged, left)
    summary = fastgrad.sweep(tmp_path / "a.db", {**AXES, **FEW}, executor=make, workers=2, notice=lambda text: None)
    assert (summary.failed, summary.measured) == (1, CELLS - 1)
    ended = [cells for cells in given if any(ALL[0] in some for some in cells)]
    assert len(ended) == 4
    assert [cells[-1] for cells in ended[2:]] == [[ALL[0]], [ALL[0]]]  # nothing was handed out after it


@pytest.mark.parametrize(("how", "reason"), [(os.kill, "signal 9 (SIGKILL)"), (os._exit, "exit code 3")])
def test_a_cell_that_kills_its_process_is_listed_with_how_it_ended(how, reason, undisturbed, tmp_path):
    guilty, path, said = ALL[CELLS // 2], tmp_path / "a.db", []
    make = functools.partial(Deadly, {guilty}, how)
    summary = fastgrad.sweep(path, {**AXES, **FEW}, executor=make, workers=2, notice=said.append)
    assert (summary.failed, summary.lost, summary.measured) == (1, 0, CELLS - 1)
    with Store(path) as store:
        assert list(store.failures()) == [Failure(guilty, f"its worker process ended: {reason}")]
    assert set(rows(path)) < set(rows(undisturbed))
    assert f"a worker was lost (its worker process ended: {reason}): " in said[0]


def test_a_process_pool_that_was_given_is_made_again(undisturbed, tmp_path):
    progress, killed = kill_workers(rng(3), 1, CELLS)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        summary = fastgrad.sweep(tmp_path / "a.db", {**AXES, **FEW}, executor=pool, progress=progress)
    assert len(killed) == 1
    assert (summary.measured, summary.failed, summary.lost) == (CELLS, 0, 0)
    assert rows(tmp_path / "a.db") == rows(undisturbed)


def test_an_executor_that_cannot_be_made_again_says_how_to_go_on(tmp_path):
    with pytest.raises(batches.WorkerError, match="Fragile, which cannot be made again from here: give the function"):
        sweep(tmp_path / "a.db", Fragile({ALL[-1]: 1}), **FEW)
    with Store(tmp_path / "a.db") as store:
        assert len(store) > 0
        assert store.failed_count() == 0


def test_processes_that_cannot_begin_are_one_error_and_no_failure(tmp_path):
    made = iter([Fragile({ALL[0]: 1}), *(Fragile({}, at_once=True) for _ in range(9))])
    with pytest.raises(batches.WorkerError, match="the processes of Fragile end before they have anything to measure"):
        sweep(tmp_path / "a.db", lambda: next(made), **FEW)
    with Store(tmp_path / "a.db") as store:
        assert (len(store), store.failed_count()) == (0, 0)


class DeadlyDask(Executor):
    """Dask's executor, with a cell that ends its worker."""

    def __init__(self, executor, guilty):
        self._executor, self._client, self._guilty = executor, executor._client, guilty

    def submit(self, fn, /, *args):
        return self._executor.submit(measure_or_end, {self._guilty}, os.kill, fn, *args)


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_cell_that_kills_dask_workers_is_listed(undisturbed, tmp_path):
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    path, said = tmp_path / "a.db", []
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = DeadlyDask(client.get_executor(pure=False), ALL[-1])
        summary = fastgrad.sweep(path, {**AXES, **FEW}, executor=executor, notice=said.append)
    assert (summary.failed, summary.lost, summary.measured) == (1, 0, CELLS - 1)
    with Store(path) as store:
        (failure,) = store.failures()
    assert failure.cell == ALL[-1]
    assert failure.error.startswith("its worker ended: KilledWorker: ")
    assert "cells that were out are tried one by one" in said[0]
    assert set(rows(path)) < set(rows(undisturbed))


class Forgetful(Inline):
    """An executor that never answers when it is given certain cells, so many times; then it answers all at once."""

    def __init__(self, forgets, times=1):
        self.forgets, self.times, self.kept = forgets, times, {}

    def submit(self, fn, /, cells, *args):
        if not self.forgets(cells):
            return super().submit(fn, cells, *args)
        kept = self.kept.setdefault(tuple(cells), [])
        if len(kept) < self.times:
            kept.append(Future())
            return kept[-1]
        future = super().submit(fn, cells, *args)
        for late in kept:
            late.set_result(future.result())
        return future


def forgotten(path, executor, **options):
    said = []
    summary = fastgrad.sweep(
        path, {**AXES, **FEW}, executor=executor, workers=2, patience=0.02, notice=said.append, **options
    )
    return summary, said


def test_a_future_that_is_lost_is_said_and_handed_out_again(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SLOW", 0)
    path, seen = tmp_path / "a.db", []
    summary, said = forgotten(
        path, Forgetful(lambda cells: ALL[3] in cells), progress=lambda done, failed, total: seen.append(done)
    )
    assert (summary.measured, summary.failed, summary.lost) == (CELLS, 0, 0)
    assert seen[-1] == CELLS  # though it came back twice
    assert rows(path) == rows(undisturbed)
    (text,) = said
    expected = (
        r"nothing has come back from Forgetful for 0.02 s, since [\d:]{8}: (\d+) cells are out, and handed out again"
    )
    assert int(re.fullmatch(expected, text)[1]) == summary.resent


def test_an_executor_that_answers_nothing_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SLOW", 0)
    path, said = tmp_path / "a.db", []
    executor = Forgetful(lambda cells: True, times=99)
    with pytest.raises(batches.WorkerError, match=r"nothing has come back from Forgetful .* for the second time; what"):
        fastgrad.sweep(path, {**AXES, **FEW}, executor=executor, workers=2, patience=0.02, notice=said.append)
    assert {len(kept) for kept in executor.kept.values()} == {2}  # handed out once more, and no more
    assert len(said) == 1
    with Store(path) as store:
        assert (len(store), store.failed_count()) == (0, 0)


def test_what_never_comes_back_keeps_what_did(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SLOW", 0)
    path = tmp_path / "a.db"
    executor = Forgetful(lambda cells: ALL[3] in cells, times=99)
    with pytest.raises(batches.WorkerError, match=r"\d+ cells are out, for the second time"):
        forgotten(path, executor)
    ((out, _),) = executor.kept.items()
    assert len(rows(path)) == CELLS - len(out)
    assert sweep(path, **FEW).measured == len(out)
    assert rows(path) == rows(undisturbed)


def test_what_is_lost_twice_while_others_come_back_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SLOW", 0)
    always = Forgetful(lambda cells: ALL[3] in cells, times=99)
    once = Forgetful(lambda cells: ALL[-1] in cells, times=1)

    class Both(Inline):
        def submit(self, fn, /, cells, *args):
            return (always if ALL[3] in cells else once).submit(fn, cells, *args)

    summary, said = forgotten(tmp_path / "a.db", Both())
    ((out, kept),) = always.kept.items()
    assert len(kept) == 2
    assert (summary.lost, summary.measured, summary.failed) == (len(out), CELLS - len(out), 0)
    assert len(said) == 2
    assert not set(out) & {result.cell for result in Store(tmp_path / "a.db").results()}


def test_what_may_take_as_long_is_waited_for(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "seconds", lambda cell: 1e6)
    late, said = [], []

    class Slow(Inline):
        def submit(self, fn, /, *args):
            late.append((Future(), super().submit(fn, *args)))
            return late[-1][0]

    def notice(text):
        said.append(text)
        if len(said) % 3 == 0:
            for future, result in late:
                future.set_result(result.result())
            late.clear()

    summary = fastgrad.sweep(
        tmp_path / "a.db", {**AXES, **FEW}, executor=Slow(), workers=2, patience=0.01, notice=notice
    )
    assert (summary.measured, summary.resent) == (CELLS, 0)
    assert all(text.endswith("cells are out, which are estimated to take long") for text in said)
    assert "for 0.03 s, since" in said[2]
    assert rows(tmp_path / "a.db") == rows(undisturbed)


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_dask_scheduler_without_workers_is_said(tmp_path, caplog):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(batches.WorkerError, match=r"from ClientExecutor of <Client: .* processes=0 .* second time"),
    ):
        fastgrad.sweep(tmp_path / "a.db", {**AXES, **FEW}, executor=client.get_executor(pure=False), patience=0.2)
    assert "cells are out, and handed out again" in caplog.text


def test_workers_of_another_code_are_refused(tmp_path, monkeypatch):
    class Elsewhere(Inline):
        def submit(self, fn, /, cells, code, coordinator):
            return super().submit(fn, cells, "0.0+other", coordinator)

    with pytest.raises(batches.WorkerError, match=r"a worker on .* runs fastgrad .*, and this is 0.0\+other"):
        sweep(tmp_path / "a.db", Elsewhere(), **FEW)


def test_an_interrupt_keeps_the_batches_that_run(undisturbed, tmp_path, monkeypatch):
    real = batches.wait
    calls = []

    def interrupted(*arguments, **options):  # one at a time, though all may be done
        calls.append(real(*arguments, **options))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return SimpleNamespace(done=set(list(calls[-1].done)[:1]))

    monkeypatch.setattr(batches, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path / "a.db", **FEW)
    monkeypatch.setattr(batches, "wait", real)
    before = len(rows(tmp_path / "a.db"))
    assert before > 0
    assert sweep(tmp_path / "a.db", **FEW).reused == before
    assert rows(tmp_path / "a.db") == rows(undisturbed)


def test_an_interrupt_while_progress_is_shown_keeps_what_has_come_back(undisturbed, tmp_path):
    out = []

    class Counting(Inline):
        def submit(self, fn, /, cells, *args):
            out.append(len(cells))
            return super().submit(fn, cells, *args)

    def interrupted(done, failed, total):
        raise KeyboardInterrupt

    path = tmp_path / "a.db"
    with pytest.raises(KeyboardInterrupt):
        fastgrad.sweep(path, {**AXES, **FEW}, executor=Counting(), workers=2, progress=interrupted)
    assert len(out) > 1
    assert len(rows(path)) == sum(out)


def test_little_work_is_still_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SHORTEST", 0.0)  # all of it together takes little longer
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


def test_the_size_of_the_store_is_that_of_its_file_whoever_reads_it(tmp_path):
    path = tmp_path / "a.db"
    sweep(path, depth=2, seeds=1)
    with Store(path) as reader:
        assert len(reader) == 12
        summary = fastgrad.sweep(path, {**AXES, **FEW}, extend=True, workers=1)
    assert summary.measured == CELLS
    assert summary.bytes == path.stat().st_size


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
    with pytest.raises(ValueError, match="patience must be greater than 0, got 0"):
        fastgrad.sweep(tmp_path / "a.db", depth=1, patience=0)
    assert not list(tmp_path.glob("a.db"))
    with pytest.raises(TypeError, match="executor must be an Executor or a function that makes one, got 4"):
        fastgrad.sweep(tmp_path / "a.db", depth=1, executor=4)
    with pytest.raises(TypeError, match=r"the function given as executor must make an Executor, got \{\}"):
        fastgrad.sweep(tmp_path / "a.db", depth=1, executor=dict)


def killed(times, groups, starting, tmp_path):
    """The numbers of rows after each kill; what is finished in spite of them begins anew."""
    whole, path, chance = tmp_path / "whole.db", tmp_path / "killed.db", rng(times)
    sweep(whole, seeds=seeds(groups))
    grown, kills = [0], 0
    while kills < times:
        kills += kill_coordinator(path, chance, groups, starting)
        grown.append(len(rows(path)) if path.exists() else 0)
        assert grown[-1] >= grown[-2]
        if grown[-1] == len(rows(whole)):
            assert rows(path) == rows(whole)
            path.unlink()
            grown.append(0)
    sweep(path, seeds=seeds(groups))
    assert rows(path) == rows(whole)
    return grown


def workers_killed(times, groups, tmp_path):
    """A sweep with two processes of which so many are killed: as if none had been. What was said of it."""
    whole, path, said = tmp_path / "whole.db", tmp_path / f"killed{times}.db", []
    if not whole.exists():
        sweep(whole, seeds=seeds(groups))
    progress, pids = kill_workers(rng(times), times, groups * GROUP)
    make = functools.partial(pools.processes, 2)
    summary = fastgrad.sweep(
        path, {**AXES, "seeds": seeds(groups)}, executor=make, workers=2, progress=progress, notice=said.append
    )
    assert pids
    assert (summary.failed, summary.lost, summary.measured) == (0, 0, groups * GROUP)
    assert len(said) >= 1
    assert rows(path) == rows(whole)
    return pids


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_and_resumed_is_as_if_undisturbed(tmp_path):
    assert max(killed(2, 24, 0.0, tmp_path)) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_sweep_whose_workers_are_killed_is_as_if_undisturbed(tmp_path):
    workers_killed(2, 8, tmp_path)


@pytest.mark.sweep
def test_killed_fifty_times(tmp_path):
    grown = killed(50, 100, 0.25, tmp_path)
    print(f"50 kills of the coordinator, rows after each: {grown}")
    assert max(grown) > 0


@pytest.mark.sweep
def test_fifty_workers_killed(tmp_path):
    killed = 0
    for times in range(5, 15):
        killed += len(workers_killed(times, 100, tmp_path))
    print(f"{killed} workers killed")
    assert killed >= 50


def test_the_rate_of_a_sweep_and_of_none():
    did = {"cells": 8, "reused": 2, "measured": 6, "failed": 0, "lost": 0, "resent": 0, "busy": 3.0, "workers": 2}
    some, none = (Summary(**did, seconds=seconds, bytes=0, memory=0.0, cpu=0.0) for seconds in (3.0, 0.0))
    assert (some.rate, some.scheduling) == (2.0, 0.5)
    assert (none.rate, none.scheduling) == (0.0, 0.0)


def test_the_time_of_the_workers_is_within_that_of_the_sweep(tmp_path):
    did = fastgrad.sweep(tmp_path / "a.db", {**AXES, "seeds": [[0]]}, workers=1)
    assert 0 < did.busy <= did.seconds
