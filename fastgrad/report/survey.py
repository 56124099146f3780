"""Results -> terminal, a web page, JSON and CSV. No arithmetic: numbers come here computed."""

import base64
import csv
import io
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib import resources
from pathlib import Path

import fastgrad
from fastgrad._validation import strict_json
from fastgrad.diagnosis import Diagnosis
from fastgrad.report.palette import BINS, decade_bin
from fastgrad.report.tables import Table, count, interval, markdown, number, plus_minus, significant
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.study import deepest, headline
from fastgrad.theory import FIRST_ORDER

TEXT_COLUMNS = (
    "network",
    "kernel",
    "type",
    "peer",
    "seeds",
    "activation",
    "contestant",
    "other faults",
    "remedy",
    "in band",
    "other cures",
    "detector",
    "finding",
    "case",
    "speed",
    "count",
)
TERMINAL_WIDTH = 100
TERMINAL_ROWS = 24  # with more networks than this the terminal shows the deepest of each kind
TERMINAL_DEPTHS = 8  # columns of a heat map in the terminal; more are shown below one another
TERMINAL_EVIDENCE = 6  # with more than this it leaves the evidence to the page
CSV_CELL = ("depth", "width", "batch", "data", "dtype", "backend")
CSV_RESULT = (
    "decades_per_layer", "decades_per_layer_low", "decades_per_layer_high", "predicted_decades_per_layer",
    "predicted_decades_per_layer_low", "predicted_decades_per_layer_high", "in_band",
    "decades_lost", "half_life", "float32_zero_layer", "float64_zero_layer", "verdict", "verdict_seeds",
    "evidence", "seconds",
)  # fmt: skip
SPEED_COLUMNS = ("kernel", "size", "type", "ns per element", "peer", "peer's ns", "times faster")


@dataclass(frozen=True)
class Report:
    """What there is to show.

    Results, facts of the machine, rows of ``quick_speed()``, the command, and what ``study.remedies`` found.
    """

    results: Sequence[CellResult]
    machine: dict[str, str]
    speed: Sequence[dict]
    command: str
    remedies: Sequence[tuple[CellResult, Diagnosis]] = ()

    def to_dict(self) -> dict:
        """Everything as JSON can hold it; see ``CellResult.to_dict`` for numbers that are not finite."""
        return {
            "fastgrad": fastgrad.__version__,
            "command": self.command,
            "machine": self.machine,
            "headline": headline(self.results),
            "cells": [result.to_dict() for result in self.results],
            "remedies": [
                {"network": result.cell.label, "depth": result.cell.depth} | diagnosis.to_dict()
                for result, diagnosis in self.remedies
            ],
            "speed": list(self.speed),
        }


def to_json(report: Report) -> str:
    """The report as strict JSON, ending in a newline."""
    return strict_json(report.to_dict())


def to_csv(results: Sequence[CellResult]) -> str:
    """One row per cell, with a header; an empty field is "none"."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("activation", "init", *CSV_CELL, "seeds", *CSV_RESULT))
    for result in results:
        cell = result.cell
        names = (
            cell.activation.label,
            cell.init_label,
            *(getattr(cell, name) for name in CSV_CELL),
            len(cell.seeds),
        )
        writer.writerow((*names, *(getattr(result, name) for name in CSV_RESULT)))
    return text.getvalue()


def write_folder(report: Report, out: str | Path) -> Path:
    """Write page, pictures, JSON and CSV into the folder ``out``, which is there; return the page's path."""
    from fastgrad.report import plots

    out = Path(out)
    (out / "results.json").write_text(to_json(report), encoding="utf-8")
    (out / "cells.csv").write_text(to_csv(report.results), encoding="utf-8")
    for name, figure in {
        "delta": plots.delta_figure(report.results),
        "heatmap": plots.heatmap_figure(report.results),
    }.items():
        (out / f"{name}.png").write_bytes(plots.picture(figure, "png"))
        (out / f"{name}.svg").write_bytes(plots.picture(figure, "svg"))
    page = out / "index.html"
    page.write_text(to_html(report), encoding="utf-8")
    return page


