"""How far networks of finite width deviate from mean-field theory: noise of a layer, variances, the 95 % band."""

# Design: - First order in depth/width. Checked on 1500 networks of one sample (width 64, depth 30; ReLU, sigmoid,
#           tanh, ELU; Xavier, He, critical): the variance is within 12 % of the measured one, where backward noise
#           alone is up to 30 % short; at depth 100 it is 19 % too wide. The mean of the logarithm lay between
#           -variance/2 - 0.12 and 0, for 32 samples up to +0.1 (tanh + He).
#         - First order ends at FIRST_ORDER = 1/2 in depth/width (the sum of 1/N over the hidden layers). On the digits,
#           five activations by Xavier, He and PyTorch's default, batch 64, the mean slope of 200 networks of width 32,
#           100 of width 64 and 60 of width 128 lies in its band at 1/8, 1/4 and 1/2, and up to 2 wherever the
#           activation is not ELU with He. That one is on the edge at 1/2 (width 128), has left it at 3/4 (64 and 128)
#           and at 3/2 (32): its q never settles, so the noise of ln q adds up and drags its mean along, and chi with
#           it, by some .03 depth^1.5/N decades over the depth, which the band leaves out. (ReLU's chi is the same for
#           every q.) The band narrows with the number of networks and this does not: within the limit, means of ten
#           or twenty are served at depths of up to 128; at width 512, depth 256 ELU + He stands outside with ten.
#           Nothing is widened for it: beyond the limit `Prediction.in_band` says so in place of yes or no.

import math
from typing import NamedTuple

import numpy as np

from fastgrad._validation import positive_int
from fastgrad.moments import (
    derivative,
    derivative_fourth_moment,
    derivative_second_moment,
    fourth_moment,
    gaussian_mean,
    second_moment,
    value,
)

NOISE_LOG_Q = 28.0  # the noise has reached its limits at q = 1e-12 and 1e12
FIRST_ORDER = 0.5  # depth/width up to which the band holds
Z95 = 1.959963984540054  # 97.5 % point of the standard normal
TO_LOG10_RMS = 0.5 / math.log(10)  # from ln of a mean square to log10 of a root mean square


class Noise(NamedTuple):
    """First-order noise of each hidden layer, arrays of shape (hidden,); ``x_l`` is the deviation of ln q_l.

    x_(l+1) = memory x_l + weight f_l and ln(|delta_l|^2 / |delta_(l+1)|^2) = its mean + response x_l + b_l,
    where f_l and b_l have the variances ``forward`` and ``backward`` and the covariance ``shared``.
    """

    memory: np.ndarray
    weight: np.ndarray
    response: np.ndarray
    backward: np.ndarray
    forward: np.ndarray
    shared: np.ndarray


def noise(phi, log_q, log_bias, widths) -> Noise:
    """The noise of hidden layers that are averages over N units instead of expectations.

    Relative variances: backward, of mean_i phi'(z_i)^2 g_i^2 with g normal, (3 E phi'^4/(E phi'^2)^2 - 1)/N,
    which is 5/N for ReLU; forward, of mean_i phi(z_i)^2, (E phi^4/(E phi^2)^2 - 1)/N; their covariance.
    memory = d ln q_(l+1)/d ln q_l and response = d ln chi/d ln q_l carry forward noise on, and into delta.

    Parameters
    ----------
    phi : Activation
    log_q : ndarray, shape (hidden + 1,)
        ln of the variance of the pre-activations, hidden layers and output.
    log_bias : ndarray, shape (hidden,)
        ln of the variance of the biases, of all layers but the first.
    widths : ndarray, shape (hidden,)
    """
    q = np.exp(np.clip(log_q[:-1], -NOISE_LOG_Q, NOISE_LOG_Q))
    square, slope = second_moment(phi, q), derivative_second_moment(phi, q)
    both = gaussian_mean(lambda x: (value(phi, x) * derivative(phi, x)) ** 2, q)
    growth = gaussian_mean(lambda x: x * value(phi, x) * derivative(phi, x), q) / square
    weight = -np.expm1(log_bias - np.maximum(log_q[1:], -1e300))  # the weights' share of q_(l+1)
    step = 1e-4  # central difference, right to step^2
    up, down = (np.log(derivative_second_moment(phi, q * math.exp(h))) for h in (step, -step))
    return Noise(
        memory=weight * growth,
        weight=weight,
        response=(up - down) / (2 * step),
        backward=(3 * derivative_fourth_moment(phi, q) / slope**2 - 1) / widths,
        forward=(fourth_moment(phi, q) / square**2 - 1) / widths,
        shared=(both / (slope * square) - 1) / widths,
    )


def variance_of_sum(noise: Noise, weights: np.ndarray) -> float:
    """Var of sum_l w_l ln(|delta_l|^2 / |delta_(l+1)|^2) over networks; ``weights`` w has shape (hidden,)."""
    return _from_the_output(noise, weights)[0][0]


def variance_of_delta(noise: Noise) -> np.ndarray:
    """Var of ln(|delta_l|^2 / |delta_L|^2) over networks, L being the output: shape (hidden,)."""
    before, x = [], 0.0  # x: Var x_l, by the noise of the layers before l
    for memory, weight, forward in zip(noise.memory, noise.weight, noise.forward, strict=True):
        before.append(x)
        x = memory * memory * x + weight * weight * forward
    since, onward = _from_the_output(noise, np.ones(len(noise.memory)))
    return np.array(since) + np.square(onward) * before


def _from_the_output(noise, weights):
    """For each layer l: the variance that layers l and on add to their weighted sum, and d sum / d x_l."""
    since, onward = [0.0], [0.0]
    for w, *terms in zip(*(np.flip(term).tolist() for term in (weights, *noise)), strict=True):
        n = Noise(*terms)
        f = onward[-1] * n.weight
        since.append(since[-1] + w * w * n.backward + 2 * w * f * n.shared + f * f * n.forward)
        onward.append(w * n.response + n.memory * onward[-1])
    return since[:0:-1], onward[:0:-1]


def band(log10, variance, shift, seeds: int):
    """95 % band of the mean over ``seeds`` networks of the logarithm whose wide limit is ``log10``: (low, high).

    ``variance`` is that of ln of the mean square over networks. The mean of a logarithm lies off the logarithm of the
    mean by ``shift`` for one sample (-variance/2 for delta itself; ReLU: Hanin and Nica 2019), by less for a batch,
    whose samples average part of the noise. The band covers both. Terms of second order in depth/width are left out:
    0.03 decades at a depth of half the width.
    """
    spread = Z95 * np.sqrt(variance / positive_int("seeds", seeds))
    low, high = np.minimum(shift, 0.0) - spread, np.maximum(shift, 0.0) + spread
    return log10 + TO_LOG10_RMS * low, log10 + TO_LOG10_RMS * high
