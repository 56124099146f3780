"""Test the tests of networks: every planted mistake must make the named check fail, which the honest code passes."""

import math
from dataclasses import replace
from functools import partial

import checks_network as checks
import numpy as np
import pytest

from fastgrad import (
    decay,
    draws,
    exponents,
    finite_width,
    initializers,
    losses,
    measurement,
    moments,
    network,
    slopes,
    theory,
)
from fastgrad.activations import Activation
from fastgrad.initializers import initializer

SQUARE = (4, 4, 4, 4)  # a transpose forgotten is no error of shape
TINY = initializer("normal", std=0.01)

honest = {
    "affine_backward": network.affine_backward,
    "cross_entropy": losses.SCALED["cross_entropy"],
    "mse": losses.SCALED["mse"],
    "profile": decay.profile,
    "rescaled": exponents._rescaled,
    "value_and_derivative": Activation.value_and_derivative,
    "summarise": measurement.summarise,
}


# One layer.


def weight_not_transposed(dz, x, weight, need_dx=True):
    return honest["affine_backward"](dz, x, weight.T, need_dx)


def weight_gradient_transposed(dz, x, weight, need_dx=True):
    dx, dweight, dbias = honest["affine_backward"](dz, x, weight, need_dx)
    return dx, dweight.T, dbias


def bias_gradient_averaged(dz, x, weight, need_dx=True):
    dx, dweight, _ = honest["affine_backward"](dz, x, weight, need_dx)
    return dx, dweight, dz.mean(axis=0)


def bias_gradient_of_one_sample(dz, x, weight, need_dx=True):
    dx, dweight, _ = honest["affine_backward"](dz, x, weight, need_dx)
    return dx, dweight, dz[0]


def derivative_from_the_output(self, x, out=(None, None), backend="compiled"):
    y, d = honest["value_and_derivative"](self, x, out, backend)
    return y, np.subtract(1, y * y, out=d)


def derivative_forgotten(self, x, out=(None, None), backend="compiled"):
    y, d = honest["value_and_derivative"](self, x, out, backend)
    d.fill(1)
    return y, d


# Losses.


def delta_not_divided_by_the_batch(outputs, labels, exponent=0):
    loss, delta, k = honest["cross_entropy"](outputs, labels, exponent)
    return loss, delta * len(labels), k


def loss_summed_over_the_batch(outputs, labels, exponent=0):
    loss, delta, k = honest["cross_entropy"](outputs, labels, exponent)
    return loss * len(labels), delta, k


def delta_off_by_one_class(outputs, labels, exponent=0):
    loss, _, _ = honest["cross_entropy"](outputs, labels, exponent)
    return loss, *honest["cross_entropy"](outputs, (labels + 1) % outputs.shape[1], exponent)[1:]


@np.errstate(all="ignore")
def softmax_of_raw_outputs(outputs, labels, exponent=0):
    e = np.exp(np.ldexp(outputs, exponent))
    p, rows = e / e.sum(axis=1, keepdims=True), np.arange(len(labels))
    loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1
    return float(loss), p / len(labels), 0


