"""Stores -> a folder with one page that needs no network: tables that stand by themselves, and charts."""

import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import fastgrad
from fastgrad._validation import strict_json
from fastgrad.diagnosis import VERDICTS
from fastgrad.report import charts
from fastgrad.report.contents import ROWS, Contents, contents, namer
from fastgrad.report.findings import (
    CELL_COLUMNS,
    DEFINITIONS,
    EVIDENCE_COLUMNS,
    band_note,
    by_activation,
    evidence_row,
    opening,
    plain_label,
    rows,
    summary,
)
from fastgrad.report.html import (
    Page,
    choices,
    definitions,
    html_heatmap,
    key,
    made_section,
    paragraph,
    scroll,
    section,
)
from fastgrad.report.html import charts as side_by_side
from fastgrad.report.html import contents as links
from fastgrad.report.survey import phase_section
from fastgrad.report.tables import count, html_table, interval, number, percent, significant
from fastgrad.sweeps import frames, phases


def write_folder(stores: Sequence[str | os.PathLike], out: str | os.PathLike, command: str = "") -> Path:
    """Write the page, sweep.json and cells.csv into the folder ``out``, made if need be; return the path of the page.

    Raises
    ------
    OSError
        If a store cannot be read (StoreError) or the folder not be written.
    ValueError
        If the stores hold nothing, or the numbers of different code.
    """
    out = Path(out)
    with frames.opened(stores) as files:
        found = contents(files, command)
        if not found.networks and not found.failures:
            raise ValueError("there is nothing to show: no cell was measured yet")
        out.mkdir(parents=True, exist_ok=True)
        frames.write_csv(files, out / "cells.csv")
    (out / "sweep.json").write_text(strict_json(to_dict(found)), encoding="utf-8")
    page = out / "index.html"
    page.write_text(to_html(found), encoding="utf-8")
    return page


def to_dict(found: Contents) -> dict:
    """What the page shows, as JSON can hold it: the networks that have a row, the critical points, the failures."""
    drawn = {network.cell: network for network in found.deepest}  # with their layers
    return {
        "fastgrad": fastgrad.__version__,
        "command": found.command,
        "headline": _headline(found),
        "cells": found.cells,
        "failed": found.failed,
        "networks": [drawn.get(network.cell, network).to_dict() for network in found.shown],
        "crossings": [
            {"activation": diagram.cell.activation.label, "difference": crossing.difference} | crossing._asdict()
            for diagram in found.diagrams
            for crossing in diagram.crossings
        ],
        "failures": [{"cell": failure.cell.to_dict(), "error": failure.error} for failure in found.failures],
        "environments": list(found.environments),
    }


def to_html(found: Contents) -> str:
    """The page."""
    page, name = Page(), namer(found.networks)
    parts = {
        "filters": _filters(found, name),
        "heat": section(
            "heat",
            TITLES["heat"],
            scroll(html_heatmap(found.shown, name), "heat", "filtered"),
            key(),
            note="How many powers of ten delta loses on its way from the last hidden layer to the first. Negative: it "
            "grows.",
        ),
        "phases": phase_section(
            page, found.diagrams, "", scroll(_crossing_table(found.diagrams), "phases", "filtered")
        ),
        "maps": _maps(page, found.maps),
        "depth": _profiles(page, found.deepest, name),
        "verdicts": section(
            "verdicts", TITLES["verdicts"], scroll(_verdict_table(found.networks), "verdicts", "filtered")
        ),
        "cells": section(
            "cells",
            TITLES["cells"],
            scroll(_half_life_table(found.deepest, name), "cells", "filtered"),
            paragraph(band_note(found.deepest)),
        ),
        "evidence": section(
            "evidence", TITLES["evidence"], scroll(_evidence_table(found.deepest, name), "evidence", "filtered")
        ),
        "failed": _failure_table(found),
        "made": made_section(found.command, _machine(found.environments)),
    }
    titles = {part: TITLES[part] for part, text in parts.items() if text and part in TITLES}
    lead = paragraph(_lead(found), "lead") + definitions("terms", DEFINITIONS) + links(titles)
    return page.write(
        "fastgrad: how gradients vanish", _headline(found), lead, parts.values(), ("sweep.json", "cells.csv")
    )


TITLES = {
    "heat": "Decades lost, network by network", "phases": "Phase diagrams", "maps": "Trainable depth",
    "depth": "Delta, layer by layer", "verdicts": "Verdicts", "cells": "Half-lives, measured and predicted",
    "evidence": "Verdicts and their evidence", "failed": "Cells that failed", "made": "How this was made",
}  # fmt: skip


def _filters(found, name):
    phis, inits = by_activation(found.shown), dict.fromkeys(map(name, found.shown))
    return (
        '<section class="filters" aria-labelledby="filter"><h2 id="filter">Show</h2>'
        + choices("activation", "Activations", list(phis))
        + choices("name", "Initialisations", list(inits))
        + f'{paragraph(_cut(found.networks, found.shown))}<p class="note" id="status" role="status"></p></section>'
    )


