"""What others published on vanishing gradients, again: ``python -m benchmarks.studies.reproduce [NAME ...]``."""

from dataclasses import asdict
from pathlib import Path

import click

from benchmarks.studies.reproduction import EXPERIMENTS, registry
from fastgrad.cli.shared import (
    BAD_INPUT,
    INTERRUPTED,
    OneLineErrors,
    comparison_options,
    interrupted,
    need_matplotlib,
    one_line,
    progress_bar,
    show_comparison,
    status,
)


@click.command("python -m benchmarks.studies.reproduce", cls=OneLineErrors)
@click.argument("names", nargs=-1, metavar="[EXPERIMENT]...")
@click.option("--out", help="A folder for a figure of each experiment and for reproduction.json.")
@comparison_options
@click.pass_obj
def reproduce(typed, names, out, form):
    """What papers report on vanishing gradients, and apart what our theory predicts, measured again.

    Experiments are chi, jacobians, speeds, depth, activations, errors (all, about a minute). Exit code 1 if a finding
    does not hold, as two of errors do not.
    """
    names = tuple(dict.fromkeys(names or EXPERIMENTS))
    with one_line(*BAD_INPUT):
        if out is not None:
            need_matplotlib()
            Path(out).mkdir(parents=True, exist_ok=True)
        experiments = registry.reproduce(names)
    found = []
    try:
        with one_line(ImportError), progress_bar() as progress:
            for name in names:
                progress(len(found), len(names), name)
                found.append(next(experiments))
    except KeyboardInterrupt:
        code = interrupted(f"{len(found)} of {len(names)} experiments were done")
        if not found:
            return code
    shown = [registry.table(each) for each in found], registry.verdict(found), registry.NOTE
    text = show_comparison(rows(found), shown, {}, typed, form)
    if out is not None:
        with status("drawing"), one_line(OSError):
            write(Path(out), found, text)
    if len(found) < len(names):
        return INTERRUPTED
    return 0 if all(each.holds for each in found) else 1


def rows(found):
    """Plain data for JSON."""
    plain = [asdict(each) | {"holds": each.holds} for each in found]
    for row, each in zip(plain, found, strict=True):
        row["curves"] = [asdict(curve) | {"x": list(curve.x), "y": list(curve.y)} for curve in each.curves]
    return plain


def write(folder, found, text):
    """reproduction.json, and each experiment's picture as .png and .svg."""
    from benchmarks.studies.reproduction.figure import figure  # needs matplotlib
    from fastgrad.report import plots

    (folder / "reproduction.json").write_text(text, encoding="utf-8")
    for each in found:
        drawn = figure(each)
        for format in ("png", "svg"):
            (folder / f"{each.name}.{format}").write_bytes(plots.picture(drawn, format))


if __name__ == "__main__":
    reproduce()