def to_html(report: Report) -> str:
    """The report as one page that needs nothing but itself: no script, no network."""
    return fill(
        "run.html",
        title=escape(f"fastgrad: {headline(report.results)}"),
        headline=escape(headline(report.results)),
        setting=escape(_setting(report.results)),
        command=escape(report.command),
        machine="".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in report.machine.items()),
        heatmap=html_heatmap(report.results),
        panels=_html_panels(report.results),
        cells=html_table(CELL_COLUMNS, _rows(report.results, _cell_row), "Decades of delta, mean over seeds"),
        evidence=html_table(EVIDENCE_COLUMNS, _rows(report.results, _evidence_row), "The commonest verdict over seeds"),
        remedies=_html_remedies(report.remedies),
        band=escape(band_note(report.results)),
        speed=_html_speed(report.speed),
        version=escape(fastgrad.__version__),
    )


def bundled(name: str) -> str:
    """The text of a file in ``fastgrad/report/web``."""
    return resources.files("fastgrad.report").joinpath("web", name).read_text(encoding="utf-8")


def fill(name: str, **parts: str) -> str:
    """A page of ``fastgrad/report/web`` with its style, the key of colours, and these parts, which are HTML."""
    return string.Template(bundled(name)).substitute(
        style=bundled("page.css"),
        bin_styles="\n".join(f".bin{i} {{ background: {b}; color: {f}; }}" for i, (_, _, b, f) in enumerate(BINS)),
        key="".join(f'<li><span class="bin{i}"></span>{escape(name)}</li>' for i, (_, name, *_) in enumerate(BINS)),
        **parts,
    )


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
            console.print(table)

    shown = report.results if len(report.results) <= TERMINAL_ROWS else deepest(report.results)
    if only is None:
        console.print(Text(headline(report.results), style="bold"))
    console.print(Text(_setting(report.results)))
    console.print(Text(_facts(report.machine), style="dim"))
    depths, _ = _grid(report.results)
    for start in range(0, len(depths), TERMINAL_DEPTHS):
        heatmap = _rich_heatmap(report.results, depths[start : start + TERMINAL_DEPTHS])
        section("Decades of delta lost from the last hidden layer to the first", heatmap)
    section("Decades of delta lost per layer", _rich_cells(shown))
    if beyond(shown):
        console.print(Text(BEYOND, style="dim"))
    if len(report.results) <= TERMINAL_EVIDENCE:
        lines = [f"{r.cell.label}, depth {r.cell.depth}: {r.verdict}; {r.evidence}" for r in report.results]
        section("Verdicts", Text("\n".join(lines)))
    if report.remedies:
        kept = [REMEDY_COLUMNS.index(name) for name in TERMINAL_REMEDY_COLUMNS]
        groups = {
            phi: [[row[index] for index in kept] for row in rows] for phi, rows in _remedy_rows(report.remedies).items()
        }
        title = "Remedies of the deepest networks that are not healthy, and the decades of delta then lost"
        section(title, _rich_table(TERMINAL_REMEDY_COLUMNS.values(), _terse(groups)))
    if report.speed:
        rows = [_speed_row(row) for row in report.speed]
        section("Speed of the activations' values, one thread", _rich_table(SPEED_COLUMNS, {"": rows}))
    if only not in (None, *titles):
        raise ValueError(f"--table: there is no {only!r}; there is {', '.join(map(repr, titles))}")


@dataclass(frozen=True)
class Comparison:
    """What the audit or a speed comparison has to show: tables, verdicts, a note, and where it is from."""

    tables: Sequence[Table]
    verdicts: Sequence[str]
    note: str
    machine: dict[str, str]
    command: str


