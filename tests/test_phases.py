"""Phase diagrams: slopes past the transient, crossings, the critical line, and networks over seeds."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fastgrad import theory
from fastgrad.measurement import mean_interval
from fastgrad.sweeps import networks, phases, plan, study
from fastgrad.sweeps.rows import ARRAYS, SCALARS
from fastgrad.sweeps.store import Store


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
    assert abs(study.settled_slope(bent) - np.polyfit(range(9), rest, 1)[0]) <= 1e-12
    assert math.isnan(study.settled_slope(np.array([1.0, 0.0])))
    assert math.isnan(study.settled_slope(np.array([*bent[:-2], -math.inf, 0.0])))
    for result in results:
        assert result.settled_decades_per_layer == study.settled_slope(np.array(result.log10_delta_ratio))


def merged(results):
    return [networks.merged(group) for group in networks.groups(results)]


def test_cells_of_other_seeds_are_one_network(results):
    found = merged(results)
    assert len(found) == len(results) / 2
    for network in found:
        members = [r for r in results if replace(r.cell, seeds=(0,)) == replace(network.cell, seeds=(0,))]
        assert network.cell.seeds == (0, 1, 2, 3)
        slopes = np.array([member.decades_per_layer for member in members])
        expected = mean_interval(slopes)
        got = network.decades_per_layer, network.decades_per_layer_low, network.decades_per_layer_high
        assert np.array_equal(got, expected)
        assert abs(network.decades_lost / np.mean([m.decades_lost for m in members]) - 1) <= 1e-12
        assert network.verdict in {member.verdict for member in members}
    assert merged(results[:1]) == results[:1]
    assert merged([*results, *results]) == found  # the same cell twice is one


def test_a_network_of_several_cells_is_what_one_cell_of_all_seeds_is():
    """But for what is known of each cell alone: the interval, and the votes."""
    axes = {"activation": "tanh", "init": "torch_linear", "depth": 6}
    (one,), parts = measured(**axes, seeds=[range(6)]), measured(**axes, seeds=[[0, 1], [2, 3], [4, 5]])
    (network,) = merged(parts)
    assert (network.cell, network.verdict, network.in_band) == (one.cell, one.verdict, one.in_band)
    for name in (*ARRAYS, *SCALARS):
        if name not in ("in_band", "verdict", "verdict_seeds", "evidence") and "zero_layer" not in name:
            values, expected = np.atleast_1d(getattr(network, name)), np.atleast_1d(getattr(one, name))
            if name.startswith(("decades_per_layer_", "log10_delta_ratio_")):
                continue
            assert np.abs(values - expected).max() <= 1e-12 * np.abs(expected).max(), name
    assert network.evidence == one.evidence


def test_a_cell_that_shares_seeds_with_a_larger_one_does_not_count_twice():
    small, large = measured(activation="tanh", init="xavier_normal", depth=3, seeds=[[0, 9], [0, 1, 2]])
    (network,) = merged([small, large])
    assert network == large


def test_layers_that_were_not_read_are_not_missed(results, tmp_path):
    with Store(tmp_path / "a.db", writable=True) as store:
        store.add(results, [], {})
        light = list(store.results(layers=False))
    assert {len(getattr(result, name)) for result in light for name in ARRAYS} == {0}
    whole = {network.cell: network for network in merged(results)}
    for network in merged(light):
        full = whole[network.cell]
        assert all(getattr(network, name) == getattr(full, name) for name in SCALARS if name != "evidence")


def test_every_seed_of_a_network_has_one_vote(results):
    """Two cells of two seeds against one of five."""
    votes = [("vanishing", 2), ("healthy", 5), ("vanishing", 2)]
    cells = [replace(results[0].cell, seeds=(seed,)) for seed in range(3)]
    members = [
        replace(results[0], cell=cell, verdict=verdict, verdict_seeds=seeds)
        for cell, (verdict, seeds) in zip(cells, votes, strict=True)
    ]
    (network,) = merged(members)
    assert (network.verdict, network.verdict_seeds) == ("healthy", 5)
    (network,) = merged([members[0], members[2], replace(members[1], verdict_seeds=3)])
    assert (network.verdict, network.verdict_seeds) == ("vanishing", 4)


def test_the_band_of_a_network_is_that_of_all_its_seeds():
    """A slope that lies in the band of one network, or of a cell's two, and outside that of the mean of four."""
    pair = measured(activation="tanh", init="xavier_normal", depth=6, seeds=[[0, 1], [2, 3]])
    expected = study.predict_cell(pair[0].cell)
    (_, two), (_, four) = (expected.decades_per_layer_band(seeds) for seeds in (2, 4))
    for slope, want in ((two - 0.9 * (two - four), "no"), (four - 0.1 * (two - four), "yes")):
        (network,) = merged([replace(result, decades_per_layer=slope) for result in pair])
        assert (expected.in_band(slope, 2), network.in_band) == ("yes", want)
        band = network.predicted_decades_per_layer_low, network.predicted_decades_per_layer_high
        assert band == pytest.approx(expected.decades_per_layer_band(4), rel=1e-12)
    beyond = [replace(result, in_band="beyond") for result in pair]
    assert merged(beyond)[0].in_band == "beyond"
    assert merged([replace(result, decades_per_layer=math.nan) for result in beyond])[0].in_band == "none"


