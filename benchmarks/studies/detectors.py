"""How well detectors find faulty training: ``python -m benchmarks.studies.detectors``, three minutes on two cores."""

import os

import click

from benchmarks.studies.detectors_runs import cases, run_benchmark, to_rows
from benchmarks.studies.detectors_tables import NOTE, tables, verdicts
from fastgrad.cli.shared import OneLineErrors, comparison_options, interrupted, one_line, progress_bar, show_comparison


@click.command("python -m benchmarks.studies.detectors", cls=OneLineErrors)
@click.option("--quick", is_flag=True, help="192 of the runs.")
@click.option("--workers", type=click.IntRange(1), help="Processes; all cores without it. The result is the same.")
@comparison_options
@click.pass_obj
def detectors(typed, quick, workers, form):
    """How well vanishing gradients and other faults are detected: our alarm, the loss alone, and four tools' rules.

    Trains 4,200 labelled networks, healthy and faulty; every run is the same each time.
    """
    try:
        with one_line(ImportError), progress_bar() as progress:
            outcomes = list(run_benchmark(cases(quick), progress, workers or os.cpu_count() or 1))
    except KeyboardInterrupt:
        return interrupted("nothing was judged, since a label needs all runs of its kind")
    show_comparison(to_rows(outcomes), (tables(outcomes), verdicts(outcomes), NOTE), {}, typed, form)
    return 0


if __name__ == "__main__":
    detectors()