def print_comparison(found: Comparison, console) -> None:
    """The comparison on a ``rich.console.Console``."""
    from rich.text import Text

    console.print(Text(_facts(found.machine), style="dim"))
    for table in found.tables:
        console.print(Text(f"\n{table.title}", style="bold"))
        console.print(_rich_table(table.columns, table.groups))
    console.print(Text("\n".join(["", *found.verdicts]), style="bold"))
    console.print(Text(found.note, style="dim"))


def comparison_markdown(found: Comparison) -> str:
    """The comparison in Markdown, for a README: the command that made it, the tables, verdicts, note and machine."""
    parts = [f"```\n{found.command}\n```"]
    for table in found.tables:
        parts += [f"**{table.title}**", markdown(table)]
    return (
        "\n\n".join(
            [*parts, *filter(None, ["  \n".join(found.verdicts)]), found.note, f"Measured on {_facts(found.machine)}."]
        )
        + "\n"
    )


def folded_markdown(found: Comparison) -> str:
    """The comparison for a comment: the verdicts, and the rest behind a click."""
    head, *reasons = found.verdicts
    lines = [f"**{head}**", "\n".join(f"- {reason}" for reason in reasons)]
    rest = comparison_markdown(replace(found, verdicts=()))
    return "\n\n".join([*filter(None, lines), f"<details><summary>All rows</summary>\n\n{rest}\n</details>"]) + "\n"


def _facts(machine):
    return ", ".join(f"{name} {value}" for name, value in machine.items())


# Plain text of one row, shared by terminal and page.


CELL_COLUMNS = (
    "network", "depth", "decades per layer", "95 % interval", "theory", "in band", "decades lost", "half-life, layers",
    "float32 zero at layer", "verdict",
)  # fmt: skip

# With these an ordinary survey fits 80 columns; the interval is symmetric, so that half of it says it all.
TERMINAL_COLUMNS = ("network", "depth", "per layer ± 95 %", "theory", "in band", "f32 0 at", "verdict")


# What "in band" means, and what it cannot say; the limit is theory.FIRST_ORDER.
IN_BAND = (
    "In band: whether decades per layer, a mean over seeds, lies in theory's 95 % band of such a mean; one in twenty "
    "at most lies outside by chance."
)
BEYOND = (
    f"In band, beyond: depth/width is above {FIRST_ORDER:g}, and theory's band is of first order in depth/width. There "
    "the measurement stands alone."
)


def beyond(results) -> bool:
    """Whether one of the results is too deep for its width for theory's band."""
    return any(result.in_band == "beyond" for result in results)


def band_note(results) -> str:
    """What the page says below a table that shows the band."""
    return f"{IN_BAND} {BEYOND}" if beyond(results) else IN_BAND


def _cell_row(result):
    return (
        result.cell.init_label,
        str(result.cell.depth),
        number(result.decades_per_layer),
        interval(result.decades_per_layer_low, result.decades_per_layer_high),
        number(result.predicted_decades_per_layer),
        result.in_band,
        number(result.decades_lost, 1),
        number(result.half_life, 1),
        number(result.float32_zero_layer, 0),
        result.verdict,
    )


def _terminal_row(result):
    return (
        result.cell.init_label,
        str(result.cell.depth),
        plus_minus(result.decades_per_layer, result.decades_per_layer_reach),
        number(result.predicted_decades_per_layer),
        result.in_band,
        number(result.float32_zero_layer, 0),
        result.verdict,
    )


EVIDENCE_COLUMNS = ("network", "depth", "verdict", "seeds", "evidence")


def _evidence_row(result):
    share = f"{result.verdict_seeds} of {len(result.cell.seeds)}"
    return result.cell.init_label, str(result.cell.depth), result.verdict, share, result.evidence


REMEDY_COLUMNS = ("network", "depth", "lost", "remedy", "then lost", "by theory", "in band", "other cures")
TERMINAL_REMEDY_COLUMNS = {  # what they lose stands in the heat map above, other cures on the page
    "network": "network", "depth": "depth", "remedy": "remedy", "then lost": "lost", "by theory": "theory",
    "in band": "in band",
}  # fmt: skip


