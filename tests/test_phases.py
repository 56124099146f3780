"""Phase diagrams: slopes past the transient, crossings, the critical line, and networks over seeds."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fastgrad import theory
from fastgrad.measurement import mean_interval
from fastgrad.sweeps import phases, plan, study


def measured(**axes):
    return [study.measure_cell(c) for c in plan.grid(**{"data": "normal", "width": 16, "batch": 8, "depth": 12} | axes)]


@pytest.fixture(scope="module")
def results():
    return measured(
        activation=["tanh"], init="xavier_normal", gain=[0.8, 1.4, 1.6], bias_std=[0.0, 0.2], seeds=[[0, 1], [2, 3]]
    )


def test_the_slope_leaves_out_the_first_quarter(results):
    rest = np.array([0.0, -1.0, -2.0, -2.2, -2.4, -2.6, -2.8, -3.0, -3.1])  # steep in the second quarter, which counts
    bent = np.array([9.0, 9.0, 9.0, *rest, 0.0])
    result = replace(results[0], log10_delta_ratio=tuple(bent))
    assert abs(phases.settled_slope(result) - np.polyfit(range(9), rest, 1)[0]) <= 1e-12
    assert math.isnan(phases.settled_slope(replace(result, log10_delta_ratio=(1.0, 0.0))))
    assert math.isnan(phases.settled_slope(replace(result, log10_delta_ratio=(*bent[:-2], -math.inf, 0.0))))


def test_cells_of_other_seeds_are_one_network(results):
    found = phases.networks(results)
    assert len(found) == len(results) / 2
    for network in found:
        members = [r for r in results if replace(r.cell, seeds=(0,)) == replace(network.cell, seeds=(0,))]
        slopes = np.array([member.decades_per_layer for member in members])
        expected = mean_interval(slopes)
        got = network.decades_per_layer, network.decades_per_layer_low, network.decades_per_layer_high
        assert np.array_equal(got, expected)
        assert network.seeds == 4
        assert abs(network.decades_lost / np.mean([m.decades_lost for m in members]) - 1) <= 1e-12
        assert network.verdict in {member.verdict for member in members}
    (alone,) = phases.networks(results[:1])
    assert alone.decades_per_layer_low == results[0].decades_per_layer_low
    assert len(phases.networks([*results, *results])[0].members) == 2  # the same cell twice is one


def test_every_seed_of_a_network_has_one_vote(results):
    """Two cells of two seeds against one of five."""
    votes = [("vanishing", 2), ("healthy", 5), ("vanishing", 2)]
    cells = [replace(results[0].cell, seeds=(seed,)) for seed in range(3)]
    members = [
        replace(results[0], cell=cell, verdict=verdict, verdict_seeds=seeds)
        for cell, (verdict, seeds) in zip(cells, votes, strict=True)
    ]
    (network,) = phases.networks(members)
    assert (network.verdict, network.verdict_seeds) == ("healthy", 5)
    (network,) = phases.networks([members[0], members[2], replace(members[1], verdict_seeds=3)])
    assert (network.verdict, network.verdict_seeds) == ("vanishing", 4)


def test_the_band_of_a_network_is_that_of_all_its_seeds():
    """A slope that lies in the band of one network, or of a cell's two, and outside that of the mean of four."""
    pair = measured(activation="tanh", init="xavier_normal", depth=6, seeds=[[0, 1], [2, 3]])
    expected = study.predict_cell(pair[0].cell)
    (_, two), (_, four) = (expected.decades_per_layer_band(seeds) for seeds in (2, 4))
    for slope, want in ((two - 0.9 * (two - four), "no"), (four - 0.1 * (two - four), "yes")):
        (network,) = phases.networks([replace(result, decades_per_layer=slope) for result in pair])
        assert (expected.in_band(slope, 2), network.in_band) == ("yes", want)
    assert phases.networks(pair[:1])[0].in_band == pair[0].in_band


def with_slope(slope):
    """A network of this cell whose delta has this slope."""

    def of(result):
        hidden = slope(result.cell) * np.arange(result.cell.depth)
        return replace(result, log10_delta_ratio=(*hidden, 0.0))

    return of


def test_a_crossing_is_where_the_slope_passes_through_0(results):
    line = with_slope(lambda cell: 1.3 + cell.bias_variance - cell.weight_variance)
    (diagram,) = phases.diagrams(phases.networks(map(line, results)))
    ((weight, bias, expected),) = diagram.crossings  # not at sigma_b^2 = 0
    assert bias == pytest.approx(0.04)
    assert abs(weight / 1.34 - 1) <= 1e-12
    assert expected == theory.critical_point("tanh", bias)[0]


def test_no_crossing_where_the_slope_keeps_its_sign_or_is_unknown(results):
    for slope in (lambda cell: 1.0, lambda cell: -1.0, lambda cell: math.nan):
        (diagram,) = phases.diagrams(phases.networks(map(with_slope(slope), results)))
        assert diagram.crossings == ()


def test_a_diagram_is_of_the_deepest_networks_that_span_it(results):
    shallow = [replace(r, cell=replace(r.cell, depth=9)) for r in results]
    single = [replace(results[0], cell=replace(results[0].cell, depth=50))]
    (diagram,) = phases.diagrams(phases.networks([*shallow, *results, *single]))
    assert {network.cell.depth for network in diagram.networks} == {12}
    assert len(diagram.networks) == 6
    assert phases.diagrams(phases.networks(results[:4])) == []


def test_the_line_and_the_presets_are_theorys(results):
    (diagram,) = phases.diagrams(phases.networks(results))
    line = diagram.critical_line()
    assert (line[0], line[-1][1]) == ((1.0, 0.0), pytest.approx(0.04))
    assert all(a[0] < b[0] for a, b in pairwise(line))
    presets = {name: point for name, *point in diagram.presets()}
    assert presets["he_normal"] == [2.0, 0.0]
    assert presets["torch_linear"] == pytest.approx([1 / 3, 1 / (3 * 16)])
    gain = theory.gains(diagram.cell.activation)[1]
    assert presets[f"xavier, gain {gain:.3g}"] == pytest.approx([gain**2, 0.0])


def test_trainable_depth():
    assert phases.trainable_depth(0.0) == math.inf
    assert phases.trainable_depth(0.5) == phases.trainable_depth(-0.5) == 5.0


@pytest.mark.sweep
@pytest.mark.parametrize("activation", ["tanh", "elu"])
def test_the_measured_critical_line_is_theorys_within_2_percent(activation):
    """At sigma_b^2 of .01, .05 and .25."""
    biases = [0.01, 0.05, 0.25]
    results = []
    for bias in biases:
        gains = [math.sqrt(f * theory.critical_point(activation, bias)[0]) for f in np.linspace(0.9, 1.1, 5)]
        axes = {"width": 256, "depth": 40, "batch": 128, "seeds": 10, "bias_std": math.sqrt(bias)}
        results += measured(activation=activation, init="xavier_normal", gain=gains, **axes)
    (diagram,) = phases.diagrams(phases.networks(results))
    assert len(diagram.crossings) == len(biases)
    for weight, bias, expected in diagram.crossings:
        print(f"{activation} sigma_b^2 {bias:.2f}: {weight:.4f}, theory {expected:.4f}, {weight / expected - 1:+.2%}")
        assert abs(weight / expected - 1) <= 0.02