def _maps(page, maps):
    if not maps:
        return ""
    figures = [
        page.figure(
            "depthMap",
            charts.depth_map_title(one),
            f"Decades lost of {len(one.networks)} networks over weights' variance and depth",
            **charts.depth_map(one),
        )
        for one in maps
    ]
    return section(
        "maps",
        TITLES["maps"],
        side_by_side(*figures, identifier="depth-maps"),
        note="Decades lost over the weights' variance and the depth, in the colours of the first table. The line is "
        "the depth at which theory loses or gains two decades: above it the first layer learns a hundred times slower, "
        "or faster, than the last.",
    )


def _profiles(page, deepest, name):
    if not deepest:
        return ""
    figures = [
        page.figure(
            "profile",
            phi,
            f"Delta by layer of {len(members)} networks; their numbers are in the tables below",
            **charts.profile(members, None, name),
        )
        for phi, members in by_activation(deepest).items()
    ]
    return section(
        "depth",
        TITLES["depth"],
        side_by_side(*figures, identifier="profiles"),
        note="The deepest network of each row, the input on the left. Solid: measured. Dashed: mean-field theory. "
        "Below, what is measured less what theory predicts, with theory's 95 % band of such a mean. Of more than eight "
        "networks eight are drawn, evenly chosen: choose others above. Point at a line, or touch it, to read it.",
    )


def _headline(found):
    return opening(found.networks) if found.networks else "No cell could be measured."


def _lead(found):
    failed = f"; {count(found.failed)} failed" if found.failed else ""
    kinds = f"{count(found.cells)} cells, {count(len(found.networks))} kinds of network at initialisation{failed}."
    return f"{kinds} {summary(found.networks)}" if found.networks else kinds


def _cut(found, shown):
    if len(shown) == len(found):
        return ""
    return (
        f"Shown are {count(len(shown))} of {count(len(found))} networks: {ROWS} initialisations of each activation, "
        "evenly chosen. All are in the phase diagrams and in cells.csv."
    )


def _machine(environments):
    facts = {}
    for environment in environments:
        for fact, value in environment.items():
            facts.setdefault(fact, {})[value] = None
    return {fact: "; ".join(values) for fact, values in facts.items()}


# Tables.


def _half_life_table(found, name):
    def row(network):
        measured, expected = network.decades_per_layer, network.predicted_decades_per_layer
        return (
            name(network), str(network.cell.depth), number(measured),
            interval(network.decades_per_layer_low, network.decades_per_layer_high), number(expected),
            network.in_band, number(network.decades_lost, 1), number(network.half_life, 1), _depth(measured),
            _depth(expected),
            number(network.float32_zero_layer, 0), network.verdict,
        )  # fmt: skip

    columns = (*CELL_COLUMNS[:8], "trainable depth", "by theory", *CELL_COLUMNS[8:])
    return html_table(columns, rows(found, row), "The deepest network of each row; means over seeds")


def _depth(slope):
    depth = phases.trainable_depth(slope) if math.isfinite(slope) else math.nan
    return "over 10,000" if depth > 10_000 else number(depth, 0)


def _evidence_table(found, name):
    groups = rows(found, lambda network: (name(network), *evidence_row(network)[1:]))
    return html_table(EVIDENCE_COLUMNS, groups, "The deepest of each row; the commonest verdict over seeds")


def _verdict_table(found):
    rows = []
    for phi, members in by_activation(found).items():
        votes = Counter(network.verdict for network in members)
        rows.append((phi, *(str(votes[verdict]) for verdict in VERDICTS)))
    return html_table(("network", *(f"{verdict} networks" for verdict in VERDICTS)), {"": rows}, "Networks by verdict")


def _crossing_table(drawn):
    groups = {}
    for diagram in drawn:
        for crossing in diagram.crossings:
            row = (
                f"σ_b² = {significant(crossing.bias_variance)}", number(crossing.weight_variance),
                number(crossing.predicted_weight_variance), percent(crossing.difference, 1, sign="+"),
            )  # fmt: skip
            groups.setdefault(plain_label(diagram.cell.activation), []).append(row)
    if not groups:
        return '<p class="note">No measured slope passes through 0 inside the diagrams.</p>'
    return html_table(("network", "measured σ_w²", "theory", "difference"), groups, "The critical line")


def _failure_table(found):
    if not found.failed:
        return ""
    rows = {}
    for failure in found.failures:
        cell = failure.cell
        rows.setdefault(plain_label(cell.activation), []).append((cell.init_label, str(cell.depth), failure.error))
    table = html_table(("network", "depth", "evidence"), rows, f"{count(len(found.failures))} of {count(found.failed)}")
    return section("failed", TITLES["failed"], scroll(table, "failed"))
