"""A survey -> a page, JSON and CSV; a comparison -> Markdown. No arithmetic: numbers come here computed."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import fastgrad
from fastgrad._validation import strict_json
from fastgrad.diagnosis import Diagnosis
from fastgrad.report import charts, findings
from fastgrad.report import consequences_page as learned
from fastgrad.report.consequences import correlation, headline
from fastgrad.report.html import (
    Page,
    choices,
    contents,
    definitions,
    folded,
    html_heatmap,
    key,
    made_section,
    paragraph,
    scroll,
    section,
)
from fastgrad.report.html import charts as side_by_side
from fastgrad.report.tables import Table, html_table, markdown, number
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.consequences import Consequences
from fastgrad.sweeps.networks import deepest
from fastgrad.sweeps.phases import Diagram

CSV_CELL = ("depth", "width", "batch", "data", "dtype", "backend")
CSV_RESULT = (
    "decades_per_layer", "decades_per_layer_low", "decades_per_layer_high", "predicted_decades_per_layer",
    "predicted_decades_per_layer_low", "predicted_decades_per_layer_high", "in_band",
    "decades_lost", "half_life", "float32_zero_layer", "float64_zero_layer", "verdict", "verdict_seeds",
    "evidence", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What there is to show.

    Attributes
    ----------
    results : sequence of CellResult
    machine : dict
        Facts of the machine.
    speed : sequence of dict
        Rows of ``quick_speed()``.
    command : str
    remedies : sequence of (CellResult, Diagnosis)
        What ``sweeps.remedies.diagnoses`` found.
    consequences : Consequences, optional
        What became of such networks in training.
    diagrams : sequence of Diagram
        Phase diagrams.
    """

    results: Sequence[CellResult]
    machine: dict[str, str]
    speed: Sequence[dict]
    command: str
    remedies: Sequence[tuple[CellResult, Diagnosis]] = ()
    consequences: Consequences | None = None
    diagrams: Sequence[Diagram] = ()

    def to_dict(self) -> dict:
        """Everything as JSON can hold it; see ``CellResult.to_dict`` for numbers that are not finite."""
        return {
            "fastgrad": fastgrad.__version__,
            "command": self.command,
            "machine": self.machine,
            "headline": findings.opening(self.results),
            "cells": [result.to_dict() for result in self.results],
            "remedies": [
                {"network": result.cell.label, "depth": result.cell.depth} | diagnosis.to_dict()
                for result, diagnosis in self.remedies
            ],
            "consequences": None if self.consequences is None else self.consequences.to_dict(),
            "phases": [_point(network) for diagram in self.diagrams for network in diagram.networks],
            "speed": list(self.speed),
        }


def _point(network):
    """One network of a phase diagram: where it lies, and what was measured and predicted."""
    cell = network.cell
    names = {"activation": cell.activation.label, "init": cell.init_label, "depth": cell.depth, "width": cell.width}
    found = {"decades_per_layer": network.decades_per_layer, "predicted": network.predicted_decades_per_layer}
    return names | {"weight_variance": cell.weight_variance, "bias_variance": cell.bias_variance} | found


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
    """Write page, JSON and CSV into the folder ``out``, which is there; return the page's path."""
    out, page = Path(out), Path(out, "index.html")
    for name, text in {**_files(report), page.name: lambda: to_html(report)}.items():
        (out / name).write_text(text(), encoding="utf-8")
    return page


def _files(report):
    """What stands beside the page: {name: a function that gives its text}."""
    trained, drawn = report.consequences, [network for diagram in report.diagrams for network in diagram.networks]
    files = {"results.json": lambda: to_json(report), "cells.csv": lambda: to_csv(report.results)}
    if trained is not None:
        files["consequences.csv"] = lambda: learned.to_csv(trained)
    if drawn:
        files["phases.csv"] = lambda: to_csv(drawn)
    return files


def to_html(report: Report) -> str:
    """The report as one page that needs nothing but itself."""
    page, results, trained = Page(), report.results, report.consequences
    command = "" if trained is None else findings.decay_command(results)  # a survey alone is one command, named below
    parts = {"causes": _causes(page, results, command)}
    if trained is not None:
        learning = learned.consequences_command(trained)
        parts["consequences"] = learned.consequences_section(
            page, trained, *(paragraph(told(trained), "finding") for told in (headline, correlation)),
            learned.scatter(page, trained), command=learning,
        )  # fmt: skip
        parts["detection"] = learned.detection_section(page, trained)
        parts["remedies"] = learned.remedies_section(page, trained, learning)
    parts["changes"] = _changes(report.remedies, command)
    parts["phases"] = phase_section(
        page, report.diagrams, "fastgrad sweep phases.toml phases.db && fastgrad report phases.db",
        paragraph("The plan of these networks, `phases.toml`, is beside this page."),
    )  # fmt: skip
    parts["speed"] = _speed(report.speed)
    parts["made"] = made_section(report.command, report.machine)
    titles = {name: SECTIONS[name] for name, part in parts.items() if part}
    lead = definitions("terms", findings.DEFINITIONS) + paragraph(findings.summary(results), "lead") + contents(titles)
    return page.write(
        "fastgrad: how gradients vanish", findings.opening(results), lead, parts.values(), tuple(_files(report)),
        _opening(page, findings.extremes(results)),
    )  # fmt: skip


