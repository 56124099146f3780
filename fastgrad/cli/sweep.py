"""``fastgrad sweep``, ``fastgrad export`` and ``fastgrad report``."""

import contextlib
import functools
import os
from dataclasses import asdict
from itertools import islice

import click
import rich.console

from fastgrad._validation import strict_json
from fastgrad.cli.shared import BAD_INPUT, going_on, one_line, say, status

FAILURES_SHOWN = 10
FORGETFUL = {
    "distributed.admin.low-level-log-length": 10,
    "distributed.admin.log-length": 10,
    "distributed.diagnostics.computations.max-history": 1,
}


@click.command()
@click.argument("plan", metavar="PLAN.toml", type=click.Path(exists=True, dir_okay=False))
@click.argument("store", metavar="STORE")
@click.option("--workers", type=click.IntRange(min=1), help="Processes here (as many as processors).")
@click.option("--dask", "address", metavar="ADDRESS", help="A Dask scheduler, or: local, for processes here.")
@click.option("--retry-failed", is_flag=True, help="Measure cells again that failed before.")
@click.option("--extend", is_flag=True, help="Add the plan to a store of another one.")
@click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Without a result: say so, and hand out again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else.")
def sweep(plan, store, workers, address, retry_failed, extend, patience, as_json):
    """Measure every cell of a plan that the store does not have yet. Exit code 1 if a cell failed or was lost.

    The same command again goes on where the last one stopped, however that ended. A plan is a TOML file: names of
    axes and their values, such as activation, init, gain, bias_std, depth, width, data and seeds.

    \b
    Example:
      printf 'activation = ["tanh", "elu"]\\ngain = [1.0, 1.2]\\ndepth = [10, 50]\\n' > plan.toml
      fastgrad sweep plan.toml sweep.db && fastgrad report sweep.db
    """
    from fastgrad.sweeps import run as sweeps
    from fastgrad.sweeps.pools import WorkerError
    from fastgrad.sweeps.store import Store

    with going_on(store):
        with one_line(*BAD_INPUT, WorkerError), contextlib.ExitStack() as stack:
            executor = stack.enter_context(_dask(address, workers)) if address else _processes(workers)
            show = stack.enter_context(_progress())
            summary = sweeps.sweep(
                store, plan, executor=executor, workers=workers if executor is None else None,
                retry_failed=retry_failed, extend=extend, patience=patience, progress=show, notice=say,
            )  # fmt: skip
        failures = []
        if summary.failed:
            with one_line(OSError), Store(store) as file:
                failures = list(islice(file.failures(), FAILURES_SHOWN))
    if as_json:
        facts = asdict(summary) | {"rate": summary.rate, "scheduling": summary.scheduling}
        failed = [{"cell": failure.cell.to_dict(), "error": failure.error} for failure in failures]
        click.echo(strict_json(facts | {"failures": failed}), nl=False)
    else:
        _show(summary, failures, store)
    return 1 if summary.failed or summary.lost else 0


def _processes(workers):
    """What makes a pool of processes of this machine; for one worker None: a thread of this process will do.

    Not threads: a small cell is half Python, for which they wait on one another.
    """
    from fastgrad.sweeps import pools

    workers = workers or os.cpu_count()
    return None if workers == 1 else functools.partial(pools.processes, workers)


@contextlib.contextmanager
def _dask(address, workers):
    """The executor of a Dask cluster: the one at this address, or processes of this machine."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError("--dask needs distributed: pip install 'fastgrad[dask]'") from None
    with contextlib.ExitStack() as stack:
        if address == "local":
            # Its scheduler is in this process, and would remember what it did: 50 MB for 100,000 cells.
            stack.enter_context(dask.config.set(FORGETFUL))
            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            address = stack.enter_context(cluster)
        client = stack.enter_context(Client(address, timeout=10))
        yield client.get_executor(pure=False)


@contextlib.contextmanager
def _progress():
    """A function of (done, failed, total) that moves a bar with rate and time left on stderr, on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = rich.console.Console(stderr=True)
    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, rate="", failed="")

        def show(done, failed, total):
            speed = bar.tasks[0].speed
            bar.update(
                task, completed=done, total=total,
                rate=f"{speed:,.0f} cells/s" if speed else "", failed=f"{failed:,} failed" if failed else "",
            )  # fmt: skip

        yield show


def _show(summary, failures, store):
    from fastgrad.report.tables import count, number, percent

    click.echo(
        f"{count(summary.cells)} cells: {count(summary.measured)} measured, {count(summary.reused)} were there, "
        f"{count(summary.failed)} failed. Store: {store}, {count(summary.bytes)} bytes."
    )
    if summary.measured:
        rate, idle = count(round(summary.rate)), percent(summary.scheduling, 1)
        click.echo(
            f"{number(summary.seconds, 1)} s on {summary.workers} workers: {rate} cells a second, {idle} of it without "
            f"work; {number(summary.memory, 0)} MB, {number(summary.cpu, 1)} s CPU here."
        )
    if summary.resent:
        click.echo(f"{count(summary.resent)} times a cell was handed out again, as it had been lost on the way.")
    if summary.lost:
        click.echo(f"{count(summary.lost)} cells never came back. The same command measures them.")
    for failure in failures:
        click.echo(f"  failed: {failure.cell.label}, depth {failure.cell.depth}: {failure.error}")
    if summary.failed > len(failures):
        click.echo(f"  and {count(summary.failed - len(failures))} more")
    if summary.failed:
        click.echo("The same command with --retry-failed measures them again.")


@click.command()
@click.argument("stores", metavar="STORE...", nargs=-1, required=True)
@click.argument("out", metavar="FILE")
@click.option("--format", "form", help="parquet, csv, netcdf (what FILE ends in: .parquet, .csv, .nc).")
def export(stores, out, form):
    """Write what stores hold into one file: Parquet, CSV or netCDF.

    \b
    Example:
      fastgrad export sweep.db cells.parquet
    """
    from fastgrad.sweeps import frames

    with one_line(*BAD_INPUT, written="FILE"), status("exporting"):
        count = frames.export(stores, out, form)
    click.echo(f"{count:,} cells: {out}")


@click.command()
@click.argument("stores", metavar="STORE...", nargs=-1, required=True)
@click.option("--out", default="sweep-report", show_default=True, help="Folder of the report.")
@click.pass_obj
def report(typed, stores, out):
    """Write a report of stores into a folder: heat maps, delta against depth, phase diagrams, verdicts.

    The page needs no network. It can be made while the sweep still runs.

    \b
    Example:
      fastgrad report sweep.db --out sweep-report && open sweep-report/index.html
    """
    from fastgrad.report import page as pages

    with one_line(*BAD_INPUT), status("drawing"):
        page = pages.write_folder(stores, out, typed)
    click.echo(f"Report: {page}")
