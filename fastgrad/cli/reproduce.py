"""``fastgrad reproduce``."""

from dataclasses import asdict
from pathlib import Path

import click

from fastgrad.cli.shared import (
    BAD_INPUT,
    INTERRUPTED,
    comparison_options,
    interrupted,
    need_matplotlib,
    one_line,
    progress_bar,
    show_comparison,
    status,
)


@click.command()
@click.argument("names", nargs=-1, metavar="[EXPERIMENT]...")
@click.option("--out", help="A folder for a figure of each experiment and for reproduction.json.")
@comparison_options
@click.pass_obj
def reproduce(typed, names, out, form):
    """What papers report on vanishing gradients, and apart what our theory predicts, measured again.

    Experiments are chi, jacobians, speeds, depth, activations, errors (all, about a minute). Exit code 1 if a finding
    does not hold, as two of errors do not.

    \b
    Example:
      fastgrad reproduce chi speeds --out figures
    """
    from fastgrad.reproduction import EXPERIMENTS, registry

    names = names or tuple(EXPERIMENTS)
    with one_line(*BAD_INPUT):
        if out is not None:
            need_matplotlib()
            Path(out).mkdir(parents=True, exist_ok=True)
        experiments = registry.reproduce(names)
    found = []
    try:
        with one_line(ImportError), progress_bar() as progress:
            for name in dict.fromkeys(names):
                progress(len(found), len(names), name)
                found.append(next(experiments))
    except KeyboardInterrupt:
        code = interrupted(f"{len(found)} of {len(names)} experiments were done")
        if not found:
            return code
    shown = [registry.table(each) for each in found], registry.verdict(found), registry.NOTE
    rows = [asdict(each) | {"holds": each.holds} for each in found]
    for row, each in zip(rows, found, strict=True):
        row["curves"] = [asdict(curve) | {"x": list(curve.x), "y": list(curve.y)} for curve in each.curves]
    text = show_comparison(rows, shown, {}, typed, form)
    if out is not None:
        from fastgrad.report import curves, plots

        with status("drawing"), one_line(OSError):
            Path(out, "reproduction.json").write_text(text, encoding="utf-8")
            for each in found:
                figure = curves.reproduction_figure(each)
                for format in ("png", "svg"):
                    Path(out, f"{each.name}.{format}").write_bytes(plots.picture(figure, format))
    if len(found) < len(dict.fromkeys(names)):
        return INTERRUPTED
    return 0 if all(each.holds for each in found) else 1
