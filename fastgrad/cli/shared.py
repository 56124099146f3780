"""What the commands share: their errors, their progress, and the way a comparison is shown."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace

import click
import rich.console

import fastgrad
from fastgrad._validation import strict_json
from fastgrad.activations import ACTIVATIONS, PARAMETER_NAMES, activation
from fastgrad.initializers import INITIALIZERS

INTERRUPTED = 130
ACTIVATION_NAMES = ", ".join(ACTIVATIONS)
INIT_NAMES = f"{', '.join(INITIALIZERS)}; glorot_normal and glorot_uniform are Xavier's, kaiming_ ones He's."
_TABLE = "fastgrad.table"
BAD_INPUT = (ValueError, TypeError, ImportError, OSError)


class OneLineErrors(click.Command):
    """A command, or with click.Group a group of them, that reports a mistake in one line, with exit code 2.

    Its name is how the program is called; the context's ``obj`` is the command as it was typed.
    """

    def main(self, args=None, **extra):  # type: ignore[override]
        """As ``click.Command.main``."""
        args = sys.argv[1:] if args is None else list(args)
        typed = " ".join(filter(None, [self.name, shlex.join(args)]))
        extra.update(prog_name=self.name, standalone_mode=False, obj=typed)
        try:
            code = super().main(args, **extra)
        except click.Abort:
            say("interrupted")
            code = INTERRUPTED
        except click.ClickException as error:
            say(error.format_message())
            code = 2
        sys.exit(code)


class Group(click.Group):
    """A group whose help shows the whole first sentence of every command."""

    def format_commands(self, ctx, formatter):
        """As click does, which cuts them."""
        with formatter.section("Commands"):
            self.write_commands(formatter, self.commands)

    def write_commands(self, formatter, names):
        """These commands, each with its first sentence."""
        formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=1000)) for name in names])


def table_option(command):
    """``--table TITLE``, which reaches what prints by the context: a command need not pass it on."""

    def keep(context, _, title):
        context.meta[_TABLE] = title

    text = "Print only the table of this title."
    return click.option("--table", metavar="TITLE", expose_value=False, callback=keep, help=text)(command)


def wanted_table() -> str | None:
    """The title that ``--table`` asks for."""
    return click.get_current_context().meta.get(_TABLE)


def check_table(titles: Iterable[str]) -> None:
    """Refuse ``--table`` if none of the tables has its title."""
    titles = list(titles)
    if wanted_table() not in (None, *titles):
        raise click.UsageError(f"--table: there is no {wanted_table()!r}; there is {', '.join(map(repr, titles))}")


def parameter_options(command):
    """An option for every parameter that an activation has."""
    for name in reversed(PARAMETER_NAMES):
        of = ", ".join(phi.name for phi in map(activation, ACTIVATIONS) if phi.parameter_name == name)
        option = click.option(f"--{name.replace('_', '-')}", name, multiple=True, type=float, help=f"Of {of}.")
        command = option(command)
    return command


def comparison_options(command):
    for option in (
        table_option,
        click.option("--markdown", "form", flag_value="markdown", help="Print Markdown, for a README."),
        click.option("--json", "form", flag_value="json", help="Print JSON on stdout, and nothing else."),
    ):
        command = option(command)
    return command


def show_comparison(rows, shown, versions, typed, form):
    """Show a comparison's rows as the options say, and return them as JSON."""
    from fastgrad.machine import machine
    from fastgrad.report import survey

    tables, verdicts, note = shown
    found = survey.Comparison(tables, verdicts, note, machine() | versions, typed)
    text = comparison_json(found, rows=rows)
    if only := wanted_table():
        check_table(table.title for table in found.tables)
        found = replace(found, tables=[table for table in found.tables if table.title == only], verdicts=())
    show_as(form, found, text, survey.comparison_markdown(found))
    return text


def comparison_json(found, **more):
    """What stands in every JSON output, and more."""
    return strict_json({"fastgrad": fastgrad.__version__, "command": found.command, "machine": found.machine, **more})


def show_as(form, found, json, markdown):
    """Print a comparison in one of its forms."""
    from fastgrad.report.terminal import print_comparison

    if form is None:
        print_comparison(found, stdout_console())
    else:
        click.echo({"json": json, "markdown": markdown}[form], nl=False)


@contextlib.contextmanager
def progress_bar():
    """A function of (done, total, label) that moves a progress bar on stderr, on a terminal."""
    from rich.progress import Progress

    console = rich.console.Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, label: bar.update(task, completed=done, total=total, description=label)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stdout_console():
    """stdout, at most as wide as the tables are made for."""
    from fastgrad.report.terminal import TERMINAL_WIDTH

    console = rich.console.Console(highlight=False)
    if not console.is_terminal or console.width > TERMINAL_WIDTH:
        console.width = TERMINAL_WIDTH
    return console


def status(message):
    """A spinner on stderr, on a terminal."""
    console = rich.console.Console(stderr=True)
    return console.status(message) if console.is_terminal else contextlib.nullcontext()


def need_matplotlib():
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError:
        raise ImportError("the report needs matplotlib: pip install 'fastgrad[plot]'") from None


@contextlib.contextmanager
def one_line(*errors, written="--out"):
    """Turn these errors into one line and exit code 2; ``written`` is what names the file that is written."""
    try:
        yield
    except errors as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise click.UsageError(f"{written}: cannot write {error.filename}: {error.strerror}") from error
        raise click.UsageError(str(error)) from error


def say(message):
    click.echo(f"fastgrad: {message}", err=True)


@contextlib.contextmanager
def going_on(kept=None):
    """Where Ctrl-C ends the command with one sentence: whether what is finished is kept, and where."""
    try:
        yield
    except KeyboardInterrupt:
        done = "what is finished is kept" if kept else "what was finished is lost, as there is no --out"
        raise click.exceptions.Exit(interrupted(done, kept)) from None


def interrupted(done, kept=None):
    """Say after Ctrl-C what was done and, if it is kept, where the same command goes on from; the exit code."""
    say(f"interrupted: {done}" + (f"; the same command goes on from {kept}" if kept else ""))
    return INTERRUPTED
