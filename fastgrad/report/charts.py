"""The charts of the pages as data, which page.js draws: each function returns what one of its kinds takes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from fastgrad.diagnosis import DECADES
from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.reading import Reading
from fastgrad.report.findings import init_label, network_name, plain_label
from fastgrad.report.palette import LINES, decade_bin
from fastgrad.report.tables import significant
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.consequences import Consequences, Kind
from fastgrad.sweeps.phases import DepthMap, Diagram

LAYERS = 80  # points of a curve, columns of a heat map
ROWS = 40  # of a heat map
SYMBOLS = ("circle", "triangle", "square", "diamond", "star", "cross", "wye")
PLATEAUS = {"plateau": "plateau", "slow": "falls slowly", "rising": "rises"}


def profile(networks: Sequence[CellResult], limits=None, name: Callable[[CellResult], str] = init_label) -> dict:
    """Delta by layer of networks of one activation: measured, theory's, what is left and its band."""
    colours = _colours(map(name, networks))
    first = networks[0]
    return {
        "activation": plain_label(first.cell.activation),
        "lines": [_line(network, name(network), colours[name(network)]) for network in networks],
        "domain": limits,
        "floors": [[f"{dtype}'s least number", at] for dtype, at in first.least_ratios.items()],
        "residuals": True,
    }


def opening(networks: Sequence[CellResult]) -> dict:
    """Delta by layer of networks of any activation; no choice of activation or depth on the page hides them."""
    shown = profile(networks, profile_limits(networks), lambda network: network_name(network.cell))
    lines = [{key: value for key, value in line.items() if key != "depth"} for line in shown["lines"]]
    return {key: value for key, value in shown.items() if key != "activation"} | {"lines": lines, "residuals": False}


def _line(network, name, colour):
    residual, low, high = network.residual
    found = {
        "measured": network.log10_delta_ratio, "theory": network.predicted_ratio,
        "residual": residual, "low": low, "high": high,
    }  # fmt: skip
    layers = _some(network.cell.depth + 1, LAYERS)
    return {
        "name": name,
        "colour": colour,
        "depth": network.cell.depth,
        "layer": [layer + 1 for layer in layers],
        **{key: _short([values[layer] for layer in layers]) for key, values in found.items()},
    }


def _colours(names):
    """The index of each name's colour; None, so that page.js gives them to those it draws, where there are too many."""
    names = list(dict.fromkeys(names))
    return {name: index if len(names) <= len(LINES) else None for index, name in enumerate(names)}


def profile_limits(networks: Iterable[CellResult]) -> list[float]:
    """A range of log10 that holds every finite value of these networks, and 0."""
    values = [value for network in networks for value in (*network.log10_delta_ratio, *network.predicted_ratio)]
    return _limits(values)


def depths(networks: Sequence[CellResult], limits: list[float]) -> dict:
    """Decades lost against depth of the networks of one activation, measured and by theory."""
    lines = {}
    for network in sorted(networks, key=lambda network: network.cell.depth):
        lines.setdefault(init_label(network), []).append(network)
    colours = _colours(map(init_label, networks))
    return {
        "activation": plain_label(networks[0].cell.activation),
        "healthy": DECADES,
        "domain": limits,
        "lines": [
            {
                "name": name,
                "colour": colours[name],
                "depth": [network.cell.depth for network in members],
                "lost": _short([network.decades_lost for network in members]),
                "theory": _short([network.predicted_decades_lost for network in members]),
            }
            for name, members in lines.items()
        ],
    }


def depth_limits(networks: Iterable[CellResult]) -> list[float]:
    """A range that holds the decades lost of all networks, and the healthy ones."""
    values = [value for network in networks for value in (network.decades_lost, network.predicted_decades_lost)]
    return _limits([*values, -DECADES, DECADES])


def scatter(found: Consequences) -> dict:
    """Decades lost before training against test accuracy after it: colours are activations, symbols initialisations."""
    phis = list(dict.fromkeys(kind.activation for kind in found.kinds))
    rules = list(dict.fromkeys(kind.init for kind in found.kinds))
    return {
        "target": found.target,
        "points": [
            {
                "name": f"{plain_label(kind.activation)} + {kind.init.label}",
                "activation": plain_label(kind.activation),
                "init": kind.init.label,
                "colour": 7 - phis.index(kind.activation),  # those of initialisations are counted from the other end
                "symbol": SYMBOLS[rules.index(kind.init) % len(SYMBOLS)],
                **dict(zip(("x", "x1", "x2"), _ends(kind, "decades_lost"), strict=True)),
                **dict(zip(("y", "low", "high"), _ends(kind, "test_accuracy"), strict=True)),
            }
            for kind in found.kinds
        ],
    }


def _ends(kind, name):
    """A mean and its interval; with one seed, which has none, the mean itself."""
    middle, *ends = (getattr(kind, f"{name}{end}") for end in ("", "_low", "_high"))
    return _short([middle, *(end if math.isfinite(end) else middle for end in ends)])


def loss_curves(losses: Mapping[str, Sequence[float]], plateaus: Mapping[str, TrainingHistory]) -> dict:
    """Losses over the epochs, by name; those that are the training losses of histories, and where they stand still."""
    lines = [
        {
            "name": name,
            "x": _epochs(values),
            "y": _short(values),
            "plateau": _plateau(plateaus[name]) if name in plateaus else None,
        }
        for name, values in losses.items()
        if values
    ]
    unit = "nats" if any(history.accuracy for history in plateaus.values()) else "targets' unit squared"
    return {"lines": lines, "x": "epoch", "y": f"loss, {unit}", "log": True}


