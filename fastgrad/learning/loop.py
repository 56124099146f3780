"""The inner loop of training: mini-batches through a network, each followed by a step of the optimiser."""

# Design: - Weights and biases are views of one flat array, every one of them on a cache line, weights first (they alone
#           decay). What lies between them is 0, has gradient 0 and stays 0.
#         - The order of the rows of an epoch is drawn from (seed, epoch) alone, so that a resumed run needs no state of
#           a generator.
#         - A run stops before the update of a batch whose loss is not finite: parameters are those that led there.

import math
from typing import NamedTuple

import numpy as np

from fastgrad import draws, kernels
from fastgrad.kernels.memory import LINE, aligned
from fastgrad.learning.optimizers import OPTIMIZERS, Optimizer
from fastgrad.losses import correct
from fastgrad.network import MLP

ORDER, SPLIT = 1, 2  # what a stream of random numbers is for


class Run(NamedTuple):
    """The result of some batches: sums over the samples, how many of them, and whether every loss was finite."""

    loss: float
    correct: int
    samples: int
    finite: bool


class Trainer:
    """A network, its data, and an optimiser with its state; nothing is checked here (see :func:`fastgrad.fit`).

    Parameters
    ----------
    network : MLP
        Its weights and biases become views of ``parameters``, which the steps change in place.
    X, y
        As ``network.check_data`` and ``network.check_targets`` return them.
    optimizer : Optimizer
    batch_size : int
    weight_decay : float
    shuffle : bool
    seed : int or SeedSequence
        Of the rows' order.

    Attributes
    ----------
    parameters, gradient : ndarray, 1-D
    kept : list of ndarray
        The optimiser's state: arrays, each as long as the parameters.
    steps : int
        Updates so far.
    """

    def __init__(self, network: MLP, X, y, optimizer: Optimizer, batch_size: int, weight_decay: float, shuffle, seed):
        self.network, self.optimizer = network, optimizer
        self.X = np.ascontiguousarray(X, network.dtype)  # what the compiled code takes it for
        self.y = np.ascontiguousarray(y, np.int64 if network.loss == "cross_entropy" else network.dtype)
        self.batch_size, self.weight_decay, self.shuffle, self.seed = batch_size, weight_decay, shuffle, seed
        arrays = [*network.weights, *network.biases]
        ends = np.cumsum([_whole_lines(array.size, array.itemsize) for array in arrays])
        self.decaying = int(ends[network.depth])  # parameters before this are weights
        self.parameters, self.gradient, *self.kept = (
            aligned(ends[-1], network.dtype) for _ in range(2 + optimizer.kept)
        )
        self.views = _views(self.parameters, ends, arrays)
        self.gradient_views = _views(self.gradient, ends, arrays)
        for view, array in zip(self.views, arrays, strict=True):
            view[...] = array
        layers = len(network.weights)
        network.weights, network.biases = self.views[:layers], self.views[layers:]
        self.steps = 0
        self._compiled = _workspace(self) if network.backend == "compiled" else None

    @property
    def batches(self) -> int:
        """Batches in an epoch; the last may be smaller."""
        return -(-len(self.X) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """The rows in the order in which this epoch takes them."""
        if not self.shuffle:
            return np.arange(len(self.X))
        return permutation(len(self.X), self.seed, ORDER, epoch)

    def run(self, order: np.ndarray, rate: float, first: int = 0, last: int | None = None) -> Run:
        """Batches ``first`` to ``last`` (excluded) of this order of the rows, each followed by a step."""
        rows = order[first * self.batch_size : None if last is None else last * self.batch_size]
        return self._layer_by_layer(rows, rate) if self._compiled is None else self._in_one_call(rows, rate)

    def _in_one_call(self, rows, rate):
        compiled, workspace, batch_X, batch_y = self._compiled  # type: ignore[misc]
        layers, rule = len(self.network.weights), self.optimizer
        loss, right, samples, self.steps = compiled.train(
            workspace, self.views[:layers], self.views[layers:],
            self.gradient_views[:layers], self.gradient_views[layers:],
            self.X, self.y, np.ascontiguousarray(rows, np.int64), OPTIMIZERS.index(rule.name),
            list(rule.options.values()), rate, self.weight_decay, self.parameters, self.gradient, self.kept,
            self.decaying, self.steps, batch_X, batch_y,
        )  # fmt: skip
        return Run(loss, right, samples, samples == len(rows))

    @np.errstate(over="ignore", invalid="ignore")
    def _layer_by_layer(self, rows, rate):
        loss, right, layers = 0.0, 0, len(self.network.weights)
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            gradients = self.gradient_views[:layers], self.gradient_views[layers:]
            mean, outputs = self.network.plain_pass(self.X[batch], self.y[batch], *gradients)
            if not math.isfinite(mean):
                return Run(loss, right, start, False)
            loss += mean * len(batch)
            right += correct(self.network.loss, outputs, self.y[batch])
            self.steps += 1
            self._update(slice(None, self.decaying), rate, self.weight_decay)
            self._update(slice(self.decaying, None), rate, 0.0)
        return Run(loss, right, len(rows), True)

    def _update(self, part, rate, decay):
        decay = self.network.dtype.type(decay)
        kept = [array[part] for array in self.kept]
        self.optimizer.update(self.parameters[part], self.gradient[part], kept, rate, decay, self.steps)

    def state(self) -> dict[str, np.ndarray]:
        """A copy of everything that the next step depends on, for :meth:`restore`."""
        kept = {f"kept_{index}": array.copy() for index, array in enumerate(self.kept)}
        return {"parameters": self.parameters.copy(), "steps": np.array(self.steps), **kept}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go back to where ``state`` was taken."""
        self.parameters[...] = state["parameters"]
        for index, array in enumerate(self.kept):
            array[...] = state[f"kept_{index}"]
        self.steps = int(state["steps"])


def permutation(rows: int, seed: draws.Seed, *purpose: int) -> np.ndarray:
    """The rows in an order that depends on the seed and the purpose alone."""
    return np.random.default_rng([*draws.key(seed), *purpose]).permutation(rows)


def _workspace(trainer):
    """The compiled backend, and a workspace for a pass and for the batch that goes through it."""
    net, batch = trainer.network, trainer.batch_size
    compiled, act = kernels.get("compiled"), net.activation
    labels = net.loss == "cross_entropy"
    workspace = compiled.NetworkPass(net.sizes, batch, net.dtype, act.name, act.parameter, labels)
    return compiled, workspace, np.empty((batch, net.sizes[0]), net.dtype), np.empty_like(trainer.y[:batch])


def _whole_lines(size, itemsize):
    numbers = LINE // itemsize
    return -(-size // numbers) * numbers


def _views(flat, ends, arrays):
    """A view of ``flat`` for each array, of its shape."""
    starts = np.concatenate([[0], ends[:-1]])
    return [flat[at : at + a.size].reshape(a.shape) for at, a in zip(starts, arrays, strict=True)]
