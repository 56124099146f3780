"""``fastgrad config`` among the other commands; ``fastgrad/config.py`` does it, without click."""

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Where the C headers are, for other projects' builds.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def config(context, arguments):
    from fastgrad.config import main

    context.exit(main(arguments))
