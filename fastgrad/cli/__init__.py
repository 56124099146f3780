"""The commands. They read options, call the package, and show what it returns."""

# Design: - A mistake is one line on stderr and exit code 2, never a traceback. Only what checks the user's
#           input and writes the user's files is guarded; an error anywhere else is a bug and shows as one.
#         - What is heavy (SciPy, scikit-learn, matplotlib) is imported by the command that needs it.

import shlex
import sys

import click

import fastgrad
from fastgrad.cli.audit import audit
from fastgrad.cli.config import config
from fastgrad.cli.detectors import detectors
from fastgrad.cli.gate import gate
from fastgrad.cli.publish import publish
from fastgrad.cli.reproduce import reproduce
from fastgrad.cli.shared import INTERRUPTED, say
from fastgrad.cli.speed import speed
from fastgrad.cli.survey import decay, run
from fastgrad.cli.sweep import export, report, sweep
from fastgrad.cli.train import train

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class OneLineErrors(click.Group):
    """A group of commands that reports a mistake in one line, with exit code 2."""

    def main(self, args=None, **extra):  # type: ignore[override]
        """As ``click.Group.main``; the context's ``obj`` is the command as it was typed."""
        args = sys.argv[1:] if args is None else list(args)
        extra.update(prog_name="fastgrad", standalone_mode=False, obj=shlex.join(["fastgrad", *args]))
        try:
            code = super().main(args, **extra)
        except click.Abort:
            say("interrupted")
            code = INTERRUPTED
        except click.ClickException as error:
            say(error.format_message())
            code = 2
        sys.exit(code)


@click.group(cls=OneLineErrors, context_settings=SETTINGS, invoke_without_command=True)
@click.version_option(fastgrad.__version__, message="fastgrad %(version)s")
@click.pass_context
def commands(context):
    """Measure how gradients vanish in deep networks.

    Exit codes: 0 fine, 1 what was judged is bad, 2 wrong usage or input, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    run, decay, train, detectors, reproduce, sweep, export, report, audit, speed, gate, publish, config,
):  # fmt: skip
    commands.add_command(command)
