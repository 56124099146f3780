"""``fastgrad detectors``."""

import click

from fastgrad.cli.shared import INTERRUPTED, comparison_options, one_line, progress_bar, say, show_comparison


@click.command()
@click.option("--quick", is_flag=True, help="Every seventh run.")
@comparison_options
@click.pass_obj
def detectors(typed, quick, form):
    """How well vanishing gradients and other faults are detected: ours beside the rules of four published tools.

    Trains 720 labelled networks, healthy and faulty, in about a minute; every run is the same each time.

    \b
    Example:
      fastgrad detectors --markdown
    """
    from fastgrad.bench import detection

    try:
        with one_line(ImportError), progress_bar() as progress:
            outcomes = list(detection.run_benchmark(detection.cases(quick), progress))
    except KeyboardInterrupt:
        say("interrupted: nothing was judged, since a label needs all runs of its kind")
        return INTERRUPTED
    shown = detection.tables(outcomes), detection.verdicts(outcomes), detection.NOTE
    show_comparison(detection.to_rows(outcomes), shown, {}, typed, form)
    return 0
