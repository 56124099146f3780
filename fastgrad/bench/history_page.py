"""A history -> a folder with one page that needs no network, and every number as CSV."""

# Design: - As the page of a sweep: tables are HTML from here, charts are Observable Plot's from JSON in the page, and
#           its policy names the scripts by their digests and allows nothing else, whatever a name holds.
#         - A chart is one benchmark in one environment, with a line for each of its parameters: an axis is never shared
#           by two machines. It is logarithmic where its numbers differ by more than ``DECADE``.

import csv
import datetime
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import fastgrad
from fastgrad.bench.history import History, Series, read, settings
from fastgrad.report.html import bundled, digests, fill
from fastgrad.report.tables import html_table

SCRIPTS = ("d3.min.js", "plot.umd.min.js", "history.js")
DECADE = 10.0  # largest over smallest number of a chart
REGRESSIONS = ("benchmark", "commit", "date", "before", "after", "times as much")
COLUMNS = ("parameters", "commits", "first", "best", "latest", "latest over best")


def publish(config: str | os.PathLike = "asv.conf.json", out: str | os.PathLike | None = None) -> dict[str, Any]:
    """Write the page and history.csv.

    Parameters
    ----------
    config : path
        asv's configuration.
    out : path, optional
        The folder, made if it is not there. The configuration's ``html_dir`` if not given.

    Returns
    -------
    dict
        ``page``, its path; ``benchmarks``, how many it shows; ``regressions``, a dict of each; ``left_out``, the
        commits that have results but are on no branch of the configuration.

    Raises
    ------
    ImportError, ValueError
        As :func:`fastgrad.bench.history.read`.
    OSError
        If the folder cannot be written.
    """
    found = read(config)
    out = Path(config).resolve().parent / settings(Path(config)).html_dir if out is None else Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(found, out / "history.csv")
    (out / "index.html").write_text(to_html(found), encoding="utf-8")
    return {
        "page": str(out / "index.html"),
        "benchmarks": len({series.benchmark for series in found.series}),
        "regressions": [asdict(regression) for regression in found.regressions],
        "left_out": list(found.left_out),
    }


def write_csv(found: History, path: Path) -> None:
    """Every number: a row for each series and commit."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("benchmark", "parameters", "environment", "unit", "commit", "date", "value"))
        for one in found.series:
            for at, value in one.values.items():
                commit = found.commits[at]
                where = one.benchmark, one.parameters, one.environment, one.unit
                rows.writerow((*where, commit.hash, _day(commit.date), repr(value)))


def to_html(found: History) -> str:
    """The page."""
    charts = _charts(found.series)
    data = {
        "commits": [{"hash": commit.hash[:8], "date": _day(commit.date)} for commit in found.commits],
        "charts": [_chart(found, chart) for chart in charts],
    }
    scripts = [bundled(script) for script in SCRIPTS]
    return fill(
        "history.html",
        title=escape(f"{found.project}: {_headline(found)}"),
        project=escape(found.project),
        headline=escape(_headline(found)),
        lead=escape(_lead(found)),
        policy=digests(scripts),
        regressions=_regression_table(found),
        benchmarks="\n".join(_section(at, chart) for at, chart in enumerate(charts)),
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        libraries="\n".join(f"<script>{script}</script>" for script in scripts[:-1]),
        script=scripts[-1],
        version=escape(fastgrad.__version__),
    )


def _day(milliseconds):
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).date().isoformat()


def _headline(found):
    return f"{_counted(len(found.regressions), 'regression')} over {_counted(len(found.commits), 'commit')}"


def _counted(number, noun):
    return f"{number or 'No'} {noun}{'' if number == 1 else 's'}"


def _lead(found):
    first, last = found.commits[0], found.commits[-1]
    benchmarks = _counted(len({series.benchmark for series in found.series}), "benchmark")
    between = f"from {first.hash[:8]} ({_day(first.date)}) to {last.hash[:8]} ({_day(last.date)})"
    return f"{benchmarks} on {', '.join(found.branches)}, {between}."


def _charts(series: Sequence[Series]) -> list[list[Series]]:
    def of(one):
        return one.benchmark, one.environment

    return [list(lines) for _, lines in groupby(sorted(series, key=of), of)]


def _chart(found, lines):
    """What the script draws: a line for each series, and where the regressions are."""
    numbers = [value for one in lines for value in one.values.values()]
    place = {commit.hash: at for at, commit in enumerate(found.commits)}
    return {
        "benchmark": lines[0].benchmark,
        "environment": lines[0].environment,
        "unit": lines[0].unit,
        "log": min(numbers) > 0 and max(numbers) > DECADE * min(numbers),
        "lines": [{"name": one.parameters or one.benchmark, "values": list(one.values.items())} for one in lines],
        "regressions": [
            [place[step.commit], one.values[place[step.commit]], f"{step.factor:.3g} times as much"]
            for one in lines
            for step in one.regressions
        ],
    }


# Tables.


def _regression_table(found):
    if not found.regressions:
        return '<p class="note">No number is worse than it was, beyond its threshold in asv.conf.json.</p>'
    date = {commit.hash: _day(commit.date) for commit in found.commits}
    unit = {step: one.unit for one in found.series for step in one.regressions}
    rows = [
        (
            step.benchmark, f"{step.since[:8]}..{step.commit[:8]}" if step.since else step.commit[:8],
            date[step.commit], _text(step.before, unit[step]), _text(step.after, unit[step]), f"{step.factor:.3g}",
        )
        for step in found.regressions
    ]  # fmt: skip
    return html_table(REGRESSIONS, {"": rows}, "The largest first; a range where commits between were not measured")


def _section(at, lines):
    name, environment = lines[0].benchmark, lines[0].environment
    rows = [_row(one) for one in lines]
    caption = f"{name}, {lines[0].unit}" + (f", {environment}" if environment else "")
    table = html_table(COLUMNS, {"": rows}, caption)
    return (
        f'<section aria-labelledby="benchmark{at}"><h2 id="benchmark{at}">{escape(name)}</h2>'
        f'<div class="chart" id="chart{at}"></div>'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="benchmark{at}">{table}</div></section>'
    )


def _row(one):
    numbers = list(one.values.values())
    best, latest = min(numbers), numbers[-1]
    texts = (_text(value, one.unit) for value in (numbers[0], best, latest))
    return one.parameters or one.benchmark, str(len(numbers)), *texts, f"{latest / best:.3f}" if best else ""


def _text(value, unit):
    from asv.util import human_value

    return human_value(value, unit) if unit in ("seconds", "bytes") else f"{value:.5g}"
