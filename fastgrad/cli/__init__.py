"""The commands. They read options, call the package, and show what it returns."""

# Design: - A mistake is one line on stderr and exit code 2, never a traceback. Only what checks the user's
#           input and writes the user's files is guarded; an error anywhere else is a bug and shows as one.
#         - What is heavy (SciPy, scikit-learn, matplotlib) is imported by the command that needs it.

import click

import fastgrad
from fastgrad.cli.audit import audit
from fastgrad.cli.config import config
from fastgrad.cli.consequences import consequences
from fastgrad.cli.gate import gate
from fastgrad.cli.publish import publish
from fastgrad.cli.shared import Group, OneLineErrors
from fastgrad.cli.speed import speed
from fastgrad.cli.survey import decay, run
from fastgrad.cli.sweep import export, report, sweep
from fastgrad.cli.train import train

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


GROUPS = {
    "Start here": ("run",),
    "One question at a time": ("decay", "consequences", "train"),
    "Many networks": ("sweep", "export", "report"),
    "How exact, how fast": ("audit", "speed"),
    "In your project": ("gate", "publish", "config"),
}


class Commands(OneLineErrors, Group):
    """The group of them all, whose help names the commands first, by what they are for."""

    def format_options(self, ctx, formatter):
        """As click does, the commands first."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx, formatter):
        """The commands in ``GROUPS``."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                self.write_commands(formatter, names)


@click.group("fastgrad", cls=Commands, context_settings=SETTINGS, invoke_without_command=True)
@click.version_option(fastgrad.__version__, message="fastgrad %(version)s")
@click.pass_context
def commands(context):
    """Measure how gradients vanish in deep networks, and show what that leads to.

    Start here: fastgrad run --quick

    Exit codes: 0 fine, 1 what was judged is bad, 2 wrong usage or input, 130 interrupted. The studies that judge
    detectors, published numbers and the cost of entry points are in the repository: python -m benchmarks.studies.NAME.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (run, decay, consequences, train, sweep, export, report, audit, speed, gate, publish, config):
    commands.add_command(command)
