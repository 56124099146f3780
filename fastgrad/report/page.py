"""Stores -> a folder with one page that needs no network: tables that stand by themselves, and charts."""

# Design: - Tables are HTML from here: they are read aloud, printed and found by a search without a script.
#           Charts are Observable Plot's, SVG drawn from JSON in the page; the filters hide rows and redraw.
#         - Everything is in the page, so it can be mailed. Its policy names the scripts by their digests and
#           allows nothing else: no request, no other script, whatever a label holds.
#         - One network, one set of seeds: where its seeds are spread over several cells, tables, curves, bands and
#           evidence are all of the means over these cells. Their layers are read again for the networks shown alone.
#         - A page of 10^5 networks helps nobody: of each activation so many rows are shown, evenly chosen,
#           and the page says so. cells.csv has them all.

import base64
import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path

import numpy as np

import fastgrad
from fastgrad import theory
from fastgrad._validation import plain
from fastgrad.activations import ACTIVATIONS
from fastgrad.diagnosis import VERDICTS, evidence
from fastgrad.report.palette import BINS, decade_bin
from fastgrad.report.survey import (
    CELL_COLUMNS,
    band_note,
    bundled,
    by_activation,
    fill,
    html_heatmap,
    html_table,
)
from fastgrad.report.tables import interval, number, significant
from fastgrad.sweeps import frames, phases
from fastgrad.sweeps.cell import Cell
from fastgrad.sweeps.phases import Diagram, Network
from fastgrad.sweeps.rows import Failure
from fastgrad.sweeps.store import Store
from fastgrad.sweeps.study import headline, predict_cell

ROWS = 24  # shown of each activation
FAILURES = 50
MEANS = ("log10_delta", "log10_delta_ratio", "saturated_fraction", "dead_fraction")
CHART_LAYERS = 80  # points of a curve
SCRIPTS = ("d3.min.js", "plot.umd.min.js", "sweep.js")
VARIED = {"width": "width {}", "batch": "batch {}", "data": "{}", "dtype": "{}", "backend": "{}"}


@dataclass(frozen=True)
class Contents:
    """What a page shows: networks, cells that failed (some, and how many), what it ran on, and the command."""

    networks: Sequence[Network]
    failures: Sequence[Failure]
    failed: int
    environments: Sequence[dict[str, str]]
    command: str


def write_folder(stores: Sequence[str | os.PathLike], out: str | os.PathLike, command: str = "") -> Path:
    """Write the page and cells.csv into the folder ``out``, made if it is not there; return the page's path.

    Raises
    ------
    OSError
        If a store cannot be read (StoreError) or the folder not be written.
    ValueError
        If the stores hold nothing, or the numbers of different code.
    """
    found = contents(stores, command)
    if not found.networks and not found.failures:
        raise ValueError("there is nothing to show: no cell was measured yet")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    frames.export(stores, out / "cells.csv")
    page = out / "index.html"
    page.write_text(to_html(found, stores), encoding="utf-8")
    return page


def contents(stores: Sequence[str | os.PathLike], command: str = "") -> Contents:
    """What stores hold, read row by row."""
    frames.load(*stores)  # one code
    found = phases.networks(result for path in stores for result in frames.results(path))
    failures, failed, environments = [], 0, []
    for path in stores:
        with Store(path) as store:
            failures += islice(store.failures(), FAILURES - len(failures))
            failed += store.failed_count()
            environments += store.environments().values()
    return Contents(sorted(found, key=_order), failures, failed, environments, command)


def _order(network):
    """Activations as the package names them; then initialisers by name, and from small variances to large ones."""
    cell = network.cell
    phi, rule = cell.activation, cell.init
    sizes = cell.weight_variance, cell.bias_variance, cell.width, cell.depth
    return ACTIVATIONS.index(phi.name), phi.label, rule.name, *sizes


