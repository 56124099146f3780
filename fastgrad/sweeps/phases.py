"""Networks over (sigma_w^2, sigma_b^2): where measured gradients vanish and explode, and where theory says so."""

# Design: - The slope is fitted over the layers past the first quarter: nearer the input q has not settled at
#           its fixed point, on which the critical line is defined. At width 256, depth 40 and 6 seeds the
#           measured line is then within 1 % of theory's; over all layers or the last half, within 2.5 %.
#         - Without biases there is no crossing to measure: near sigma_w^2 = 1 delta follows a power law, and
#           chi touches 1 instead of passing it (tanh at depth 40 crosses at 1.1). It is drawn, not measured.
#         - Cells that differ in their seeds alone are one network; the mean over them is taken first.

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from fastgrad import slopes, theory
from fastgrad.diagnosis import DECADES
from fastgrad.initializers import SURVEYED, initializer
from fastgrad.measurement import mean_interval, median_layer
from fastgrad.sweeps import study
from fastgrad.sweeps.cell import Cell, CellResult

SETTLED = 0.25  # share of the hidden layers, from the input, that the slope leaves out
LEAST_WEIGHTS, LEAST_BIASES = 3, 2  # a diagram has so many values of sigma_w^2 and of sigma_b^2
LINE_POINTS = 40


def settled_slope(result: CellResult) -> float:
    """Decades of delta lost per layer over the hidden layers past the first quarter; NaN with fewer than two."""
    hidden = np.array(result.log10_delta_ratio[:-1])
    hidden = hidden[int(SETTLED * hidden.size) :]
    if hidden.size < 2 or not np.isfinite(hidden).all():
        return math.nan
    return slopes.line(hidden)


@dataclass(frozen=True)
class Measured:
    """What a network needs of one of its cells: a CellResult without its layers."""

    cell: Cell
    decades_per_layer: float
    decades_per_layer_low: float
    decades_per_layer_high: float
    predicted_decades_per_layer: float
    in_band: str
    settled: float
    decades_lost: float
    float32_zero_layer: int | None
    verdict: str
    verdict_seeds: int

    @classmethod
    def of(cls, result: CellResult) -> "Measured":
        """The summary of a result."""
        names = [name for name in cls.__dataclass_fields__ if name != "settled"]
        return cls(settled=settled_slope(result), **{name: getattr(result, name) for name in names})


class Network:
    """One kind of network: the cells that differ in their seeds alone, and the means over them."""

    def __init__(self, members: Sequence[Measured]):
        self.members = tuple(members)
        self.cell = self.members[0].cell

    @cached_property
    def _slope(self):
        """Mean and 95 % interval of decades per layer: the cell's own, or over the cells where there are several."""
        if len(self.members) == 1:
            only = self.members[0]
            return only.decades_per_layer, only.decades_per_layer_low, only.decades_per_layer_high
        return tuple(map(float, mean_interval(np.array([m.decades_per_layer for m in self.members]))))

    @property
    def decades_per_layer(self) -> float:
        """Decades of delta lost per hidden layer."""
        return self._slope[0]

    @property
    def decades_per_layer_low(self) -> float:
        """Lower end of the 95 % interval of the mean."""
        return self._slope[1]

    @property
    def decades_per_layer_high(self) -> float:
        """Upper end of the 95 % interval of the mean."""
        return self._slope[2]

    @property
    def predicted_decades_per_layer(self) -> float:
        """By theory, which knows no seeds."""
        return self.members[0].predicted_decades_per_layer

    @cached_property
    def in_band(self) -> str:
        """Whether that mean lies in theory's band of a mean over all the seeds."""
        if len(self.members) == 1:
            return self.members[0].in_band
        return study.predict_cell(self.cell).in_band(self.decades_per_layer, self.seeds)

    @property
    def decades_lost(self) -> float:
        """Decades of delta lost from the last hidden layer to the first."""
        return float(np.mean([m.decades_lost for m in self.members]))

    @property
    def settled(self) -> float:
        """Decades per layer past the first quarter of the layers."""
        return float(np.mean([m.settled for m in self.members]))

    @property
    def half_life(self) -> float:
        """Layers in which delta halves."""
        return slopes.half_life(self.decades_per_layer)

    @property
    def float32_zero_layer(self) -> int | None:
        """Median over the cells (the lower one of an even number), None if most have none."""
        return median_layer([m.float32_zero_layer for m in self.members])

    @cached_property
    def verdict(self) -> str:
        """The verdict of most seeds."""
        return self._votes.most_common(1)[0][0]

    @property
    def verdict_seeds(self) -> int:
        """How many seeds hold it, at least: each cell counts the seeds of its own commonest verdict."""
        return self._votes[self.verdict]

    @cached_property
    def _votes(self):
        votes = Counter()
        for member in self.members:
            votes[member.verdict] += member.verdict_seeds
        return votes

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return sum(len(member.cell.seeds) for member in self.members)


