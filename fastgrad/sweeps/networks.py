"""Results of cells that differ in their seeds alone -> one result: the mean over them. And the deepest of each kind."""

# Design: - Such cells are one network, whose result is a CellResult like any other, with all their seeds. A cell that
#           shares a seed with a larger one is left out: its networks would count twice.
#         - Nothing is predicted anew. Theory's band of a mean is a shift, which stays, and a spread on both sides,
#           which falls as 1/sqrt(seeds): the band over more seeds follows from that of a cell.

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastgrad import diagnosis, slopes
from fastgrad.measurement import mean_interval, median_layer
from fastgrad.sweeps.cell import CellResult

_MEANS = (
    *("log10_delta", "log10_weight_gradient", "log10_signal", "saturated_fraction", "dead_fraction"),
    *("settled_decades_per_layer", "decades_lost"),
)
_ZERO_LAYERS = ("float32_zero_layer", "float64_zero_layer")


def groups(results: Iterable[CellResult]) -> list[list[CellResult]]:
    """The results of each network, each cell once, in order of appearance."""
    found = {}
    for result in results:
        found.setdefault(replace(result.cell, seeds=(0,)), {})[result.cell] = result
    return [list(members.values()) for members in found.values()]


@np.errstate(invalid="ignore")  # where delta is exactly 0 its logarithm is -inf
def merged(members: Sequence[CellResult]) -> CellResult:
    """The means over the cells of one network, a result of all their seeds; with a single cell its own.

    The interval is that of the mean over cells; the verdict is the commonest, and ``verdict_seeds`` how many seeds hold
    it at least, as each cell counts those of its own. The evidence is that of the means; that of the first cell with
    the verdict where a mean is not finite, or the results were read without their layers.
    """
    members = _disjoint(members)
    first = members[0]
    if len(members) == 1:
        return first
    cell = replace(first.cell, seeds=tuple(seed for member in members for seed in member.cell.seeds))
    narrower = math.sqrt(len(first.cell.seeds) / len(cell.seeds))
    verdict, votes = _vote(members)
    found: dict[str, Any] = {name: _stack(members, name).mean(axis=0) for name in _MEANS}
    found |= _with_ends("log10_delta_ratio", mean_interval(_stack(members, "log10_delta_ratio")))
    found |= _with_ends("decades_per_layer", mean_interval(_stack(members, "decades_per_layer")))
    for middle, name in (("predicted_ratio", "predicted"), ("predicted_decades_per_layer",) * 2):
        ends = f"{name}_low", f"{name}_high"
        band = _band(getattr(first, middle), *(getattr(first, end) for end in ends), factor=narrower)
        found |= dict(zip(ends, band, strict=True))
    found |= {name: median_layer([getattr(member, name) for member in members]) for name in _ZERO_LAYERS}
    evidence = _evidence(members, verdict, found)
    found = {name: _plain(value) for name, value in found.items()}
    band = found["predicted_decades_per_layer_low"], found["predicted_decades_per_layer_high"]
    return replace(
        first,
        cell=cell,
        **found,
        in_band=_in_band(found["decades_per_layer"], *band, first.in_band),
        half_life=slopes.half_life(found["decades_per_layer"]),
        verdict=verdict,
        verdict_seeds=votes,
        evidence=evidence,
        seconds=math.fsum(member.seconds for member in members),
    )


def deepest(results: Iterable[CellResult]) -> list[CellResult]:
    """The result of greatest depth of each pair of activation and initialiser, in order of appearance."""
    found = {}
    for result in results:
        if result.cell.label not in found or result.cell.depth > found[result.cell.label].cell.depth:
            found[result.cell.label] = result
    return list(found.values())


def _disjoint(members):
    """The members without those that share a seed with another, of which the larger stays."""
    seen, kept = set(), []
    for member in sorted(members, key=lambda member: -len(member.cell.seeds)):
        if seen.isdisjoint(member.cell.seeds):
            seen.update(member.cell.seeds)
            kept.append(member)
    return kept


def _stack(members, name):
    return np.array([getattr(member, name) for member in members])


def _plain(value):
    """Of an array a tuple or a float, and all else as it is."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return tuple(value) if isinstance(value, list) else value


def _with_ends(name, mean_low_high):
    return dict(zip((name, f"{name}_low", f"{name}_high"), mean_low_high, strict=True))


def _band(middle, low, high, *, factor):
    """A band whose spread, the same on both sides, is multiplied by ``factor``; what one side has beyond it stays."""
    middle, low, high = map(np.asarray, (middle, low, high))
    taken = (1 - factor) * np.minimum(middle - low, high - middle)
    return low + taken, high - taken


def _in_band(slope, low, high, of_one):
    """As :meth:`fastgrad.theory.Prediction.in_band`; whether theory says anything is the same for all cells."""
    if math.isnan(slope) or math.isnan(low):
        return "none"
    return of_one if of_one == "beyond" else "yes" if low <= slope <= high else "no"


def _vote(members):
    votes = Counter()
    for member in members:
        votes[member.verdict] += member.verdict_seeds
    return votes.most_common(1)[0]


def _evidence(members, verdict, found):
    delta = found["log10_delta"]
    if delta.size and np.isfinite(delta).all():
        shares = found["saturated_fraction"], found["dead_fraction"]
        return diagnosis.evidence(verdict, delta, *shares, found["float32_zero_layer"])
    return next(member.evidence for member in members if member.verdict == verdict)
