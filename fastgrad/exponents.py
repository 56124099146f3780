"""A pass through a network with a power of two carried beside every array: nothing leaves the float range."""

# Design: - delta = dL/dz is linear in the delta of the layer above, so a power of two may be taken out of it
#           at any layer and carried as an integer. Multiplying by a power of two rounds nothing: the numbers
#           are those of plain backpropagation, bit for bit, until that underflows, and right beyond.
#         - The same holds forward wherever the activation is positively homogeneous (ReLU, Leaky ReLU, tanh
#           and ELU near 0, ELU far from it). Without that, a ReLU network with Xavier weights underflows in
#           float32 from about layer 300, and its units would be reported dead.
#         - Arrays are rescaled only when their largest entry leaves [2^-WINDOW, 2^WINDOW]: with sigmoid and
#           Xavier that is every twelfth layer. Within it, and with weights up to 2^LARGEST_WEIGHT, no matrix
#           product overflows in float32.
#         - Sums of squares are float64: in float32 the naive sum is gone after half the depth.
#         - The compiled pass carries exponents backwards as here (rescale in include/fastgrad/set/network.h).

import math

import numpy as np

from fastgrad.kernels.compiled import LARGEST_WEIGHT, WINDOW  # powers of two
from fastgrad.losses import SCALED

# The largest magnitude that rounds to 0 (half the smallest subnormal, ties to even), as a power of two.
FLOAT32_ZERO, FLOAT64_ZERO = -150, -1075
MAY_BE_ZERO = FLOAT32_ZERO + 24  # sums of less than 2^24 products: above it none has vanished

_LOG10_2 = math.log10(2.0)


def layer_by_layer(network, X, y, threshold):
    """What a profile says of a network (``decay._MEASURED``), exponents carried forward and backward.

    X and y are checked; ValueError if a weight or bias is not what it may be.
    """
    with np.errstate(divide="ignore"):  # weights of nothing but 0
        weight_top = np.log2(_checked_tops(_largest(network.weights), _largest(network.biases)))
    depth, act = network.depth, network.activation
    log10_signal, log10_delta, log10_weight_gradient, signal_top, delta_top = np.empty((5, depth + 1))
    saturated, dead = np.empty((2, depth))

    hs, ds = [_rescaled(X, 0)], []  # the true values are 2^k times what the array holds
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        h, k = hs[layer]
        z, k = _preactivation(h, k, weight, bias)
        log10_signal[layer] = _log10_rms(z, k)
        signal_top[layer] = _log2_max(z, k)
        if layer == depth:
            break
        h, d, k = _activate(act, z, k, network.backend)
        saturated[layer] = np.count_nonzero(d < threshold) / d.size
        dead[layer] = np.count_nonzero(d.max(axis=0) == 0) / d.shape[1]
        hs.append(_rescaled(h, k))
        ds.append(_rescaled(d, 0))

    loss, *top = SCALED[network.loss](z, y, k)
    for layer, delta, k in _deltas(network, ds, *top):
        log10_delta[layer] = _log10_rms(delta, k)
        delta_top[layer] = _log2_max(delta, k)
        h, h_exponent = hs[layer]
        log10_weight_gradient[layer] = _log10_rms(h.T @ delta, h_exponent + k)

    zero_layers = []
    for limit in (FLOAT32_ZERO, FLOAT64_ZERO):
        lost = signal_top[:-1] <= limit
        seen = _delta_top_without_signal(network, ds, top, lost) if lost.any() else delta_top
        zero_layers.append(_zero_layer(seen, weight_top, limit))
    return log10_delta, log10_weight_gradient, log10_signal, saturated, dead, *zero_layers, loss


def _deltas(network, ds, delta, k):
    """(layer, delta, exponent) from the output to the input; ds holds (phi', exponent) per hidden layer."""
    for layer in reversed(range(network.depth + 1)):
        delta, k = _rescaled(delta, k)
        yield layer, delta, k
        if layer > 0:
            d, d_exponent = ds[layer - 1]
            delta = delta @ network.weights[layer].T  # z = h @ weight + bias
            delta *= d  # h = phi(z), d = phi'(z)
            k += d_exponent


