"""One line through log10 delta: what is measured, predicted and told goes through it."""

import math
import re

import numpy as np
import pytest

import fastgrad
from fastgrad import diagnosis, slopes, theory
from fastgrad.sweeps import study


def test_slope_lost_decades_and_half_life():
    straight = np.array([-8.0, -6.0, -4.0, -2.0, -1.0])
    assert slopes.decades_per_layer(straight) == 2.0
    assert slopes.decades_lost(straight) == 6.0
    assert slopes.half_life(2.0) == math.log10(2.0) / 2
    assert slopes.half_life(0.0) == slopes.half_life(-1.0) == math.inf
    bent = np.array([-3.0, -2.5, -1.0, -2.0, 5.0])
    assert abs(slopes.decades_per_layer(bent) / np.polyfit(range(4), bent[:-1], 1)[0] - 1) <= 1e-14
    assert math.isnan(slopes.decades_per_layer([-1.0, -1.0]))  # one hidden layer
    assert slopes.decades_lost([-1.0, -1.0]) == 0.0
    dead_below = [-math.inf, -math.inf, -3.0, -2.0, -1.0]
    assert slopes.decades_per_layer(dead_below) == math.inf
    assert slopes.decades_lost(dead_below) == math.inf
    assert slopes.half_life(math.inf) == 0.0
    assert math.isnan(slopes.half_life(math.nan))


@pytest.mark.parametrize("n", [2, 3, 4, 17])
def test_slope_weights_are_those_of_least_squares(n):
    y = np.random.default_rng(n).standard_normal(n)
    true = np.polyfit(np.arange(n), y, 1)[0]
    assert abs(slopes.weights(n) @ y / true - 1) <= 1e-10
    assert slopes.weights(1).tolist() == [0]


def test_what_is_unknown_stays_unknown():
    """A NaN in the middle, as from a loss that is NaN, used to count as a delta of 0."""
    assert math.isnan(slopes.decades_per_layer([-3.0, math.nan, -1.0, 0.0]))
    assert math.isnan(slopes.decades_lost([-3.0, -math.inf, 0.0]))


def test_the_depth_of_a_loss_is_the_inverse_of_the_rate():
    for rate in (0.25, -0.25):
        depth = slopes.depth_of(2.0, rate)
        assert depth == 9.0
        assert slopes.decades_lost([*(rate * np.arange(depth)), 0.0]) == 8 * rate
    assert slopes.depth_of(2.0, 0.0) == math.inf
    assert slopes.depth_of(2.0, math.inf) == 1.0
    assert math.isnan(slopes.depth_of(2.0, math.nan))


def test_every_teller_of_a_rate_fits_the_same_line():
    """tanh + Xavier bends: over 50 layers the slope through its ends is a fifth and more above that of the line."""
    cell = study.Cell("tanh", "xavier_normal", 50, 64, 64, seeds=(3,))
    result = study.measure_cell(cell)
    line = np.polyfit(range(50), result.log10_delta[:-1], 1)[0]
    assert (result.log10_delta[-2] - result.log10_delta[0]) / 49 >= 1.2 * line
    X, y = (array[:64] for array in fastgrad.datasets.load("digits"))
    profile = fastgrad.MLP([X.shape[1], *[64] * 50, 10], "tanh", "xavier_normal", 3).gradient_profile(X, y)
    for told in (result.decades_per_layer, profile.decades_per_layer, profile.to_dict()["decades_per_layer"]):
        assert abs(told / line - 1) <= 1e-9
    for evidence in (result.evidence, diagnosis.diagnose(profile).evidence):
        assert re.search(r"([\d.]+) per layer", evidence).group(1) == f"{line:.3f}"
    predicted = theory.predict("tanh", "xavier_normal", [X.shape[1], *[64] * 50, 10], X)
    expected = np.polyfit(range(50), predicted.log10_delta_ratio[:-1], 1)[0]
    assert abs(predicted.decades_per_layer / expected - 1) <= 1e-9
    assert abs(result.predicted_decades_per_layer / expected - 1) <= 1e-9
