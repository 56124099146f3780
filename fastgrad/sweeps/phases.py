"""Networks over (sigma_w^2, sigma_b^2): where measured gradients vanish and explode, and where theory says so."""

# Design: - The slope is the settled one (study.py).
#         - Without biases there is no crossing to measure: near sigma_w^2 = 1 delta follows a power law, and
#           chi touches 1 instead of passing it (tanh at depth 40 crosses at 1.1). It is drawn, not measured.
#         - Cells that differ in their seeds alone are one network; the mean over them is taken first (networks.py).

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

from fastgrad import slopes, theory
from fastgrad.diagnosis import DECADES
from fastgrad.initializers import SURVEYED, initializer
from fastgrad.sweeps import plan
from fastgrad.sweeps.cell import Cell, CellResult

LEAST_WEIGHTS, LEAST_BIASES, LEAST_DEPTHS = 3, 2, 2  # of sigma_w^2 and of sigma_b^2 or depth, in a diagram or a map
LINE_POINTS = 40
# Networks around the well-known initialisations, of every activation: a plan, for its file.
PLAN = """\
# sigma_w^2 is the square of the gain, sigma_b^2 that of bias_std
init = "xavier_normal"
bias_std = [0.0, 0.2, 0.4, 0.6]
depth = 20
width = 64
batch = 64
seeds = 2

[[grid]]
activation = ["tanh", "relu", "leaky_relu", "elu"]
gain = {start = 0.4, stop = 1.7, num = 14}

[[grid]]
activation = "sigmoid"
gain = {start = 0.5, stop = 12.0, num = 24}
"""


def around_the_known() -> list[Cell]:
    """The cells of ``PLAN``."""
    top = tomllib.loads(PLAN)
    grids = top.pop("grid")
    return list(chain.from_iterable(plan.grid(**top | axes) for axes in grids))


def trainable_depth(decades_per_layer: float) -> float:
    """Hidden layers over which delta changes by ``diagnosis.DECADES``; infinite where it does not change."""
    return slopes.depth_of(DECADES, decades_per_layer)


class Crossing(NamedTuple):
    """Where the measured slope passes through 0, by linear interpolation between neighbours in sigma_w^2."""

    weight_variance: float
    bias_variance: float
    predicted_weight_variance: float

    @property
    def difference(self) -> float:
        """Of the measured from the predicted sigma_w^2, relative."""
        return self.weight_variance / self.predicted_weight_variance - 1


@dataclass(frozen=True)
class Diagram:
    """One activation at one depth, width, batch and data set, over (sigma_w^2, sigma_b^2).

    Attributes
    ----------
    networks : tuple of CellResult
        One for each point (the first, where several rules have the same variances).
    crossings : tuple of Crossing
        For sigma_b^2 above 0.
    """

    networks: tuple[CellResult, ...]
    crossings: tuple[Crossing, ...]

    @property
    def cell(self) -> Cell:
        """The first network's."""
        return self.networks[0].cell

    @cached_property
    def bias_variances(self) -> list[float]:
        """The values of sigma_b^2, ascending."""
        return sorted({network.cell.bias_variance for network in self.networks})

    def critical_line(self) -> list[tuple[float, float]]:
        """Theory's edge of chaos, (sigma_w^2, sigma_b^2) from the lowest to the highest bias of the diagram."""
        phi = self.cell.activation
        low, high = math.sqrt(self.bias_variances[0]), math.sqrt(self.bias_variances[-1])
        biases = np.linspace(low, high, LINE_POINTS) ** 2
        return [(theory.critical_point(phi, bias)[0], float(bias)) for bias in biases]

    def presets(self) -> list[tuple[str, float, float]]:
        """(name, sigma_w^2, sigma_b^2) of well-known initialisations at this width."""
        width, found = self.cell.width, []
        for name in SURVEYED:
            rule = initializer(name)
            found.append((name, width * rule.weight_variance(width, width), rule.bias_variance(width, width)))
        gain = self.cell.activation.gain
        return [*found, (f"xavier, gain {gain:.3g}", gain**2, 0.0)]


def diagrams(found: Iterable[CellResult]) -> list[Diagram]:
    """A diagram of each activation that has enough variances: of its deepest, then widest networks."""
    groups = {}
    for network in found:
        cell = network.cell
        setting = (cell.depth, cell.width, cell.batch, cell.data, cell.dtype, cell.backend)
        point = (round(cell.weight_variance, 12), round(cell.bias_variance, 12))
        groups.setdefault(cell.activation, {}).setdefault(setting, {}).setdefault(point, network)
    drawn = []
    for settings in groups.values():
        wide = [setting for setting, points in settings.items() if _spans(points)]
        if wide:
            points = settings[max(wide)]
            members = tuple(points[point] for point in sorted(points))
            drawn.append(Diagram(members, tuple(_crossings(members))))
    return drawn


@dataclass(frozen=True)
class DepthMap:
    """One activation's networks over (sigma_w^2, depth), at their least sigma_b^2 and largest width there."""

    networks: tuple[CellResult, ...]

    @property
    def cell(self) -> Cell:
        """The first network's."""
        return self.networks[0].cell

    def trainable_line(self) -> list[tuple[float, float]]:
        """(sigma_w^2, depth) at which theory's fixed point loses or gains two decades (diagnosis.DECADES)."""
        weights = sorted({network.cell.weight_variance for network in self.networks})
        deepest = max(network.cell.depth for network in self.networks)
        line = []
        for weight in np.linspace(weights[0], weights[-1], 4 * len(weights)).tolist():
            chi = theory.chi(self.cell.activation, weight_variance=weight, bias_variance=self.cell.bias_variance)
            depth = trainable_depth(math.log10(chi) / 2) if chi > 0 else 1.0
            line.append((weight, min(depth, 10.0 * deepest)))  # beyond the map it is cut off
        return line


def depth_maps(found: Iterable[CellResult]) -> list[DepthMap]:
    """A map of each activation that has enough of variances and depths."""
    groups = {}
    for network in found:
        groups.setdefault(network.cell.activation, []).append(network)
    maps = []
    for members in groups.values():
        bias = min(network.cell.bias_variance for network in members)
        width = max(network.cell.width for network in members if network.cell.bias_variance == bias)
        points = {}
        for network in members:
            if (network.cell.bias_variance, network.cell.width) == (bias, width):
                points.setdefault((network.cell.weight_variance, network.cell.depth), network)
        weights, depths = map(set, zip(*points, strict=True))
        if len(weights) >= LEAST_WEIGHTS and len(depths) >= LEAST_DEPTHS:
            maps.append(DepthMap(tuple(points.values())))
    return maps


def _spans(points):
    weights, biases = map(set, zip(*points, strict=True))
    return len(weights) >= LEAST_WEIGHTS and len(biases) >= LEAST_BIASES


def _crossings(members):
    rows = {}
    for network in members:
        point = network.cell.weight_variance, network.settled_decades_per_layer
        rows.setdefault(network.cell.bias_variance, []).append(point)
    for bias, row in sorted(rows.items()):
        if bias == 0:
            continue
        phi = members[0].cell.activation
        expected = theory.critical_point(phi, bias)[0]
        row.sort()
        for (x0, y0), (x1, y1) in pairwise(row):
            if y0 > 0 >= y1:
                yield Crossing(x0 + (x1 - x0) * y0 / (y0 - y1), bias, expected)
                break