def _remedy_rows(remedies):
    groups = {}
    for result, diagnosis in remedies:
        groups.setdefault(result.cell.activation.label, []).append(_remedy_row(result, diagnosis))
    return groups


def _remedy_row(result, diagnosis):
    best = diagnosis.remedy
    cures = [found.change for found in diagnosis.causes if found.cures and found != best]
    effect = (number(best.decades_lost_after, 1), number(best.predicted_after, 1), best.in_band) if best else [""] * 3
    return (
        result.cell.init_label,
        str(result.cell.depth),
        number(result.decades_lost, 1),
        best.change if best else "none",
        *effect,
        "; ".join(cures),
    )


def _speed_row(row):
    return (
        row["kernel"],
        count(row["size"]),
        row["dtype"],
        significant(row["ns_per_element"]),
        row["peer"],
        significant(row["peer_ns_per_element"]),
        number(row["ratio"], 2),
    )


def _setting(results):
    """The fields that all cells share, in a sentence."""
    parts = []
    for name, words in {"width": "width {}", "batch": "batch {}", "data": "data: {}", "dtype": "{}"}.items():
        values = sorted({getattr(result.cell, name) for result in results})
        parts.append(words.format(", ".join(map(str, values))))
    seeds = sorted({len(result.cell.seeds) for result in results})
    return f"Networks at initialisation, {', '.join(parts)}, {', '.join(map(str, seeds))} seeds each."


def by_activation(results):
    """The results of each activation, by its label."""
    groups = {}
    for result in results:
        groups.setdefault(result.cell.activation.label, []).append(result)
    return groups


def _grid(results, name=lambda result: result.cell.init_label):
    """The depths, and {activation: {name: {depth: result}}}."""
    groups = {}
    for phi, members in by_activation(results).items():
        for result in members:
            groups.setdefault(phi, {}).setdefault(name(result), {})[result.cell.depth] = result
    return sorted({result.cell.depth for result in results}), groups


def _rows(results, row):
    return {phi: [row(result) for result in members] for phi, members in by_activation(results).items()}


# The page.


def html_table(columns, groups, caption):
    """A table of ``{group: [row, ...]}``, each group under a line with its name, if it has one.

    Groups and rows carry their names, for a page that filters.
    """
    head = "".join(f'<th scope="col"{_css(name)}>{escape(name)}</th>' for name in columns)
    bodies = []
    for group, rows in groups.items():
        title = f'<tr><th scope="rowgroup" colspan="{len(columns)}">{escape(group)}</th></tr>' if group else ""
        rows = "".join(_html_row(columns, row) for row in rows)
        bodies.append(f'<tbody data-group="{escape(group)}">{title}{rows}</tbody>')
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>{''.join(bodies)}</table>"


def _html_row(columns, row):
    first, *rest = row
    cells = "".join(f"<td{_css(name)}>{escape(text)}</td>" for name, text in zip(columns[1:], rest, strict=True))
    return f'<tr data-name="{escape(first)}"><th scope="row">{escape(first)}</th>{cells}</tr>'


def _css(column):
    kinds = {"verdict": "verdict", "evidence": "prose", "other cures": "prose"} | dict.fromkeys(TEXT_COLUMNS, "")
    name = kinds.get(column, "number")
    return f' class="{name}"' if name else ""


def html_heatmap(results, name=lambda result: result.cell.init_label):
    """Decades lost as a table of colours: a row for each name in each activation, a column for each depth."""
    depths, groups = _grid(results, name)
    head = "".join(f'<th scope="col" class="number">{depth}</th>' for depth in depths)
    bodies = []
    for phi, rows in groups.items():
        body = f'<tr><th scope="rowgroup" colspan="{len(depths) + 1}">{escape(phi)}</th></tr>'
        for init, found in rows.items():
            cells = "".join(_html_heat(found.get(depth)) for depth in depths)
            body += f'<tr data-name="{escape(init)}"><th scope="row">{escape(init)}</th>{cells}</tr>'
        bodies.append(f'<tbody data-group="{escape(phi)}">{body}</tbody>')
    return (
        '<table class="heat"><caption>Decades of delta lost, by number of hidden layers</caption>'
        f'<thead><tr><th scope="col">network</th>{head}</tr></thead>{"".join(bodies)}</table>'
    )


