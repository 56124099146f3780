"""Results -> a web page, JSON and CSV; a comparison -> Markdown. No arithmetic: numbers come here computed."""

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import fastgrad
from fastgrad._validation import strict_json
from fastgrad.diagnosis import Diagnosis
from fastgrad.report import findings
from fastgrad.report.html import fill, html_heatmap
from fastgrad.report.tables import Table, html_table, markdown, number
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.networks import deepest

CSV_CELL = ("depth", "width", "batch", "data", "dtype", "backend")
CSV_RESULT = (
    "decades_per_layer", "decades_per_layer_low", "decades_per_layer_high", "predicted_decades_per_layer",
    "predicted_decades_per_layer_low", "predicted_decades_per_layer_high", "in_band",
    "decades_lost", "half_life", "float32_zero_layer", "float64_zero_layer", "verdict", "verdict_seeds",
    "evidence", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What there is to show: results, facts of the machine, rows of ``quick_speed()``, and the command.

    ``remedies`` is what ``sweeps.remedies.diagnoses`` found.
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
            "headline": findings.headline(self.results),
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
    results = report.results
    cells, evidence = (findings.rows(results, row) for row in (findings.cell_row, findings.evidence_row))
    return fill(
        "run.html",
        title=escape(f"fastgrad: {findings.headline(results)}"),
        headline=escape(findings.headline(results)),
        setting=escape(findings.setting(results)),
        command=escape(report.command),
        machine="".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in report.machine.items()),
        heatmap=html_heatmap(results),
        panels=_html_panels(results),
        cells=html_table(findings.CELL_COLUMNS, cells, "Decades of delta, mean over seeds"),
        evidence=html_table(findings.EVIDENCE_COLUMNS, evidence, "The commonest verdict over seeds"),
        remedies=_html_remedies(report.remedies),
        band=escape(findings.band_note(results)),
        speed=_html_speed(report.speed),
        version=escape(fastgrad.__version__),
    )


@dataclass(frozen=True)
class Comparison:
    """What the audit or a speed comparison has to show: tables, verdicts, a note, and where it is from."""

    tables: Sequence[Table]
    verdicts: Sequence[str]
    note: str
    machine: dict[str, str]
    command: str


def comparison_markdown(found: Comparison) -> str:
    """The comparison in Markdown, for a README: the command that made it, the tables, verdicts, note and machine."""
    parts = [f"```\n{found.command}\n```"]
    for table in found.tables:
        parts += [f"**{table.title}**", markdown(table)]
    parts += [*filter(None, ["  \n".join(found.verdicts)]), found.note]
    return "\n\n".join([*parts, f"Measured on {findings.facts(found.machine)}."]) + "\n"


def folded_markdown(found: Comparison) -> str:
    """The comparison for a comment: the verdicts, and the rest behind a click."""
    head, *reasons = found.verdicts
    lines = [f"**{head}**", "\n".join(f"- {reason}" for reason in reasons)]
    rest = comparison_markdown(replace(found, verdicts=()))
    return "\n\n".join([*filter(None, lines), f"<details><summary>All rows</summary>\n\n{rest}\n</details>"]) + "\n"


def _html_panels(results):
    from fastgrad.report import plots

    limits = plots.delta_limits(results)
    pictures = []
    for members in findings.by_activation(deepest(results)).values():
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
        f"{result.cell.init_label} reaches 10^{number(result.log10_delta_ratio[0], 1)} at the first of "
        f"{result.cell.depth} hidden layers (theory 10^{number(result.predicted_ratio[0], 1)})"
        for result in members
    )
    return f"{members[0].cell.activation.label}: RMS of delta relative to the output layer. {ends}."


def _html_speed(rows):
    if not rows:
        return ""
    groups = {"": [findings.speed_row(row) for row in rows]}
    table = html_table(findings.SPEED_COLUMNS, groups, "Time per element in nanoseconds")
    return (
        '<section aria-labelledby="speed"><h2 id="speed">Speed</h2>'
        '<p class="note">The activations\' values on one thread of this machine, beside a peer. '
        "Below 1 time faster is slower.</p>"
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="speed">{table}</div></section>'
    )


def _html_remedies(remedies):
    if not remedies:
        return ""
    groups = findings.remedy_rows(remedies)
    caption = "Decades of delta before and after; theory beside what was measured"
    table = html_table(findings.REMEDY_COLUMNS, groups, caption)
    return (
        '<section aria-labelledby="remedies"><h2 id="remedies">Remedies</h2><p class="note">The deepest network of '
        "each pair that is not healthy, with its activation, its initialisation or its depth changed, one at a time, "
        "and measured again. Whatever cures it alone was a cause.</p>"
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="remedies">{table}</div></section>'
    )