def networks(results: Iterable[CellResult]) -> list[Network]:
    """The results as networks, read one by one: only their summaries are kept."""
    groups = {}
    for result in results:
        groups.setdefault(replace(result.cell, seeds=(0,)), {})[result.cell] = Measured.of(result)
    return [Network(list(members.values())) for members in groups.values()]


def trainable_depth(decades_per_layer: float) -> float:
    """Hidden layers over which delta changes by ``diagnosis.DECADES``; infinite where it does not change."""
    return slopes.depth_of(DECADES, decades_per_layer)


@dataclass(frozen=True)
class Diagram:
    """One activation at one depth, width, batch and data set, over (sigma_w^2, sigma_b^2).

    Attributes
    ----------
    networks : tuple of Network
        One for each point (the first, where several rules have the same variances).
    crossings : tuple of (float, float, float)
        (sigma_w^2, sigma_b^2, theory's sigma_w^2) where the measured slope passes through 0, by linear
        interpolation between neighbours in sigma_w^2; for sigma_b^2 above 0.
    """

    networks: tuple[Network, ...]
    crossings: tuple[tuple[float, float, float], ...]

    @property
    def cell(self) -> Cell:
        """The first network's."""
        return self.networks[0].cell

    @cached_property
    def weight_variances(self) -> list[float]:
        """The values of sigma_w^2, ascending."""
        return sorted({network.cell.weight_variance for network in self.networks})

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


def diagrams(found: Iterable[Network]) -> list[Diagram]:
    """A diagram of each activation that has enough variances: of its deepest, then widest networks."""
    groups = {}
    for network in found:
        cell = network.cell
        setting = (cell.depth, cell.width, cell.batch, cell.data, cell.dtype, cell.backend)
        point = (round(cell.weight_variance, 12), round(cell.bias_variance, 12))
        groups.setdefault(cell.activation.label, {}).setdefault(setting, {}).setdefault(point, network)
    drawn = []
    for settings in groups.values():
        wide = [setting for setting, points in settings.items() if _spans(points)]
        if wide:
            points = settings[max(wide)]
            members = tuple(points[point] for point in sorted(points))
            drawn.append(Diagram(members, tuple(_crossings(members))))
    return drawn


def _spans(points):
    weights, biases = map(set, zip(*points, strict=True))
    return len(weights) >= LEAST_WEIGHTS and len(biases) >= LEAST_BIASES


def _crossings(members):
    rows = {}
    for network in members:
        rows.setdefault(network.cell.bias_variance, []).append((network.cell.weight_variance, network.settled))
    for bias, row in sorted(rows.items()):
        if bias == 0:
            continue
        phi = members[0].cell.activation
        expected = theory.critical_point(phi, bias)[0]
        row.sort()
        for (x0, y0), (x1, y1) in pairwise(row):
            if y0 > 0 >= y1:
                yield x0 + (x1 - x0) * y0 / (y0 - y1), bias, expected
                break
