"""``fastgrad gate``."""

import re
import signal
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
    say,
    show_as,
)

LAYERS = ("track", "memory", "instructions", "time")


class Duration(click.ParamType):
    """Seconds, as ``90``, ``90s``, ``5m`` or ``1h``."""

    name = "duration"

    def convert(self, value, param, ctx):
        """As click does."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no duration, such as 90s or 5m", param, ctx)
        return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _layers(context, parameter, value):
    """The layers that are named, or all."""
    names = [name.strip() for name in value.split(",")] if value else list(LAYERS)
    for name in names:
        if name not in LAYERS:
            from fastgrad._validation import unknown

            raise click.BadParameter(str(unknown("layer", name, LAYERS)), context, parameter)
    return names


@click.command()
@click.argument("base")
@click.argument("head")
@click.option("--suite", type=click.Path(path_type=Path), help="An asv.conf.json, or the folder that has it.")
@click.option("--bench", multiple=True, metavar="REGEX", help="Judge these benchmarks.")
@click.option("--layers", callback=_layers, metavar="NAMES", help=f"Judge only these, of {', '.join(LAYERS)}.")
@click.option("--budget", type=Duration(), default="5m", show_default=True, help="Time after the builds.")
@click.option("--python", default="", help="A version, or 'same': this Python and its packages.")
@click.option("--out", default=".gate", show_default=True, help="A folder for builds, finished parts and the reports.")
@click.option("--allow", multiple=True, metavar="PATTERN", help="What is meant to change, such as '*tanh*'.")
@click.option("--allow-dirty", is_flag=True, help="Judge what is committed, although files differ from it.")
@click.option("--strict", is_flag=True, help="Exit code 3 if something could not be judged.")
@click.option("--bisect", is_flag=True, help="If HEAD is worse, look for the first commit that is.")
@comparison_options
@click.pass_obj
def gate(typed, base, head, out, strict, bisect, form, **options):
    """Is HEAD slower than BASE, larger, or are its tracked numbers others, by the asv benchmarks of the repository?

    Both are git revisions. They are built as asv.conf.json says, and HEAD's benchmarks run on both: times in pairs of
    fresh processes, instructions by callgrind, peak memory, tracked numbers, and the time of an import. BASE against
    itself must read the same, and 5 % more calls must be seen.

    Exit codes: 0 no regression, 1 a regression, 2 wrong usage or input, 3 with --strict if something could not be
    judged, 130 interrupted; the same command then goes on. OUT has the report as gate.md and gate.json, and for
    github-action-benchmark and Bencher as gate.smaller.json and gate.bmf.json.

    \b
    Example:
      fastgrad gate main HEAD
      fastgrad gate --bench 'time_.*tanh' --layers time,instructions --budget 2m v0.1.0 HEAD
    """
    try:
        import asv  # noqa: F401 - only whether it is there
    except ImportError:
        raise click.UsageError("fastgrad gate needs asv: pip install 'fastgrad[asv]'") from None
    from fastgrad.bench.gate import judgement, search
    from fastgrad.bench.gate.rows import Options

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job that is cancelled ends what it has started too
    try:
        with one_line(*BAD_INPUT), progress_bar() as show:
            asked = Options(**options)
            judged = judgement.judge(base, head, out, asked, show, say)
            code = judged.exit_code(strict)
            found, texts = _reports(judged, code, out, typed)
            if bisect:
                guilty = search.first_bad(base, head, judged, out, asked, show, say)
                found, texts = _reports(judged, code, out, typed, guilty)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(interrupted("finished parts are kept", out)) from None
    show_as(form, found, texts["json"], texts["md"])
    return code


def _reports(judged, code, out, typed, *guilty):
    """The findings, and the files that say them by how they end; what ``--bisect`` found is added later."""
    from fastgrad.bench.gate import tables
    from fastgrad.machine import machine
    from fastgrad.report import survey

    words = [*tables.verdict(judged, code), *guilty]
    found = survey.Comparison(tables.tables(judged), words, tables.note(judged), machine(), typed)
    texts = {
        "json": comparison_json(found, **asdict(judged), verdict=found.verdicts, exit_code=code),
        "md": survey.folded_markdown(found),
        "smaller.json": tables.benchmark_action(judged),
        "bmf.json": tables.bencher(judged),
    }
    for ending, text in texts.items():
        Path(out, f"gate.{ending}").write_text(text, encoding="utf-8")
    return found, texts
