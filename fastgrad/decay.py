"""Gradients -> GradientProfile: log10 of delta and of dL/dW, layer by layer, at any depth."""

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
#         - The compiled pass takes |dL/dW| from two Gram matrices where that is cheaper and accurate enough
#           (gram_squares in include/fastgrad/set/network.h), and carries exponents backwards as here (rescale).

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from fastgrad import slopes
from fastgrad._validation import boolean, plain
from fastgrad.draws import key
from fastgrad.kernels import compiled
from fastgrad.kernels.compiled import LARGEST_WEIGHT, WINDOW  # powers of two
from fastgrad.losses import SCALED
from fastgrad.network import MLP

# The largest magnitude that rounds to 0 (half the smallest subnormal, ties to even), as a power of two.
FLOAT32_ZERO, FLOAT64_ZERO = -150, -1075
MAY_BE_ZERO = FLOAT32_ZERO + 24  # sums of less than 2^24 products: above it none has vanished

_LOG10_2 = math.log10(2.0)


@dataclass(frozen=True, eq=False)
class GradientProfile:
    """How the gradients of one network on one batch change from layer to layer.

    L is the number of weight layers, hidden and output, counted from the input. Everything logarithmic is
    log10 of a root mean square; -inf where the quantity is exactly 0.

    Attributes
    ----------
    log10_delta : ndarray, shape (L,)
        Of delta = dL/dz over batch and units, L being the mean loss over the batch.
    log10_weight_gradient : ndarray, shape (L,)
        Of dL/dW over the weights.
    log10_signal : ndarray, shape (L,)
        Of the pre-activation z over batch and units.
    saturated_fraction : ndarray, shape (L - 1,)
        Share of (sample, unit) pairs of a hidden layer whose derivative is below its ``saturation_threshold``,
        1 % of the largest; 0 for ReLU and Leaky ReLU.
    dead_fraction : ndarray, shape (L - 1,)
        Share of units whose derivative is 0 on every sample of the batch: nothing passes them. The derivative
        is in the network's dtype, where sigmoid's is 0 from |z| = 104 in float32, 745 in float64.
    float32_zero_layer, float64_zero_layer : int or None
        The layer, 1 being the first, nearest the output at which plain backpropagation in that type gives a
        delta of nothing but zeros; None if there is none.
    batch : int
    network : MLP
    X, y : ndarray
        What was measured, not copied: ``diagnosis`` sees them as they are when it is first asked for.
    mean_loss : float
        Over the batch.
    """

    log10_delta: np.ndarray
    log10_weight_gradient: np.ndarray
    log10_signal: np.ndarray
    saturated_fraction: np.ndarray
    dead_fraction: np.ndarray
    float32_zero_layer: int | None
    float64_zero_layer: int | None
    batch: int
    network: MLP = field(repr=False)
    X: np.ndarray | Any = field(repr=False)  # None in the profile of a model that is watched
    y: np.ndarray | Any = field(repr=False)
    mean_loss: float = field(repr=False)

    @property
    def decades_per_layer(self) -> float:
        """Decades that delta loses per hidden layer towards the input, least squares; above 0: vanishing."""
        return slopes.decades_per_layer(self.log10_delta)

    @property
    def decades_lost(self) -> float:
        """Decades that delta loses from the last hidden layer to the first; NaN if it is 0 everywhere."""
        return slopes.decades_lost(self.log10_delta)

    @property
    def half_life(self) -> float:
        """Hidden layers in which delta halves; inf if it does not decay."""
        return slopes.half_life(self.decades_per_layer)

    @cached_property
    def diagnosis(self):
        """What is wrong, with its evidence, cause and remedy: a :class:`fastgrad.diagnosis.Diagnosis`."""
        from fastgrad.diagnosis import diagnose_network

        return diagnose_network(self.network, self.X, self.y, profile=self)

    def plot(self, **options):
        """Draw the profile (needs matplotlib)."""
        from fastgrad.report import plots

        return plots.plot_profile(self, **options)

    def to_dict(self) -> dict:
        """The profile as JSON can hold it: what is not finite is the string "inf", "-inf" or "nan"."""
        net = self.network
        return {
            "activation": net.activation.label,
            "init": net.initializer.label,
            "sizes": list(net.sizes),
            "batch": self.batch,
            "dtype": net.dtype.name,
            "loss": net.loss,
            **self._measured(),
        }

    def _measured(self):
        return plain(
            {
                "log10_delta": self.log10_delta.tolist(),
                "log10_weight_gradient": self.log10_weight_gradient.tolist(),
                "log10_signal": self.log10_signal.tolist(),
                "saturated_fraction": self.saturated_fraction.tolist(),
                "dead_fraction": self.dead_fraction.tolist(),
                "decades_per_layer": self.decades_per_layer,
                "decades_lost": self.decades_lost,
                "half_life": self.half_life,
                "float32_zero_layer": self.float32_zero_layer,
                "float64_zero_layer": self.float64_zero_layer,
            }
        )


