"""Gradients -> GradientProfile: log10 of delta and of dL/dW, layer by layer, at any depth."""

# Design: - A network is measured in one compiled pass where all its arrays are plain and its signal keeps to ordinary
#           numbers, otherwise layer by layer in NumPy (exponents.py). The numbers agree.
#         - The compiled pass takes |dL/dW| from two Gram matrices where that is cheaper and accurate enough
#           (gram_squares in include/fastgrad/set/network.h).

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from fastgrad import slopes
from fastgrad._notebook import Drawn
from fastgrad._validation import boolean, plain
from fastgrad.draws import key
from fastgrad.exponents import MAY_BE_ZERO, layer_by_layer, zero_layers
from fastgrad.kernels import compiled
from fastgrad.network import MLP

SHARE = 8  # seeds that a thread measures before another may take over, or an interruption ends it


@dataclass(frozen=True, eq=False, repr=False)
class GradientProfile(Drawn):
    """How the gradients of one network on one batch change from layer to layer.

    L is the number of weight layers, hidden and output, counted from the input. Everything logarithmic is
    log10 of a root mean square; -inf where the quantity is exactly 0.

    Attributes
    ----------
    log10_delta : ndarray, shape (L,)
        Of delta = dL/dz over batch and units, L being the mean loss over the batch.
    log10_weight_gradient : ndarray, shape (L,)
        Of dL/dW over the weights. Where the gradients of samples cancel, float32 keeps as few of its digits as in plain
        backpropagation.
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
    network: MLP
    X: np.ndarray | Any  # None in the profile of a model that is watched
    y: np.ndarray | Any
    mean_loss: float

    def __repr__(self) -> str:
        net, depth = self.network, len(self.log10_delta) - 1
        of = f"{net.activation} + {net.initializer}" if isinstance(net, MLP) else type(net).__name__
        figures = f"{self.decades_lost:z.2f} decades lost, {self.decades_per_layer:z.3f} per layer"
        return f"<{type(self).__name__} of {of}, {depth} hidden layers: {figures}>"

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

    def scalars(self) -> dict[str, float]:
        """One flat dictionary of numbers, as TensorBoard, Weights & Biases and MLflow log them.

        Returns
        -------
        dict of str to float
            ``"decades_lost"`` and ``"decades_per_layer"``, and for each layer, 1 being the first, ``"log10_delta/1"``
            and the other arrays likewise. What is not finite stays a float.
        """
        slopes = {"decades_lost": self.decades_lost, "decades_per_layer": self.decades_per_layer}
        return slopes | {
            f"{name}/{tag}": float(value)
            for name, values in self._by_layer().items()
            for tag, value in zip(self._tags(), values, strict=False)  # of fractions there is none at the output
        }

    def _tags(self):
        return [str(layer) for layer in range(1, len(self.log10_delta) + 1)]

    def _by_layer(self):
        return {
            "log10_delta": self.log10_delta,
            "log10_weight_gradient": self.log10_weight_gradient,
            "log10_signal": self.log10_signal,
            "saturated_fraction": self.saturated_fraction,
            "dead_fraction": self.dead_fraction,
        }

    def _measured(self):
        return plain(
            {name: values.tolist() for name, values in self._by_layer().items()}
            | {
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
        again when the backward pass comes to them: a third more time, the same numbers. Compiled backend only. A signal
        that leaves the range of ordinary numbers needs all of them all the same.

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
        arrays = layer_by_layer(network, X, y, threshold)
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
    share = len(seeds) if workers == 1 else min(-(-len(seeds) // workers), SHARE)
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
            one = layer_by_layer(network.like(seed=seeds[i]), X, y, threshold)
            for of_seeds, value in zip(found, one, strict=True):
                of_seeds[i] = value
        elif least[i] < MAY_BE_ZERO:
            found[5][i], found[6][i] = zero_layers(delta_top[i], weight_top[i])
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
    zeros = zero_layers(delta_top, weight_top) if least < MAY_BE_ZERO else (None, None)
    return delta, gradient, signal, saturated[:-1], dead[:-1], *zeros, loss