def _html_heat(result):
    if result is None:
        return "<td></td>"
    return f'<td class="bin{decade_bin(result.decades_lost)}">{number(result.decades_lost, 1)}</td>'


def _html_panels(results):
    from fastgrad.report import plots

    limits = plots.delta_limits(results)
    pictures = []
    for members in by_activation(deepest(results)).values():
        light, dark = (_data_uri(members, theme, limits) for theme in (plots.LIGHT, plots.DARK))
        source = f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        pictures.append(f'<picture>{source}<img src="{light}" alt="{escape(_alternative(members))}"></picture>')
    return "".join(pictures)


def _data_uri(members, theme, limits):
    from fastgrad.report import plots

    svg = plots.picture(plots.delta_figure(members, theme, limits, key=False), "svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _alternative(members):
    ends = "; ".join(
        f"{result.cell.init_label} reaches 10^{result.log10_delta_ratio[0]:z.1f} at the first of "
        f"{result.cell.depth} hidden layers (theory 10^{result.predicted_ratio[0]:z.1f})"
        for result in members
    )
    return f"{members[0].cell.activation.label}: RMS of delta relative to the output layer. {ends}."


def _html_speed(rows):
    if not rows:
        return ""
    table = html_table(SPEED_COLUMNS, {"": [_speed_row(row) for row in rows]}, "Time per element in nanoseconds")
    return (
        '<section aria-labelledby="speed"><h2 id="speed">Speed</h2>'
        '<p class="note">The activations\' values on one thread of this machine, beside a peer. '
        "Below 1 time faster is slower.</p>"
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="speed">{table}</div></section>'
    )


def _html_remedies(remedies):
    if not remedies:
        return ""
    groups = _remedy_rows(remedies)
    table = html_table(REMEDY_COLUMNS, groups, "Decades of delta before and after; theory beside what was measured")
    return (
        '<section aria-labelledby="remedies"><h2 id="remedies">Remedies</h2><p class="note">The deepest network of '
        "each pair that is not healthy, with its activation, its initialisation or its depth changed, one at a time, "
        "and measured again. Whatever cures it alone was a cause.</p>"
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="remedies">{table}</div></section>'
    )


# The terminal.


def _rich_table(columns, groups):
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for name in columns:
        text = name in (*TEXT_COLUMNS, "verdict", "because")
        table.add_column(name, justify="left" if text else "right", no_wrap=name in ("network", "contestant"))
    for group, rows in groups.items():
        if group:
            table.add_row(Text(group))
        for first, *rest in rows:
            cells = [f"  {first}" if group else first, *rest]
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
    return table


def _rich_heatmap(results, depths):
    _, groups = _grid(results)
    body = {
        phi: [[init, *(_rich_heat(found.get(depth)) for depth in depths)] for init, found in rows.items()]
        for phi, rows in groups.items()
    }
    heads = [f"depth {depth}" if index == 0 else str(depth) for index, depth in enumerate(depths)]
    return _rich_table(["network", *heads], _terse(body))


def _rich_heat(result):
    from rich.text import Text

    if result is None:
        return ""
    _, _, back, ink = BINS[decade_bin(result.decades_lost)]
    return Text(f" {number(result.decades_lost, 1):>5} ", style=f"{ink} on {back}")


def _rich_cells(results):
    return _rich_table(TERMINAL_COLUMNS, _terse(_rows(results, _terminal_row)))


def _terse(groups):
    """Activations without the names of their parameters, ``leaky_relu(0.01)``: the terminal is narrow."""
    return {re.sub(r"\w+=", "", phi): rows for phi, rows in groups.items()}
