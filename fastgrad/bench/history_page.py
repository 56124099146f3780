"""A history -> a folder with one page that needs no network, and every number as CSV."""

# Design: - A chart is one benchmark in one environment, with a line for each of its parameters: an axis is never shared
#           by two machines. It is logarithmic where its numbers differ by more than ``DECADE``. What never moved has
#           no chart, and the numbers are folded away: most of a suite is as it was.

import csv
import datetime
import os
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from fastgrad._validation import strict_json
from fastgrad.bench.history import DECADES, History, Series, read, settings
from fastgrad.report.html import Page, charts, contents, folded, paragraph, scroll, section
from fastgrad.report.tables import html_table

DECADE = 10.0  # largest over smallest number of a chart
MOST = 8  # lines of a chart
REGRESSIONS = ("benchmark", "change", "commit", "before", "after", "where")
COLUMNS = ("parameters", "commits", "first", "best", "latest", "latest over best")


def publish(config: str | os.PathLike = "asv.conf.json", out: str | os.PathLike | None = None) -> dict[str, Any]:
    """Write the page, history.json and history.csv.

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
    (out / "history.json").write_text(strict_json(to_dict(found)), encoding="utf-8")
    (out / "index.html").write_text(to_html(found), encoding="utf-8")
    return {
        "page": str(out / "index.html"),
        "benchmarks": len({series.benchmark for series in found.series}),
        "regressions": [asdict(step) | {"environment": one.environment} for step, one in found.regressions],
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


def to_dict(found: History) -> dict[str, Any]:
    """What the page shows, as JSON can hold it: commits, and every series with its values and regressions."""
    return {
        "project": found.project,
        "commits": [{"hash": commit.hash, "date": _day(commit.date)} for commit in found.commits],
        "series": [
            {
                "benchmark": one.benchmark,
                "parameters": one.parameters,
                "environment": one.environment,
                "unit": one.unit,
                "values": {found.commits[at].hash: value for at, value in one.values.items()},
                "regressions": [asdict(step) for step in one.regressions],
            }
            for one in found.series
        ],
    }


def to_html(found: History) -> str:
    """The page."""
    page, modules = Page(), _modules(found)
    titles = {"regressions": "Regressions"} | {f"module{at}": name for at, name in enumerate(modules)}
    regressions = section(
        "regressions",
        titles["regressions"],
        _regression_table(found),
        note="Steps that are larger than the thresholds in asv.conf.json and have not been made good since; in the "
        "charts, rings. Decades are judged by their difference, and in both directions.",
    )
    sections = [
        _module(page, found, f"module{at}", name, benchmarks) for at, (name, benchmarks) in enumerate(modules.items())
    ]
    commits = [{"hash": commit.hash[:8], "date": _day(commit.date)} for commit in found.commits]
    name = f"{found.project}: what was measured over the history"
    lead = paragraph(f"{_lead(found)} Lower is better, but for decades.", "lead") + contents(titles)
    return page.write(
        name, _headline(found), lead, [regressions, *sections], ("history.json", "history.csv"), commits=commits
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


def _modules(found) -> dict[str, dict[str, list[Series]]]:
    """{module: {benchmark: its series}}, in order."""
    modules: dict[str, dict[str, list[Series]]] = {}
    for one in sorted(found.series, key=lambda one: (one.benchmark, one.environment)):
        module, _, benchmark = one.benchmark.partition(".")
        modules.setdefault(module, {}).setdefault(benchmark or module, []).append(one)
    return modules


def _module(page, found, identifier, name, benchmarks):
    """A section: the charts of what moved side by side, and every number below them."""
    figures, still, tables = [], [], []
    for benchmark, series in benchmarks.items():
        places = {where: list(lines) for where, lines in groupby(series, lambda one: one.environment)}
        moved = [lines for lines in places.values() if any(len(set(one.values.values())) > 1 for one in lines)]
        figures += [_figure(page, found, benchmark, lines) for lines in moved]
        if not moved:
            still.append(benchmark)
        found_here = (scroll(_numbers(lines), identifier) for lines in places.values())
        tables.append(folded(f"{benchmark}: {_counted(len(series), 'line')} in numbers", *found_here))
    unmoved = f"No number of these has moved: {', '.join(still)}." if still else ""
    command = f"asv run --bench '^{name}' NEW && fastgrad publish"
    side_by_side = charts(*figures) if figures else ""
    return section(identifier, name, side_by_side, paragraph(unmoved), *tables, commands=[command])


def _figure(page, found, benchmark, lines):
    """The chart of a benchmark in one environment."""
    title = " on ".join(filter(None, (benchmark, lines[0].environment)))
    shown = _shown(lines)
    caption = f"{len(shown)} of {len(lines)} lines; all are in the table" if len(lines) > MOST else ""
    alternative = (
        f"{lines[0].unit}: {_counted(len(lines), 'line')} over {_counted(len(found.commits), 'commit')}, "
        f"{_counted(sum(len(one.regressions) for one in lines), 'regression')}. The table below has the numbers"
    )
    return page.figure("measured", title, alternative, caption, **_chart(found, shown))


def _shown(lines):
    """``MOST`` lines at the most: those with a regression, and others evenly chosen."""
    worse = [one for one in lines if one.regressions][:MOST]
    others = [one for one in lines if not one.regressions]
    count = min(MOST - len(worse), len(others))
    return worse + [others[at * len(others) // count] for at in range(count)]


def _chart(found, lines):
    """What page.js draws: a line for each series, and where the regressions are."""
    numbers = [value for one in lines for value in one.values.values()]
    place = {commit.hash: at for at, commit in enumerate(found.commits)}
    return {
        "unit": lines[0].unit,
        "log": min(numbers) > 0 and max(numbers) > DECADE * min(numbers),
        "lines": [{"name": one.parameters or one.benchmark, "values": list(one.values.items())} for one in lines],
        "regressions": [
            [place[step.commit], one.values[place[step.commit]], step.change]
            for one in lines
            for step in one.regressions
        ],
    }


# Tables.


def _regression_table(found):
    if not found.regressions:
        return paragraph("No number is worse than it was, beyond its threshold in asv.conf.json.")
    rows = [
        (
            step.benchmark, step.change, f"{step.since[:8]}..{step.commit[:8]}" if step.since else step.commit[:8],
            _text(step.before, one.unit), _text(step.after, one.unit), one.environment,
        )
        for step, one in found.regressions
    ]  # fmt: skip
    table = html_table(REGRESSIONS, {"": rows}, "The largest first; a range where commits between were not measured")
    return scroll(table, "regressions")


def _numbers(lines):
    """The table of a benchmark in one environment."""
    where = f", {lines[0].environment}" if lines[0].environment else ""
    return html_table(COLUMNS, {"": [_row(one) for one in lines]}, f"{lines[0].benchmark}, {lines[0].unit}{where}")


def _row(one):
    numbers = list(one.values.values())
    best, latest = min(numbers), numbers[-1]
    first, least, last = (_text(value, one.unit) for value in (numbers[0], best, latest))
    if one.unit in DECADES:  # none is best
        least = over = ""
    else:
        over = f"{latest / best:.3f}" if best else ""
    return one.parameters or one.benchmark, str(len(numbers)), first, least, last, over


def _text(value, unit):
    from asv.util import human_value

    return human_value(value, unit) if unit in ("seconds", "bytes") else f"{value:.5g}"