def _opening(page, ends):
    """What the first sentence says, as a picture."""
    if not ends:
        return ""
    return page.figure(
        "profile",
        "",
        f"Delta by layer: {_told(ends, lambda result: findings.network_name(result.cell))}",
        "Delta in every layer over the output layer's, on a logarithmic axis. Solid: measured. Dashed: theory. "
        "Backpropagation runs from right to left; a straight line that falls is exponential decay.",
        **charts.opening(ends),
    )


SECTIONS = {
    "causes": "Causes", "consequences": "Consequences", "detection": "Detection", "remedies": "Remedies",
    "changes": "One change at a time", "phases": "You are here", "speed": "Speed", "made": "How this was made",
}  # fmt: skip


def _causes(page, results, command):
    groups = findings.by_activation(results).items()
    limits, range_of_depths = charts.profile_limits(results), charts.depth_limits(results)
    depths = sorted({result.cell.depth for result in results})
    over_depth = [
        page.figure("depths", phi, _told(members), **charts.depths(members, range_of_depths))
        for phi, members in groups if len(depths) > 1
    ]  # fmt: skip
    by_layer = [
        page.figure("profile", phi, _told(deepest(members)), **charts.profile(members, limits))
        for phi, members in groups
    ]
    cells, evidence = (findings.rows(results, row) for row in (findings.cell_row, findings.evidence_row))
    return section(
        "causes",
        "Causes: activation, depth and initialisation",
        paragraph(
            "How many decades of delta are lost on the way from the last hidden layer to the first, against the number "
            "of hidden layers. Solid: measured, the mean over seeds. Dashed: theory. The shaded networks are healthy. "
            "A straight line is exponential decay: every layer more costs the same factor."
        )
        + side_by_side(*over_depth)
        if over_depth
        else "",
        paragraph(
            "The same layer by layer, the input on the left: delta over the output layer's, on a logarithmic axis. "
            "Below each chart, what is measured less what theory predicts, with theory's 95 % band of such a mean. "
            "Backpropagation runs from right to left. A delta below float32's least number, the dotted line, is 0 in "
            "plain float32; an arrow says where it and float64's lie below a chart."
        ),
        f'<div class="filters">{choices("depth", "Hidden layers", list(map(str, depths)), single=True)}</div>'
        if over_depth
        else "",
        side_by_side(*by_layer),
        scroll(html_heatmap(results), "causes"),
        key(),
        folded(
            "Every network in numbers: measured, predicted, verdict, evidence",
            scroll(html_table(findings.CELL_COLUMNS, cells, "Decades of delta, mean over seeds"), "causes"),
            paragraph(
                "Decades per layer: the slope of log10 of delta over the hidden layers, positive where it vanishes; "
                "0.301 halves delta in every layer. Half-life: the layers in which it halves. Float32 zero at: the "
                "layer, counted from the input, from which plain backpropagation in float32 returns nothing but 0; "
                "here a power of two is carried beside each layer. " + findings.band_note(results)
            ),
            scroll(html_table(findings.EVIDENCE_COLUMNS, evidence, "The commonest verdict over seeds"), "causes"),
        ),
        note="Backpropagation multiplies delta, layer by layer, by the weights and by the activation's derivative. "
        "Where that product is below one on average, delta decays exponentially with depth: because the activation is "
        "flat (sigmoid's derivative is at most 1/4), because the weights are small, or both. "
        + findings.setting(results),
        commands=(command,),
    )


def _told(members, name=findings.init_label):
    return "; ".join(
        f"{name(result)} loses {number(result.decades_lost, 1)} decades over {result.cell.depth} hidden "
        f"layers, {number(result.predicted_decades_lost, 1)} by theory"
        for result in members
    )


def _changes(remedies, command):
    if not remedies:
        return ""
    caption = "Decades of delta before and after; theory beside what was measured"
    table = html_table(findings.REMEDY_COLUMNS, findings.remedy_rows(remedies), caption)
    return section(
        "changes",
        "What cures it: one change at a time",
        scroll(table, "changes"),
        note="The deepest network of each pair that is not healthy, with its activation, its initialisation or its "
        "depth changed, one at a time, and measured again. Whatever cures it alone was a cause.",
        commands=(command,),
    )


def phase_section(page: Page, diagrams: Sequence[Diagram], command: str = "", *more: str) -> str:
    """Phase diagrams, with where well-known initialisations are; ``more`` is HTML below them."""
    figures = [
        page.figure(
            "phase",
            charts.diagram_title(one),
            f"Phase diagram of {len(one.networks)} networks; {len(one.crossings)} measured points of the critical line",
            **charts.diagram(one),
        )
        for one in diagrams
    ]
    if not figures:
        return ""
    return section(
        "phases",
        "Phase diagrams: you are here",
        side_by_side(*figures, identifier="diagrams"),
        *more,
        note="Decades of delta lost per layer over the variances of weights and biases: red vanishes, blue explodes. "
        "The line is theory's edge of chaos, on which delta stays level. Rings are where the measured slope, past the "
        "first quarter of the layers, passes through 0. Diamonds: well-known initialisations at this width. The "
        "nearer to the line, the deeper a network can be.",
        commands=(command,),
    )


def _speed(rows):
    if not rows:
        return ""
    table = html_table(
        findings.SPEED_COLUMNS, {"": [findings.speed_row(row) for row in rows]}, "Time per element in nanoseconds"
    )
    return section(
        "speed",
        "Speed",
        scroll(table, "speed"),
        note="The activations' values on one thread of this machine, beside a peer. Below 1 time faster is slower.",
        commands=("fastgrad speed activations",),
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