def profile(network: MLP, X, y, *, recompute: bool = False) -> GradientProfile:
    """The profile of a network on a batch; ``network.gradient_profile(X, y)`` is the same.

    Parameters
    ----------
    network : MLP
    X, y : array_like
        As for :meth:`fastgrad.MLP.loss_and_gradients`, which also lists the errors.
    recompute : bool
        Keep the activations of about ``2 sqrt(depth)`` layers in memory instead of all, and compute the others
        again when the backward pass comes to them: a third more time, the same numbers. Compiled backend only.

    Raises
    ------
    ValueError
        Also if a weight is not finite or above 2^64 in magnitude, a bias is not finite, or ``recompute`` is asked of
        another backend.
    TypeError
        Also if ``recompute`` is not True or False.
    """
    if boolean("recompute", recompute) and network.backend != "compiled":
        raise ValueError(f"recompute needs the compiled backend, got {network.backend!r}")
    threshold = network.activation.saturation_threshold
    arrays = None
    if network.backend == "compiled":
        arrays = _in_one_pass(network, threshold, recompute, network.weights, network.biases, X, y)
    if arrays is None:
        X, y = network.check(X, y)
        if network.backend == "compiled":
            arrays = _in_one_pass(network, threshold, recompute, *network.plain_arrays(X, y))
    if not arrays:
        arrays = _layer_by_layer(network, X, y, threshold)
    return _profile(arrays, network, X, y)


def _profile(measured, network, X, y):
    """A profile from what was measured, the fields of ``_MEASURED``."""
    return GradientProfile(**dict(zip(_MEASURED, measured, strict=True)), batch=len(X), network=network, X=X, y=y)


@dataclass(frozen=True, eq=False)
class GradientProfiles(Sequence):
    """The profiles of networks that differ in their seed alone, each made when it is asked for.

    Attributes
    ----------
    network : MLP
        One of the networks; what it is made of but for the seed is that of all.
    seeds : tuple of int or SeedSequence
    X, y : ndarray
        What was measured.
    log10_delta, log10_weight_gradient, log10_signal : ndarray, shape (seeds, L)
    saturated_fraction, dead_fraction : ndarray, shape (seeds, L - 1)
    float32_zero_layer, float64_zero_layer : list of int or None
    mean_loss : list of float
        A row or an entry per seed; each as in :class:`GradientProfile`.
    """

    network: MLP
    seeds: tuple
    X: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    log10_delta: np.ndarray = field(repr=False)
    log10_weight_gradient: np.ndarray = field(repr=False)
    log10_signal: np.ndarray = field(repr=False)
    saturated_fraction: np.ndarray = field(repr=False)
    dead_fraction: np.ndarray = field(repr=False)
    float32_zero_layer: list = field(repr=False)
    float64_zero_layer: list = field(repr=False)
    mean_loss: list = field(repr=False)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        measured = (getattr(self, name)[index] for name in _MEASURED)
        return _profile(measured, self.network.like(seed=self.seeds[index]), self.X, self.y)


