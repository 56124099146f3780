"""``fastgrad train``."""

import contextlib
from pathlib import Path

import click
import rich.console

from fastgrad.activations import activation
from fastgrad.cli.shared import (
    ACTIVATION_NAMES,
    BAD_INPUT,
    INIT_NAMES,
    comparison_options,
    interrupted,
    one_line,
    show_comparison,
    status,
)
from fastgrad.datasets import DATASETS
from fastgrad.initializers import initializer
from fastgrad.kernels import BACKENDS
from fastgrad.learning.schedules import SCHEDULES

TEST = 0.2  # the share of the rows that is held out


@click.command()
@click.option("--data", default="digits", show_default=True, help=", ".join(DATASETS))
@click.option("--activation", "-a", default="relu", show_default=True, help=ACTIVATION_NAMES)
@click.option("--init", "-i", default="he_normal", show_default=True, help=INIT_NAMES)
@click.option("--depth", "-d", type=click.IntRange(min=1), default=3, show_default=True, help="Hidden layers.")
@click.option("--width", type=click.IntRange(min=1), default=64, show_default=True, help="Units in each.")
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Rows per step.")
@click.option("--optimizer", default="adam", show_default=True, help="sgd, momentum, nesterov, adam.")
@click.option("--learning-rate", type=float, help="(0.1, 0.01, 0.01, 0.001 for the four)")
@click.option("--schedule", default="constant", show_default=True, help=", ".join(SCHEDULES))
@click.option("--weight-decay", type=float, default=0.0, show_default=True)
@click.option("--validation", type=float, help="Share of the rows to validate on after every epoch.")
@click.option("--patience", type=click.IntRange(min=1), help="Stop after so many epochs without a better loss.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights, order and split.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--backend", default="compiled", show_default=True, help=", ".join(BACKENDS))
@click.option("--checkpoint", type=click.Path(dir_okay=False), help="A file to keep the run in, and to go on from.")
@click.option("--repair", "repairing", is_flag=True, help="If the verdict is bad, change what is wrong and try again.")
@click.option("--out", help="A folder for a page, training.json and training.csv.")
@comparison_options
@click.pass_obj
def train(typed, data, activation, init, depth, width, epochs, batch, optimizer, learning_rate, schedule, weight_decay,
          validation, patience, seed, dtype, backend, checkpoint, repairing, out, form):  # fmt: skip
    """Train a network on real data, watch its gradients, and say what is wrong with them.

    A fifth of the rows is held out for the test accuracy. Exit code 1 if the verdict is bad; with --repair, that on
    the best network: a change that ends with a worse loss, on the validation rows if there are any, is rejected. With
    --checkpoint an interrupted run goes on where it stopped, with the same numbers.

    \b
    Example:
      fastgrad train --data mnist5000 --activation sigmoid --init xavier_normal --depth 30 --repair
    """
    from fastgrad import datasets
    from fastgrad.learning import repair
    from fastgrad.learning.history import Interrupted

    with one_line(*BAD_INPUT):
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
        if repairing and checkpoint:
            raise ValueError("--checkpoint keeps one run, but --repair trains several")
        if checkpoint and not Path(checkpoint).parent.is_dir():
            raise ValueError(f"--checkpoint: there is no folder {Path(checkpoint).parent}")
        net, X, y = _network(datasets.load(data), activation, init, depth, width, seed, dtype, backend)
    options = {
        "epochs": epochs, "batch_size": batch, "optimizer": optimizer, "learning_rate": learning_rate,
        "schedule": schedule, "weight_decay": weight_decay, "validation": validation, "test": TEST,
        "patience": patience, "seed": seed,
    }  # fmt: skip
    try:
        with one_line(*BAD_INPUT), live_view(epochs) as callback:
            if repairing:
                found = repair.repair(net, X, y, callback=callback, **options)
            else:
                found = repair.Repair((repair.attempt(net, X, y, checkpoint=checkpoint, callback=callback, **options),))
    except Interrupted as interrupt:
        if interrupt.repair is not None:  # the trainings that were finished
            _show(interrupt.repair, typed, out, form)
        return interrupted(f"{interrupt.history.epochs} of {epochs} epochs were done", checkpoint)
    _show(found, typed, out, form)
    return 0 if found.final.verdict == "healthy" else 1


def _network(rows, phi, init, depth, width, seed, dtype, backend):
    from fastgrad.network import MLP

    X, y = rows
    sizes = [X.shape[1], *[width] * depth, int(y.max()) + 1]
    return MLP(sizes, activation(phi), initializer(init), seed, dtype, backend=backend), X, y


def _show(found, typed, out, form):
    from fastgrad.report import training as training_report

    shown = training_report.tables(found), training_report.verdicts(found), training_report.NOTE
    rows = [
        {"network": repr(run.network), "change": name, "outcome": outcome, "verdict": run.verdict, "chi": run.chi,
         "reached": run.history.reached} | run.history.to_dict()
        for run, name, outcome in zip(
            found.attempts, training_report.names(found), training_report.outcomes(found), strict=True)
    ]  # fmt: skip
    text = show_comparison(rows, shown, {}, typed, form)
    if out is not None:
        from fastgrad.machine import machine
        from fastgrad.report import train_page

        with status("drawing"), one_line(OSError):
            page = train_page.write_folder(found, text, out, typed, machine())
        if form is None:
            click.echo(f"Report: {page}")


@contextlib.contextmanager
def live_view(epochs):
    """A callback for ``fit`` that shows its progress on stderr: bar, loss, accuracy, gradients; None off a terminal."""
    console = rich.console.Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.live import Live
    from rich.progress import Progress

    bar = Progress(console=console)
    task = bar.add_task("", total=epochs)
    with Live(bar, console=console, transient=True) as live:

        def callback(history):
            bar.update(task, completed=history.epochs, description=f"epoch {history.epochs}")
            live.update(view(bar, history, console.color_system))

        yield callback


def view(bar, history, color_system):
    """The bar, the latest loss and accuracy, and a strip of the layers' gradients."""
    from rich.console import Group
    from rich.text import Text

    from fastgrad.report.charts import decades_below_last
    from fastgrad.report.training import strip

    facts = f"loss {history.loss[-1]:.4f}"
    for name in ("accuracy", "validation_accuracy"):
        if getattr(history, name):
            facts += f"   {name.replace('_', ' ')} {getattr(history, name)[-1]:.1%}"
    lines = [bar, Text(facts)]
    if history.readings:
        latest = history.readings[-1]
        lines.append(
            Text.assemble(
                "delta, first to last layer ", *strip(decades_below_last(latest), color_system), f"  {latest.verdict}"
            )
        )
    return Group(*lines)