def accuracy_curves(curves: Mapping[str, Sequence[float]]) -> dict:
    """Accuracies over the epochs, by name."""
    lines = [{"name": name, "x": _epochs(values), "y": _short(values)} for name, values in curves.items() if values]
    return {"lines": lines, "x": "epoch", "y": "accuracy", "share": True, "domain": [0, 1]}


def learning_curves(kinds: Sequence[Kind]) -> dict:
    """Test accuracy over the epochs of kinds of network that differ in their initialisation."""
    return accuracy_curves({kind.init.label: kind.accuracy_by_epoch for kind in kinds})


def _epochs(values):
    return list(range(1, len(values) + 1))


def _plateau(history):
    trend = history.trend
    if not trend.standing or trend.cause == "converged":
        return None
    return [history.epochs - trend.window + 1, history.epochs, PLATEAUS[trend.kind]]


def update_limits(histories: Iterable[TrainingHistory]) -> list[float]:
    """A range of log10 that holds every update ratio of these histories."""
    ratios = [r.log10_update_ratio for h in histories for r in h.readings if r.log10_update_ratio is not None]
    values = [float(value) for array in ratios for value in array if math.isfinite(value)]
    return _short([min(values) - 0.3, max(values) + 0.3]) if values else [-5.0, 0.0]


def update_curves(history: TrainingHistory, limits: list[float]) -> dict:
    """log10 of the update ratio over the steps: first, middle and last layer."""
    readings = [reading for reading in history.readings if reading.log10_update_ratio is not None]
    layers = len(readings[0].log10_update_ratio) if readings else 0  # type: ignore[arg-type]
    shown = dict.fromkeys((0, layers // 2, layers - 1)) if layers else {}
    lines = [
        {
            "name": f"layer {layer + 1}",
            "x": [reading.step for reading in readings],
            "y": _short([reading.log10_update_ratio[layer] for reading in readings]),  # type: ignore[index]
        }
        for layer in shown
    ]
    return {"lines": lines, "x": "step", "y": "log10 of update / weight", "domain": limits}


def heat(readings: Sequence[Reading], reach: float) -> dict:
    """How many decades the delta of each hidden layer lies below the last one's, reading by reading."""
    rows = [(reading.step, decades_below_last(reading)) for reading in readings]
    rows = [rows[index] for index in _some(len(rows), ROWS)]
    layers = _some(len(rows[0][1]), LAYERS) if rows else []
    return {
        "layer": [layer + 1 for layer in layers],
        "rows": [{"step": step, "values": _short([values[layer] for layer in layers])} for step, values in rows],
        "reach": reach,
        "unit": "decades below the last hidden layer",
    }


def heat_reach(histories: Iterable[TrainingHistory]) -> float:
    """The ends of a scale that these histories share: the largest finite number of decades, 2 at least."""
    values = [abs(decades_below_last(reading)) for history in histories for reading in history.readings]
    finite = [float(array[np.isfinite(array)].max(initial=0.0)) for array in values]
    return max([DECADES, *finite])


def decades_below_last(reading: Reading) -> np.ndarray:
    """Per hidden layer: decades by which its delta lies below the last hidden layer's; inf where it is 0."""
    hidden = reading.log10_delta[:-1]  # type: ignore[index]
    with np.errstate(invalid="ignore"):
        lost = hidden[-1] - hidden
    return np.where(np.isnan(lost), np.inf, lost)


def diagram(found: Diagram) -> dict:
    """The points of a phase diagram, theory's line, the crossings and the presets."""
    return {
        "activation": plain_label(found.cell.activation),
        "points": [
            _short([n.cell.weight_variance, n.cell.bias_variance, n.decades_per_layer, n.predicted_decades_per_layer])
            for n in found.networks
        ],
        "line": [_short(point) for point in found.critical_line()],
        "crossings": [_short(point) for point in found.crossings],
        "presets": [[name, *_short(point)] for name, *point in found.presets()],
    }


def diagram_title(found: Diagram) -> str:
    """The activation and what the diagram's networks share."""
    cell = found.cell
    return f"{plain_label(cell.activation)}, depth {cell.depth}, width {cell.width}"


def depth_map(found: DepthMap) -> dict:
    """The points of a depth map, and theory's line."""
    return {
        "activation": plain_label(found.cell.activation),
        "points": [
            [*_short([n.cell.weight_variance, n.cell.depth, n.decades_lost]), decade_bin(n.decades_lost)]
            for n in found.networks
        ],
        "line": [_short(point) for point in found.trainable_line()],
    }


def depth_map_title(found: DepthMap) -> str:
    """The activation and what the map's networks share."""
    cell = found.cell
    return f"{plain_label(cell.activation)}, σ_b² = {significant(cell.bias_variance)}, width {cell.width}"


def _some(count, most):
    """At most so many indices below ``count``, evenly chosen, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist() if count else []


def _limits(values):
    finite = [0.0, *(value for value in values if math.isfinite(value))]
    margin = max(0.05 * (max(finite) - min(finite)), 0.3)
    return _short([min(finite) - margin, max(finite) + margin])


def _short(values):
    """Numbers as text of six digits reads them: enough for a chart, and a third of the bytes."""
    return [float(f"{value:.6g}") for value in values]
