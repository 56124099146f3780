"""``fastgrad run`` and ``fastgrad decay``."""

from pathlib import Path
from typing import Any

import click

from fastgrad.activations import ACTIVATIONS
from fastgrad.cli.consequences import FULL as TRAINED
from fastgrad.cli.consequences import QUICK as TRAINED_QUICK
from fastgrad.cli.consequences import measured as consequences_of
from fastgrad.cli.shared import (
    ACTIVATION_NAMES,
    BAD_INPUT,
    INIT_NAMES,
    going_on,
    one_line,
    parameter_options,
    processors,
    progress_bar,
    say,
    status,
    stdout_console,
    table_option,
    wanted_table,
)
from fastgrad.datasets import DATASETS
from fastgrad.initializers import SURVEYED
from fastgrad.kernels import BACKENDS

FULL: dict[str, Any] = {"depth": (5, 10, 20, 50), "width": 128, "batch": 128, "seeds": 10}
QUICK: dict[str, Any] = {"depth": (5, 20), "width": 64, "batch": 64, "seeds": 3}


def survey_options(command):
    for option in (
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            help="Threads that measure and train (as many as processors).",
        ),
        table_option,
        click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else."),
        click.option("--quick", is_flag=True, help="Fewer, smaller networks: a look in seconds."),
    ):
        command = option(command)
    return command


@click.command()
@click.option("--out", default="fastgrad-report", show_default=True, help="Folder of the report.")
@survey_options
@click.pass_obj
def run(typed, out, quick, as_json, workers):
    """The whole subject in one page, in a minute; with --quick in ten seconds.

    Causes: how delta decays in networks of five activations, three initialisations and four depths, beside theory.
    Consequences: the same kinds of network trained on images of digits. Detection: a vanishing and a healthy training
    side by side. Remedies: what each change cures. And phase diagrams, with where you are.

    An interrupted run goes on where it stopped: what is finished is kept in the folder.

    \b
    Example:
      fastgrad run --quick && open fastgrad-report/index.html
      fastgrad run --out report
    """
    from fastgrad.sweeps import phases, study
    from fastgrad.sweeps.consequences import cases

    size, training = (QUICK, TRAINED_QUICK) if quick else (FULL, TRAINED)
    with one_line(*BAD_INPUT):
        cells = study.grid(
            ACTIVATIONS, SURVEYED, size["depth"],
            width=size["width"], batch=size["batch"], seeds=tuple(range(size["seeds"])),
        )  # fmt: skip
        networks = cases(ACTIVATIONS, SURVEYED, **training)
    with going_on(out):
        results, found = _survey(cells, out, workers)
        around, _ = _measure(phases.around_the_known(), out, workers)
        trained = consequences_of(networks, out, workers)
        with status("timing the kernels"):
            from fastgrad.bench import activations

            speed = activations.quick_speed()
        with one_line(OSError):
            Path(out, "phases.toml").write_text(phases.PLAN, encoding="utf-8")
        _show(results, found, speed, typed, out, as_json, trained, phases.diagrams(around))


@click.command()
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=ACTIVATION_NAMES)
@click.option("--init", "-i", "inits", multiple=True, default=SURVEYED, help=INIT_NAMES)
@click.option("--depth", "-d", "depths", multiple=True, type=click.IntRange(min=1), help="Hidden layers (20).")
@click.option("--width", type=click.IntRange(min=1), help="Units per hidden layer (128).")
@click.option("--seeds", type=click.IntRange(min=1), help="Networks of each kind, seeded 0, 1, ... (10).")
@click.option("--batch", type=click.IntRange(min=1), help="The first rows of the data (128).")
@click.option("--data", default="digits", show_default=True, help=f"{' or '.join(DATASETS)}.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--backend", default="compiled", show_default=True, help=f"{', '.join(BACKENDS)}.")
@parameter_options
@click.option("--gain", "gains", multiple=True, type=float, help="Of the xavier initialisers.")
@click.option("--std", "stds", multiple=True, type=float, help="Of the initialiser normal.")
@click.option("--out", help="Also write a report into this folder, and go on from what it holds.")
@survey_options
@click.pass_obj
def decay(typed, names, inits, depths, width, seeds, batch, data, dtype, backend, gains, stds,
          out, quick, as_json, workers, **parameters):  # fmt: skip
    """How delta decays in the networks asked for. Exit code 1 unless every one is healthy.

    Activations, initialisers, their options and depths can be repeated: every combination is measured.

    \b
    Example:
      fastgrad decay --activation tanh --activation elu --init xavier_normal --depth 10 --depth 30
    """
    from fastgrad.sweeps import plan, study

    size = QUICK if quick else FULL
    with one_line(*BAD_INPUT):
        cells = study.grid(
            plan.activations_with(names, **parameters),
            plan.initializers_with(inits, gain=gains, std=stds),
            depths or (20,),
            width=width or size["width"],
            batch=batch or size["batch"],
            seeds=tuple(range(seeds or size["seeds"])),
            data=data,
            dtype=dtype,
            backend=backend,
        )
    results, found = _survey(cells, out, workers)
    _show(results, found, [], typed, out, as_json)
    return 0 if all(result.verdict == "healthy" for result in results) else 1


def _survey(cells, out, workers):
    """The results in the order of the cells, and the remedies of those that are not healthy, measured likewise."""
    from fastgrad.sweeps import remedies
    from fastgrad.sweeps.run import STORE_FILE

    results, reused = _measure(cells, out, workers)
    tried, _ = _measure(remedies.needed(results), out, workers)
    if reused:
        say(f"{reused} of {len(cells)} networks were measured before; {out}/{STORE_FILE} has them")
    return results, remedies.diagnoses(results, tried)


def _measure(cells, out, workers):
    """The results in the order of the cells, and how many were measured before.

    There is a progress bar on a terminal, and Ctrl-C says how to go on.
    """
    from fastgrad.sweeps import run as sweeps

    done, reused = {}, []
    with one_line(*BAD_INPUT):
        workers = workers or processors()
        stream = sweeps.run_study(cells, out, lambda result, was_stored: reused.append(was_stored), workers)
    with going_on(out), one_line(ValueError, OSError), progress_bar() as show:
        show(0, len(cells), "")
        for result in stream:
            done[result.cell] = result
            show(len(done), len(cells), f"{result.cell.activation.name} + {result.cell.init.name}")
    return [done[cell] for cell in cells], sum(reused)


def _show(results, remedies, speed, typed, out, as_json, trained=None, diagrams=()):
    from fastgrad.machine import machine
    from fastgrad.report import survey, terminal

    page = None
    found = survey.Report(results, machine(), speed, typed, remedies, trained, diagrams)
    if out is not None:
        with status("drawing"), one_line(OSError):
            page = survey.write_folder(found, out)
    if as_json:
        click.echo(survey.to_json(found), nl=False)
        return
    with one_line(ValueError):
        terminal.print_report(found, stdout_console(), wanted_table())
    if page is not None:
        click.echo(f"Report: {page}")