_MEASURED = (
    *("log10_delta", "log10_weight_gradient", "log10_signal", "saturated_fraction", "dead_fraction"),
    *("float32_zero_layer", "float64_zero_layer", "mean_loss"),
)


def profiles(network: MLP, seeds: tuple, X, y, workers: int = 1) -> GradientProfiles:
    """The profiles of networks like this one of these seeds on one batch, at least one seed.

    The numbers are those of :func:`profile`. Compiled networks are drawn and measured without Python between two seeds,
    in memory for one network per worker.

    Parameters
    ----------
    network : MLP
    seeds : tuple of int or SeedSequence
    X, y
        As for :func:`profile`, which also lists the errors.
    workers : int
        Threads that share the seeds; the numbers do not depend on it.
    """
    X = network.check_data(X)
    y = network.check_targets(y, len(X))
    share = -(-len(seeds) // workers)
    parts = [seeds[first : first + share] for first in range(0, len(seeds), share)]
    if len(parts) == 1:
        return GradientProfiles(network, seeds, X, y, *_of_seeds(network, seeds, X, y))
    with ThreadPoolExecutor(workers) as pool:
        found = _joined(pool.map(lambda part: _of_seeds(network, part, X, y), parts))
    return GradientProfiles(network, seeds, X, y, *found)


def _joined(parts):
    """The fields of all seeds from those of some each."""
    *arrays, zero32, zero64, loss = zip(*parts, strict=True)
    return *map(np.concatenate, arrays), *(list(chain.from_iterable(lists)) for lists in (zero32, zero64, loss))


def _of_seeds(network, seeds, X, y):
    """A row or an entry per seed of each of ``_MEASURED``; X and y are checked."""
    threshold, count = network.activation.saturation_threshold, len(seeds)
    rows, (loss, least) = np.empty((count, compiled.SUMMARY, network.depth + 1)), np.empty((2, count))
    hold = np.zeros(count, np.intc)
    if network.backend == "compiled":
        keys, data = np.stack([key(seed) for seed in seeds]), network.plain_data(X, y)
        compiled.profiles(*network.kind(), threshold, keys, *network.draws(), *data, hold, loss, rows, least)
    signal, delta, gradient, saturated, dead, delta_top, weight_top = rows.swapaxes(0, 1)
    nothing = [None] * count
    found = delta, gradient, signal, saturated[:, :-1], dead[:, :-1], nothing, [*nothing], loss.tolist()
    for i in range(count):
        if not hold[i]:
            one = _layer_by_layer(network.like(seed=seeds[i]), X, y, threshold)
            for of_seeds, value in zip(found, one, strict=True):
                of_seeds[i] = value
        elif least[i] < MAY_BE_ZERO:
            found[5][i], found[6][i] = _zero_layers(delta_top[i], weight_top[i])
    return found


def _in_one_pass(network, threshold, recompute, weights, biases, X, y):
    """The profile's first seven fields and the loss, from one pass.

    None if an array is not as C code reads it; empty if the pass must carry exponents forward, or if a weight or bias
    is not what it may be.
    """
    found = compiled.profile(*network.kind(), threshold, recompute, weights, biases, X, y)
    if found is None:
        return None
    hold, loss, (signal, delta, gradient, saturated, dead, delta_top, weight_top), least = found
    if not hold:
        return ()
    zero_layers = _zero_layers(delta_top, weight_top) if least < MAY_BE_ZERO else (None, None)
    return delta, gradient, signal, saturated[:-1], dead[:-1], *zero_layers, loss


def _layer_by_layer(network, X, y, threshold):
    """As above, an exponent carried beside every array, forward as well as backward."""
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


def _zero_layers(delta_top, weight_top):
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
