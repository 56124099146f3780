"""Results and comparisons on the terminal, in tables that fit it."""

import re

from fastgrad.report import consequences, findings
from fastgrad.report.palette import terminal_style
from fastgrad.report.survey import Comparison, Report
from fastgrad.report.tables import Table, number, rich_table, without_empty_columns
from fastgrad.sweeps.networks import deepest

TERMINAL_WIDTH = 100
TERMINAL_ROWS = 24  # with more networks than this the terminal shows the deepest of each kind
TERMINAL_DEPTHS = 8  # columns of a heat map in the terminal; more are shown below one another
TERMINAL_EVIDENCE = 6  # with more than this it leaves the evidence to the page


def print_report(report: Report, console, only: str | None = None) -> None:
    """The report on a ``rich.console.Console``: findings, machine, heat map, cells, evidence, speed.

    With ``only``, machine and the section of this title; ValueError if there is none.
    """
    from rich.text import Text

    titles = []

    def section(title, table):
        titles.append(title)
        if only in (None, title):
            console.print(Text(f"\n{title}", style="bold"))
            console.print(fitting(table, console) if hasattr(table, "columns") else table)

    shown = report.results if len(report.results) <= TERMINAL_ROWS else deepest(report.results)
    if only is None:
        console.print(Text(findings.opening(report.results), style="bold"))
        console.print(Text(findings.summary(report.results)))
    console.print(Text(findings.setting(report.results)))
    depths, _ = findings.by_depth(report.results)
    for start in range(0, len(depths), TERMINAL_DEPTHS):
        heatmap = _rich_heatmap(report.results, depths[start : start + TERMINAL_DEPTHS], console.color_system)
        section("Decades of delta lost from the last hidden layer to the first", heatmap)
    section("Decades of delta lost per layer", _rich_cells(shown))
    if findings.beyond(shown):
        console.print(Text(findings.BEYOND, style="dim"))
    if len(report.results) <= TERMINAL_EVIDENCE:
        section("Verdicts", Text("\n".join(map(_evidence, report.results))))
    if report.remedies:
        kept = [findings.REMEDY_COLUMNS.index(name) for name in findings.TERMINAL_REMEDY_COLUMNS]
        groups = findings.remedy_rows(report.remedies)
        groups = {phi: [[row[index] for index in kept] for row in rows] for phi, rows in groups.items()}
        title = "Remedies of the deepest networks that are not healthy, and the decades of delta then lost"
        section(title, rich_table(findings.TERMINAL_REMEDY_COLUMNS.values(), _terse(groups)))
    if report.consequences is not None:
        for title, table in consequences.terminal_tables(report.consequences).items():
            section(title, table)
        if only is None:
            console.print(Text(f"\n{consequences.correlation(report.consequences)}", style="bold"))
    if report.speed:
        rows = [findings.speed_row(row) for row in report.speed]
        section("Speed of the activations' values, one thread", rich_table(findings.SPEED_COLUMNS, {"": rows}))
    console.print(Text(f"\n{findings.facts(report.machine)}", style="dim"))
    if only not in (None, *titles):
        raise ValueError(f"--table: there is no {only!r}; there is {', '.join(map(repr, titles))}")


def print_comparison(found: Comparison, console) -> None:
    """The comparison on a ``rich.console.Console``."""
    from rich.text import Text

    for index, table in enumerate(found.tables):
        console.print(Text(f"\n{table.title}" if index else table.title, style="bold"))
        console.print(fitting(rich_table(table.columns, table.groups), console))
    if found.verdicts:
        console.print(Text("\n".join(["", *found.verdicts]), style="bold"))
    console.print(Text(f"\n{found.note}\n{findings.facts(found.machine)}", style="dim"))


def fitting(table, console):
    """The table; where it is wider than the console, with stacked heads and numbers that are not broken.

    rich would take as much from a column of numbers as from one of text, and cut words.
    """
    if table.__rich_measure__(console, console.options).maximum + len(table.columns) > console.width:
        table.padding = 0
        for column in table.columns:
            column.header = str(column.header).replace(" ", "\n")
            column.no_wrap = column.no_wrap or column.justify == "right"
    return table


def _evidence(result):
    name = f"{findings.plain_label(result.cell.activation)} + {result.cell.init_label}"
    return f"{name}, depth {result.cell.depth}: {result.verdict}; {result.evidence}"


def _rich_heatmap(results, depths, color_system):
    _, groups = findings.by_depth(results)
    body = {
        phi: [[init, *(_rich_heat(found.get(depth), color_system) for depth in depths)] for init, found in rows.items()]
        for phi, rows in groups.items()
    }
    heads = [f"depth {depth}" if index == 0 else str(depth) for index, depth in enumerate(depths)]
    return rich_table(["network", *heads], _terse(body))


def _rich_heat(result, color_system):
    from rich.text import Text

    if result is None:
        return ""
    return Text(f" {number(result.decades_lost, 1):>5} ", style=terminal_style(result.decades_lost, color_system))


def _rich_cells(results):
    groups = _terse(findings.rows(results, findings.terminal_row))
    table = without_empty_columns(Table("", findings.TERMINAL_COLUMNS, groups))
    return rich_table(table.columns, table.groups)


def _terse(groups):
    """Rows whose names go without those of their parameters, ``he_normal(0.01)``: the terminal is narrow."""
    return {
        re.sub(r"\w+=", "", phi): [[re.sub(r"\w+=", "", c) if isinstance(c, str) else c for c in row] for row in rows]
        for phi, rows in groups.items()
    }