def _largest(arrays):
    """The largest magnitude of each array; NaN or inf if it is not finite."""
    return np.array([max(a.max(), -a.min()) for a in arrays], np.float64)


def _checked_tops(weight_top, bias_top):
    """``weight_top``; ValueError if a product with such weights could overflow, or a bias is not finite."""
    for layer in np.flatnonzero(~((weight_top <= 2.0**LARGEST_WEIGHT) & np.isfinite(bias_top))):
        if np.isfinite(bias_top[layer]):
            raise ValueError(f"layer {layer + 1}: weights must be finite and at most 2^{LARGEST_WEIGHT} in size")
        raise ValueError(f"layer {layer + 1}: biases must be finite")
    return weight_top


def zero_layers(delta_top, weight_top):
    """The two fields of a profile of that name, from log2 of the largest magnitudes of delta and of W."""
    return tuple(_zero_layer(delta_top, weight_top, limit) for limit in (FLOAT32_ZERO, FLOAT64_ZERO))


def _zero_layer(delta_top, weight_top, limit):
    """The layer, from 1, nearest the output at which plain backpropagation rounds all of delta to 0.

    That is where the largest delta rounds to 0, or every product delta * weight in the sum that makes it.
    """
    zero = delta_top <= limit
    zero[:-1] |= delta_top[1:] + weight_top[1:] <= limit
    layers = np.flatnonzero(zero)
    return int(layers[-1]) + 1 if layers.size else None


def _delta_top_without_signal(network, ds, top, lost):
    """log2 of the largest delta if the signal of the hidden layers ``lost`` rounded to 0 on the way forward.

    Their derivative is then phi'(0): 0 for ReLU, which kills delta, and the slope for Leaky ReLU.
    """
    at_zero = network.activation.derivative(np.zeros((1, 1), network.dtype), backend=network.backend)
    ds = [(at_zero, 0) if gone else d for gone, d in zip(lost, ds, strict=True)]
    return np.array([_log2_max(delta, k) for _, delta, k in _deltas(network, ds, *top)][::-1])


def _preactivation(h, k, weight, bias):
    """z = 2^k h @ weight + bias as an array and an exponent, which is 0 while z is of ordinary size."""
    z = h @ weight
    size = max(_log2_max(z, k), _log2_max(bias, 0))
    exponent = 0 if abs(size) <= WINDOW or size == -math.inf else math.floor(size)
    if k != exponent:
        np.ldexp(z, k - exponent, out=z)
    z += np.ldexp(bias, -exponent) if exponent else bias
    return z, exponent


def _activate(act, z, k, backend):
    """phi(2^k z) as an array and an exponent, and phi'; z is overwritten."""
    if k:
        scale = min(max(_log2_max(z, k), -1000.0), 1000.0)
        limit = act.homogeneous_limit(2.0**scale)
        if limit is None:
            with np.errstate(over="ignore"):  # to inf, where phi is at its limit
                np.ldexp(z, k, out=z)
            k = 0
        else:
            act = limit
    y, d = act.value_and_derivative(z, out=(z, np.empty_like(z)), backend=backend)
    return y, d, k


def _rescaled(a, k):
    """2^k a as an array and an exponent, the array's largest magnitude being in the window."""
    top = _log2_max(a, 0)
    if abs(top) <= WINDOW or top == -math.inf:
        return a, k
    shift = math.floor(top)
    return np.ldexp(a, -shift), k + shift


def _log2_max(a, k):
    """log2 of the largest magnitude of 2^k a; -inf if a is 0, NaN if a holds a NaN."""
    top = float(max(a.max(), -a.min()))
    return math.log2(top) + k if top else -math.inf


def _log10_rms(a, k):
    """log10 of the root mean square of 2^k a, a 2-D array; -inf if a is 0."""
    total = float(np.einsum("ij,ij->", a, a, dtype=np.float64))
    return 0.5 * math.log10(total / a.size) + k * _LOG10_2 if total else -math.inf