def with_slope(slope):
    """A network of this cell whose delta has this slope."""

    def of(result):
        return replace(result, settled_decades_per_layer=slope(result.cell))

    return of


def test_a_crossing_is_where_the_slope_passes_through_0(results):
    line = with_slope(lambda cell: 1.3 + cell.bias_variance - cell.weight_variance)
    (diagram,) = phases.diagrams(merged(map(line, results)))
    (crossing,) = diagram.crossings  # not at sigma_b^2 = 0
    weight, bias, expected = crossing
    assert bias == pytest.approx(0.04)
    assert abs(weight / 1.34 - 1) <= 1e-12
    assert expected == theory.critical_point("tanh", bias)[0]
    assert crossing.difference == weight / expected - 1


def test_no_crossing_where_the_slope_keeps_its_sign_or_is_unknown(results):
    for slope in (lambda cell: 1.0, lambda cell: -1.0, lambda cell: math.nan):
        (diagram,) = phases.diagrams(merged(map(with_slope(slope), results)))
        assert diagram.crossings == ()


def test_a_diagram_is_of_the_deepest_networks_that_span_it(results):
    shallow = [replace(r, cell=replace(r.cell, depth=9)) for r in results]
    single = [replace(results[0], cell=replace(results[0].cell, depth=50))]
    (diagram,) = phases.diagrams(merged([*shallow, *results, *single]))
    assert {network.cell.depth for network in diagram.networks} == {12}
    assert len(diagram.networks) == 6
    assert phases.diagrams(merged(results[:4])) == []


def test_the_line_and_the_presets_are_theorys(results):
    (diagram,) = phases.diagrams(merged(results))
    line = diagram.critical_line()
    assert (line[0], line[-1][1]) == ((1.0, 0.0), pytest.approx(0.04))
    assert all(a[0] < b[0] for a, b in pairwise(line))
    presets = {name: point for name, *point in diagram.presets()}
    assert presets["he_normal"] == [2.0, 0.0]
    assert presets["torch_linear"] == pytest.approx([1 / 3, 1 / (3 * 16)])
    gain = diagram.cell.activation.gain
    assert presets[f"xavier, gain {gain:.3g}"] == pytest.approx([gain**2, 0.0])


def test_a_depth_map_is_of_the_least_bias_and_has_theorys_line(results):
    shallow = [replace(r, cell=replace(r.cell, depth=4)) for r in results]
    (found,) = phases.depth_maps(merged([*results, *shallow]))
    assert {(n.cell.bias_variance, n.cell.depth) for n in found.networks} == {(0.0, 4), (0.0, 12)}
    assert len(found.networks) == 6
    for weight, depth in found.trainable_line():
        chi = theory.chi("tanh", weight_variance=weight)
        assert depth == pytest.approx(min(phases.trainable_depth(math.log10(chi) / 2), 120.0))
    assert phases.depth_maps(merged(results)) == []  # of one depth


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
    (diagram,) = phases.diagrams(merged(results))
    assert len(diagram.crossings) == len(biases)
    for weight, bias, expected in diagram.crossings:
        print(f"{activation} sigma_b^2 {bias:.2f}: {weight:.4f}, theory {expected:.4f}, {weight / expected - 1:+.2%}")
        assert abs(weight / expected - 1) <= 0.02
