"""``fastgrad consequences``."""

from typing import Any

import click

from fastgrad.activations import ACTIVATIONS
from fastgrad.cli.shared import (
    ACTIVATION_NAMES,
    BAD_INPUT,
    INIT_NAMES,
    going_on,
    one_line,
    processors,
    progress_bar,
    status,
    stdout_console,
    table_option,
    wanted_table,
)
from fastgrad.datasets import DATASETS
from fastgrad.initializers import SURVEYED
from fastgrad.learning.optimizers import OPTIMIZERS

FULL: dict[str, Any] = {"depth": 20, "width": 64, "epochs": 20, "seeds": 5}
QUICK: dict[str, Any] = {"depth": 20, "width": 32, "epochs": 10, "seeds": 2}


@click.command()
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=ACTIVATION_NAMES)
@click.option("--init", "-i", "inits", multiple=True, default=SURVEYED, help=INIT_NAMES)
@click.option("--depth", "-d", type=click.IntRange(min=1), help=f"Hidden layers ({FULL['depth']}).")
@click.option("--width", type=click.IntRange(min=1), help=f"Units in each ({FULL['width']}).")
@click.option("--seeds", type=click.IntRange(min=1), help=f"Networks of each kind, seeded 0, 1, ... ({FULL['seeds']}).")
@click.option("--epochs", type=click.IntRange(min=1), help=f"Passes over the data ({FULL['epochs']}).")
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Rows per step.")
@click.option("--optimizer", default="adam", show_default=True, help=", ".join(OPTIMIZERS))
@click.option("--learning-rate", type=float, help="One for all networks (that of `fastgrad train`).")
@click.option("--data", default="digits", show_default=True, help=", ".join(DATASETS))
@click.option("--out", help="A folder for a page, and for finished trainings, from which the same command goes on.")
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Threads that train (as many as processors).")
@click.option("--quick", is_flag=True, help="Fewer, narrower networks: a look in seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else.")
@table_option
@click.pass_obj
def consequences(typed, names, inits, depth, width, seeds, epochs, batch, optimizer, learning_rate, data, out, workers,
                 quick, as_json):  # fmt: skip
    """Do networks whose gradients vanish learn more slowly, stall, and end less accurate?

    Every activation with every initialisation is trained in the same way on real images, over several seeds. A fifth
    of the rows is held out. The result: epochs until the test accuracy is nine tenths of the best, time, final test
    accuracy, and the rank correlation between decades lost at initialisation and that accuracy, whatever it is.

    \b
    Example:
      fastgrad consequences --depth 20 --out consequences
      fastgrad consequences -a tanh -a relu -i torch_linear -i he_normal --depth 30 --seeds 3
    """
    from fastgrad.sweeps.consequences import cases

    size = QUICK if quick else FULL
    with one_line(*BAD_INPUT):
        wanted = cases(
            names, inits, seeds or size["seeds"], depth=depth or size["depth"], width=width or size["width"],
            epochs=epochs or size["epochs"], batch=batch, optimizer=optimizer, learning_rate=learning_rate, data=data,
        )  # fmt: skip
    found = measured(wanted, out, workers)
    show(found, typed, out, as_json)


def measured(cases, out, workers):
    """What follows from training these cases; a progress bar on a terminal, and Ctrl-C says how to go on."""
    from fastgrad.sweeps import consequences, trainings

    with going_on(out), one_line(*BAD_INPUT), progress_bar() as progress:
        return consequences.consequences(trainings.train(cases, out, workers or processors(), progress))


def show(found, typed, out, as_json):
    from fastgrad.machine import machine
    from fastgrad.report import consequences as report
    from fastgrad.report import consequences_page

    page, facts = None, machine()
    if out is not None:
        with status("drawing"), one_line(OSError):
            page = consequences_page.write_folder(found, out, typed, facts)
    if as_json:
        click.echo(consequences_page.to_json(found, typed, facts), nl=False)
        return
    with one_line(ValueError):
        report.print_consequences(found, facts, stdout_console(), wanted_table())
    if page is not None:
        click.echo(f"Report: {page}")
