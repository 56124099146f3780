"""The charts of a sweep's page as data, which sweep.js draws."""

from collections.abc import Callable

import numpy as np

from fastgrad.report.palette import decade_bin
from fastgrad.report.tables import significant
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.phases import DepthMap, Diagram

LAYERS = 80  # points of a curve


def curves(network: CellResult, name: Callable[[CellResult], str]) -> dict:
    """Measured delta by layer, theory's, and its band."""
    found = {
        "measured": network.log10_delta_ratio, "theory": network.predicted_ratio,
        "low": network.predicted_low, "high": network.predicted_high,
    }  # fmt: skip
    layers = np.unique(np.linspace(0, network.cell.depth, LAYERS).round().astype(int)).tolist()
    return {
        "activation": network.cell.activation.label,
        "name": name(network),
        "depth": network.cell.depth,
        "layer": [layer + 1 for layer in layers],
        **{key: _short([values[layer] for layer in layers]) for key, values in found.items()},
    }


def diagram(found: Diagram) -> dict:
    """The points of a phase diagram, theory's line, the crossings and the presets."""
    cell = found.cell
    return {
        "activation": cell.activation.label,
        "setting": f"depth {cell.depth}, width {cell.width}",
        "points": [
            _short([n.cell.weight_variance, n.cell.bias_variance, n.decades_per_layer, n.predicted_decades_per_layer])
            for n in found.networks
        ],
        "line": [_short(point) for point in found.critical_line()],
        "crossings": [_short(point) for point in found.crossings],
        "presets": [[name, *_short(point)] for name, *point in found.presets()],
    }


def depth_map(found: DepthMap) -> dict:
    """The points of a depth map, and theory's line."""
    cell = found.cell
    return {
        "activation": cell.activation.label,
        "setting": f"σ_b² = {significant(cell.bias_variance)}, width {cell.width}",
        "points": [
            [*_short([n.cell.weight_variance, n.cell.depth, n.decades_lost]), decade_bin(n.decades_lost)]
            for n in found.networks
        ],
        "line": [_short(point) for point in found.trainable_line()],
    }


def _short(values):
    """Numbers as text of six digits reads them: enough for a chart, and a third of the bytes."""
    return [float(f"{value:.6g}") for value in values]
