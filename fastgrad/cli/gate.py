"""``fastgrad gate``."""

from dataclasses import asdict
from pathlib import Path

import click

from fastgrad.cli.shared import (
    BAD_INPUT,
    comparison_json,
    comparison_options,
    interrupted,
    one_line,
    progress_bar,
    show_as,
)


@click.command()
@click.argument("base")
@click.argument("head")
@click.option("--out", default=".gate", show_default=True, help="A folder for builds, finished parts and the reports.")
@click.option("--allow", multiple=True, metavar="PATTERN", help="What is meant to change, such as 'tanh *'.")
@click.option("--allow-dirty", is_flag=True, help="Judge what is committed, although files differ from it.")
@click.option("--strict", is_flag=True, help="Exit code 3 if something could not be judged.")
@comparison_options
@click.pass_obj
def gate(typed, base, head, out, allow, allow_dirty, strict, form):
    """Is HEAD slower or less accurate than BASE, or do its gradients decay differently?

    Both are git revisions of this repository, or wheels. They are built and measured in turns: time in pairs of fresh
    processes, instructions by callgrind, errors in ULP, false zeros, and how fast gradients decay. Before that the gate
    must call BASE the same as itself and catch a planted slowdown and a planted wrong derivative.

    Exit codes: 0 no regression, 1 a regression, 2 wrong usage or input, 3 with --strict if something could not be
    judged, 130 interrupted; the same command then goes on. OUT/gate.md and OUT/gate.json say what is printed.

    \b
    Example:
      fastgrad gate main HEAD
      fastgrad gate --strict --allow 'tanh *' v0.1.0 HEAD
    """
    from fastgrad.bench.gate import judgement, tables
    from fastgrad.machine import machine
    from fastgrad.report import survey

    try:
        with one_line(*BAD_INPUT), progress_bar() as show:
            judged = judgement.judge(base, head, out, allow, allow_dirty, show)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(interrupted("finished parts are kept", out)) from None
    code = judged.exit_code(strict)
    found = survey.Comparison(tables.tables(judged), tables.verdict(judged, code), tables.NOTE, machine(), typed)
    texts = {
        "json": comparison_json(found, **asdict(judged), verdict=found.verdicts, exit_code=code),
        "md": survey.folded_markdown(found),
    }
    show_as(form, found, *texts.values())
    with one_line(OSError):
        for ending, text in texts.items():
            Path(out, f"gate.{ending}").write_text(text, encoding="utf-8")
    return code