@np.errstate(all="ignore")
def one_subtracted_at_the_label(outputs, labels, exponent=0):
    loss, _, _ = honest["cross_entropy"](outputs, labels, exponent)
    t = np.ldexp(outputs.astype(np.float64), exponent)
    e = np.exp(t - t.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return loss, p / len(labels), 0


def mse_not_divided_by_the_outputs(outputs, targets, exponent=0):
    loss, delta, k = honest["mse"](outputs, targets, exponent)
    return loss, delta * outputs.shape[1], k


# Profiles and measurements.


def exponent_dropped(a, k):
    return honest["rescaled"](a, k)[0], 0


def exponent_with_the_wrong_sign(a, k):
    rescaled, carried = honest["rescaled"](a, k)
    return rescaled, 2 * k - carried


def plain_backpropagation(a, k):
    return np.ldexp(a, k), 0


def weight_gradient_reported_as_delta(net, X, y, **options):
    found = honest["profile"](net, X, y, **options)
    return replace(found, log10_delta=found.log10_weight_gradient)


def delta_one_layer_off(net, X, y, **options):
    found = honest["profile"](net, X, y, **options)
    return replace(found, log10_delta=np.roll(found.log10_delta, 1))


def norm_in_place_of_the_root_mean_square(a, k):
    return math.log10(np.linalg.norm(a.astype(np.float64))) + k * math.log10(2)


def linear_with_half_the_slope_near_zero(self, scale):
    return Activation("leaky_relu", 0.5) if scale < 2.0**-27 else None


def fit_over_the_output_layer_too(log10_delta):
    return float(np.polyfit(range(len(log10_delta)), log10_delta, 1)[0])


def fit_through_the_ends(log10_delta):
    return (log10_delta[-2] - log10_delta[0]) / (len(log10_delta) - 2)


def norms_averaged_in_place_of_logarithms(profiles):
    raw = np.log10(np.mean([10**p.log10_delta for p in profiles], axis=0))
    return replace(honest["summarise"](profiles), log10_delta=raw)


def normal_interval_in_place_of_students(profiles):
    found = honest["summarise"](profiles)
    slopes = [p.decades_per_layer for p in profiles]
    reach = finite_width.Z95 * np.std(slopes, ddof=1) / math.sqrt(len(slopes))
    return replace(found, decades_per_layer_interval=(np.mean(slopes) - reach, np.mean(slopes) + reach))


def spread_in_place_of_the_standard_error(profiles):
    found = honest["summarise"](profiles)
    return replace(found, log10_delta_sem=found.log10_delta_sem * math.sqrt(len(profiles)))


# Initializers.


honest_drawn = draws.drawn


def one_stream_for_all_layers(shape, distribution, scale, key, stream, dtype, workers=1):
    return honest_drawn(shape, distribution, scale, key, 0, dtype, workers)


def wrong_rule(name, **parts):
    return lambda patch: patch.setitem(initializers.RULES, name, initializers.RULES[name]._replace(**parts))


def standard_deviation_of_one(distribution):
    """As if the distribution's own standard deviation were 1: wrong but for the normal."""
    return lambda patch: patch.setitem(draws.UNIT, distribution, 1.0)


# Theory.


def slope_not_squared(phi, q, power):
    return moments.gaussian_mean(lambda x: moments.derivative(phi, x), q)


def fan_in_in_place_of_fan_out(activation, init, sizes, X=None, **options):
    found = honest_predict(activation, init, sizes, X, **options)
    square = np.append(np.log10(np.array(sizes[2:]) / sizes[1:-1])[::-1].cumsum()[::-1] / 2, 0.0)
    return replace(found, log10_delta_ratio=found.log10_delta_ratio - square)


honest_predict = theory.predict


def setting(target, name, saboteur):
    """Plant ``saboteur`` as ``target.name``."""
    plant = partial(_set, target, name, saboteur)
    plant.__name__ = saboteur.__name__
    return plant


def _set(target, name, saboteur, patch):
    if isinstance(target, dict):
        patch.setitem(target, name, saboteur)
    else:
        patch.setattr(target, name, saboteur)


gradients = partial(checks.gradients, "tanh", "cross_entropy", "float64", "numpy", SQUARE)
gradients_mse = partial(checks.gradients, "tanh", "mse", "float64", "numpy", SQUARE)
vanishing = partial(checks.deep_profile, "sigmoid", TINY, 40)
levelling = partial(checks.deep_profile, "tanh", TINY, 25, bias_std=1e-20)

SABOTEURS = {
    "weight not transposed": (setting(network, "affine_backward", weight_not_transposed), gradients),
    "dL/dW transposed": (setting(network, "affine_backward", weight_gradient_transposed), gradients),
    "dL/db averaged": (setting(network, "affine_backward", bias_gradient_averaged), gradients),
    "dL/db of one sample": (setting(network, "affine_backward", bias_gradient_of_one_sample), gradients),
    "derivative forgotten": (setting(Activation, "value_and_derivative", derivative_forgotten), gradients),
    "derivative from y": (
        setting(Activation, "value_and_derivative", derivative_from_the_output),
        checks.saturated_profile,
    ),
    "delta without 1/batch": (setting(losses.SCALED, "cross_entropy", delta_not_divided_by_the_batch), gradients),
    "loss without 1/batch": (setting(losses.SCALED, "cross_entropy", loss_summed_over_the_batch), gradients),
    "delta off by one class": (setting(losses.SCALED, "cross_entropy", delta_off_by_one_class), gradients),
    "softmax of raw outputs": (
        setting(losses.SCALED, "cross_entropy", softmax_of_raw_outputs),
        partial(checks.cross_entropy_close, [[2000.0, 1980.0, -2000.0], [600.0, 620.0, 400.0]], [0, 2]),
    ),
    "p - 1 at the label": (
        setting(losses.SCALED, "cross_entropy", one_subtracted_at_the_label),
        partial(checks.cross_entropy_close, [[50.0, 0.0, 1.0]], [0]),
    ),
    "mse without 1/n_out": (setting(losses.SCALED, "mse", mse_not_divided_by_the_outputs), gradients_mse),
    "exponent dropped": (setting(exponents, "_rescaled", exponent_dropped), vanishing),
    "exponent's sign": (setting(exponents, "_rescaled", exponent_with_the_wrong_sign), vanishing),
    "no exponent": (setting(exponents, "_rescaled", plain_backpropagation), vanishing),
    "dL/dW as delta": (setting(decay, "profile", weight_gradient_reported_as_delta), vanishing),
    "delta one layer off": (setting(decay, "profile", delta_one_layer_off), vanishing),
    "norm for RMS": (setting(exponents, "_log10_rms", norm_in_place_of_the_root_mean_square), vanishing),
    "wrong limit near 0": (
        setting(Activation, "homogeneous_limit", linear_with_half_the_slope_near_zero),
        levelling,
    ),
    "fit over the output": (
        setting(slopes, "decades_per_layer", fit_over_the_output_layer_too),
        checks.slope_of_hidden_layers,
    ),
    "fit through the ends": (
        setting(slopes, "decades_per_layer", fit_through_the_ends),
        checks.slope_of_hidden_layers,
    ),
    "norms averaged": (
        setting(measurement, "summarise", norms_averaged_in_place_of_logarithms),
        checks.means_over_seeds,
    ),
    "normal interval": (
        setting(measurement, "summarise", normal_interval_in_place_of_students),
        checks.means_over_seeds,
    ),
    "spread for error": (
        setting(measurement, "summarise", spread_in_place_of_the_standard_error),
        checks.means_over_seeds,
    ),
    "one stream": (setting(draws, "drawn", one_stream_for_all_layers), checks.layers_differ),
    "He without the 2": (
        wrong_rule("he_normal", variance=lambda fan_in, fan_out, negative_slope, mode: 1 / fan_in),
        partial(checks.initial_weights, "he_normal", "float64"),
    ),
    "He with fan_out": (
        wrong_rule("he_normal", variance=lambda fan_in, fan_out, negative_slope, mode: 2 / fan_out),
        partial(checks.initial_weights, "he_normal", "float64"),
    ),
    "Xavier with fan_in only": (
        wrong_rule("xavier_normal", variance=lambda fan_in, fan_out, gain: gain**2 / fan_in),
        partial(checks.initial_weights, "xavier_normal", "float64"),
    ),
    "narrow uniform": (
        standard_deviation_of_one("uniform"),
        partial(checks.initial_weights, "xavier_uniform", "float64"),
    ),
    "truncated, uncorrected": (
        standard_deviation_of_one("truncated"),
        partial(checks.initial_weights, "lecun_normal", "float64"),
    ),
    "chi without the square": (
        setting(moments, "_derivative_moment", slope_not_squared),
        partial(checks.theory_of_one_layer, "tanh"),
    ),
    "chi with fan_in": (setting(theory, "predict", fan_in_in_place_of_fan_out), checks.theory_of_two_layers),
    "chi with fan_in, measured": (
        setting(theory, "predict", fan_in_in_place_of_fan_out),
        checks.layers_that_are_not_square,
    ),
}


@pytest.mark.parametrize(("plant", "check"), SABOTEURS.values(), ids=SABOTEURS)
def test_a_planted_mistake_fails(plant, check, monkeypatch):
    check()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check()
