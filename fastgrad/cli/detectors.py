"""``fastgrad detectors``."""

import os

import click

from fastgrad.cli.shared import comparison_options, interrupted, one_line, progress_bar, show_comparison


@click.command()
@click.option("--quick", is_flag=True, help="192 of the runs.")
@click.option("--workers", type=click.IntRange(1), help="Processes; all cores without it. The result is the same.")
@comparison_options
@click.pass_obj
def detectors(typed, quick, workers, form):
    """How well vanishing gradients and other faults are detected: our alarm, the loss alone, and four tools' rules.

    Trains 4,200 labelled networks, healthy and faulty, in about three minutes on two cores; every run is the same each
    time.

    \b
    Example:
      fastgrad detectors --markdown
    """
    from fastgrad.bench import detection, detection_tables

    try:
        with one_line(ImportError), progress_bar() as progress:
            workers = workers or os.cpu_count()
            outcomes = list(detection.run_benchmark(detection.cases(quick), progress, workers))
    except KeyboardInterrupt:
        return interrupted("nothing was judged, since a label needs all runs of its kind")
    shown = detection_tables.tables(outcomes), detection_tables.verdicts(outcomes), detection_tables.NOTE
    show_comparison(detection.to_rows(outcomes), shown, {}, typed, form)
    return 0