def to_html(found: Contents, stores: Sequence[str | os.PathLike]) -> str:
    """The page. The stores are read again for the profiles of the networks that it draws."""
    name = _namer(found.networks)
    shown = [n for some in by_activation(found.networks).values() for n in _some(some, name)]
    deepest = _deepest(shown, name)
    drawn = phases.diagrams(found.networks)
    profiles = [_mean_profile(network, stores) for network in deepest]
    data = {
        "bins": [[edge, meaning, back, ink] for edge, meaning, back, ink in BINS],
        "profiles": [_curves(profile, name) for profile in profiles],
        "diagrams": [_diagram(diagram) for diagram in drawn],
        "maps": _depth_maps(found.networks),
    }
    scripts = [bundled(script) for script in SCRIPTS]
    return fill(
        "sweep.html",
        title=escape(f"fastgrad: {_headline(found)}"),
        headline=escape(_headline(found)),
        lead=escape(_lead(found)),
        command=escape(found.command),
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        machine=_machine(found.environments),
        activations=_boxes("activation", by_activation(shown)),
        names=_boxes("name", dict.fromkeys(map(name, shown))),
        cut=escape(_cut(found.networks, shown)),
        heatmap=html_heatmap(shown, name),
        verdicts=_verdict_table(found.networks),
        halflife=_half_life_table(deepest, name),
        band=escape(band_note(deepest)),
        evidence=_evidence_table(profiles, name),
        crossings=_crossing_table(drawn),
        failures=_failure_table(found),
        data=json.dumps(plain(data), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        libraries="\n".join(f"<script>{script}</script>" for script in scripts[:-1]),
        script=scripts[-1],
        version=escape(fastgrad.__version__),
    )


def _digest(script):
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _namer(found):
    """A function from a network to its row's name: the initialiser, and what else differs among the networks."""
    varied = [field for field in VARIED if len({getattr(network.cell, field) for network in found}) > 1]

    def name(network):
        return ", ".join([network.cell.init_label, *(VARIED[f].format(getattr(network.cell, f)) for f in varied)])

    return name


def _some(found, name):
    """The networks of at most ROWS names, evenly chosen."""
    names = list(dict.fromkeys(map(name, found)))
    if len(names) > ROWS:
        names = [names[i] for i in np.linspace(0, len(names) - 1, ROWS).round().astype(int)]
    kept = set(names)
    return [network for network in found if name(network) in kept]


def _deepest(found, name):
    best = {}
    for network in found:
        row = network.cell.activation.label, name(network)
        if row not in best or network.cell.depth > best[row].cell.depth:
            best[row] = network
    return list(best.values())


def _headline(found):
    return headline(found.networks) if found.networks else "No cell could be measured."


def _lead(found):
    cells = sum(len(network.members) for network in found.networks)
    failed = f"; {found.failed:,} failed" if found.failed else ""
    return f"{cells:,} cells, {len(found.networks):,} kinds of network at initialisation{failed}."


def _cut(found, shown):
    if len(shown) == len(found):
        return ""
    return (
        f"Shown are {len(shown):,} of {len(found):,} networks: {ROWS} initialisations of each activation, "
        "evenly chosen. All are in the phase diagrams and in cells.csv."
    )


def _machine(environments):
    facts = {}
    for environment in environments:
        for fact, value in environment.items():
            facts.setdefault(fact, {})[value] = None
    return "".join(f"<div><dt>{escape(k)}</dt><dd>{escape('; '.join(v))}</dd></div>" for k, v in facts.items())


def _boxes(kind, labels):
    return "".join(
        f'<label><input type="checkbox" data-filter="{kind}" value="{escape(label)}" checked> {escape(label)}</label>'
        for label in labels
    )


# Tables.


def _rows(found, row):
    return {phi: [row(network) for network in members] for phi, members in by_activation(found).items()}


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
    return html_table(columns, _rows(found, row), "The deepest network of each row; means over seeds")


def _depth(slope):
    depth = phases.trainable_depth(slope) if math.isfinite(slope) else math.nan
    return "over 10,000" if depth > 10_000 else number(depth, 0)


def _evidence_table(profiles, name):
    def row(profile):
        network = profile.network
        share = f"{network.verdict_seeds} of {network.seeds}"
        return name(network), str(network.cell.depth), network.verdict, share, profile.evidence

    columns = ("network", "depth", "verdict", "seeds", "evidence")
    return html_table(columns, _rows(profiles, row), "The deepest of each row; the commonest verdict over seeds")


def _verdict_table(found):
    rows = []
    for phi, members in by_activation(found).items():
        counts = Counter(network.verdict for network in members)
        rows.append((phi, *(str(counts[verdict]) for verdict in VERDICTS)))
    return html_table(("network", *(f"{verdict} networks" for verdict in VERDICTS)), {"": rows}, "Networks by verdict")


def _crossing_table(drawn):
    groups = {}
    for diagram in drawn:
        for measured, bias, expected in diagram.crossings:
            off = f"{100 * (measured / expected - 1):+.1f} %"
            row = f"σ_b² = {significant(bias)}", number(measured), number(expected), off
            groups.setdefault(diagram.cell.activation.label, []).append(row)
    if not groups:
        return '<p class="note">No measured slope passes through 0 inside the diagrams.</p>'
    return html_table(("network", "measured σ_w²", "theory", "difference"), groups, "The critical line")


def _failure_table(found):
    if not found.failed:
        return ""
    rows = {}
    for failure in found.failures:
        cell = failure.cell
        rows.setdefault(cell.activation.label, []).append((cell.init_label, str(cell.depth), failure.error))
    table = html_table(("network", "depth", "evidence"), rows, f"{len(found.failures):,} of {found.failed:,}")
    return (
        '<section aria-labelledby="failed"><h2 id="failed">Cells that failed</h2>'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="failed">{table}</div></section>'
    )


# Charts, as data.


@dataclass(frozen=True)
class MeanProfile:
    """What a network's layers do, mean over its cells, with theory's band for all of their seeds, and the evidence."""

    network: Network
    measured: np.ndarray
    theory: np.ndarray
    low: np.ndarray
    high: np.ndarray
    evidence: str

    @property
    def cell(self) -> Cell:
        """The network's."""
        return self.network.cell


def _mean_profile(network, stores):
    results = [_result(member.cell, stores) for member in network.members]
    means = {name: np.mean([getattr(result, name) for result in results], axis=0) for name in MEANS}
    predicted = predict_cell(network.cell)
    return MeanProfile(
        network,
        means["log10_delta_ratio"],
        predicted.log10_delta_ratio,
        *predicted.mean_band(network.seeds),
        _evidence(network, results, means),
    )


def _evidence(network, results, means):
    """That of the means; of the first cell with the verdict if it is the only one, or a mean is not finite."""
    if len(results) == 1 or not np.isfinite(means["log10_delta"]).all():
        return next(result.evidence for result in results if result.verdict == network.verdict)
    shares = means["saturated_fraction"], means["dead_fraction"]
    return evidence(network.verdict, means["log10_delta"], *shares, network.float32_zero_layer)


def _curves(profile, name):
    layers = np.unique(np.linspace(0, len(profile.measured) - 1, CHART_LAYERS).round().astype(int))
    return {
        "activation": profile.cell.activation.label,
        "name": name(profile.network),
        "depth": profile.cell.depth,
        "layer": (layers + 1).tolist(),
        **{key: _short(getattr(profile, key)[layers]) for key in ("measured", "theory", "low", "high")},
    }


def _result(cell, stores):
    for path in stores:
        with Store(path) as store:
            result = store.get(cell)
            if result is not None:
                return result
    raise LookupError(cell)


def _diagram(diagram: Diagram):
    cell = diagram.cell
    return {
        "activation": cell.activation.label,
        "setting": f"depth {cell.depth}, width {cell.width}",
        "points": [
            _short([n.cell.weight_variance, n.cell.bias_variance, n.decades_per_layer, n.predicted_decades_per_layer])
            for n in diagram.networks
        ],
        "line": [_short(point) for point in diagram.critical_line()],
        "crossings": [_short(point) for point in diagram.crossings],
        "presets": [[name, *_short(point)] for name, *point in diagram.presets()],
    }


def _depth_maps(found):
    """Of each activation, decades lost over (sigma_w^2, depth) at its least sigma_b^2, where there is enough to map."""
    maps = []
    for phi, members in by_activation(found).items():
        bias = min(network.cell.bias_variance for network in members)
        width = max(network.cell.width for network in members if network.cell.bias_variance == bias)
        points = {}
        for network in members:
            if (network.cell.bias_variance, network.cell.width) == (bias, width):
                points.setdefault((network.cell.weight_variance, network.cell.depth), network)
        weights, depths = sorted({w for w, _ in points}), sorted({d for _, d in points})
        if len(weights) < phases.LEAST_WEIGHTS or len(depths) < 2:
            continue
        maps.append(
            {
                "activation": phi,
                "setting": f"σ_b² = {significant(bias)}, width {width}",
                "points": [
                    [*_short([w, d, n.decades_lost]), decade_bin(n.decades_lost)] for (w, d), n in points.items()
                ],
                "line": [_short(point) for point in _trainable_line(members[0].cell, weights, depths, bias)],
            }
        )
    return maps


def _trainable_line(cell, weights, depths, bias):
    """(sigma_w^2, depth) at which theory's fixed point loses or gains two decades (diagnosis.DECADES)."""
    phi = cell.activation
    for weight in np.linspace(weights[0], weights[-1], 4 * len(weights)):
        chi = theory.chi(phi, weight_variance=weight, bias_variance=bias)
        depth = phases.trainable_depth(math.log10(chi) / 2) if chi > 0 else 1.0
        yield float(weight), min(depth, 10.0 * depths[-1])  # beyond the map it is cut off


def _short(values):
    """Numbers as text of six digits reads them: enough for a chart, and a third of the bytes."""
    return [float(f"{value:.6g}") for value in values]
