"""``fastgrad speed decay``: the cells of ``fastgrad decay``, measured by us and by a plain PyTorch script."""

# Design: - ``in_torch`` is what one would write with PyTorch: layers, its own initialisers, autograd for every
#           pre-activation, the slope of the logarithms. It has no prediction, no interval, no verdict; ours has.
#         - Before anything is timed it gets our weights and has to find our slopes.

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from fastgrad import study
from fastgrad.bench.parts import PartRow
from fastgrad.bench.timing import interleaved
from fastgrad.datasets import load
from fastgrad.initializers import SURVEYED
from fastgrad.network import MLP

FULL = {"depth": 20, "width": 128, "batch": 128, "seeds": 10}
QUICK = {"depth": 10, "width": 32, "batch": 32, "seeds": 2}
AGREE = 1e-3  # relative difference of a slope from ours, float32


def cells(activations: Iterable[str], quick: bool = False) -> list[list[study.Cell]]:
    """The cells of each activation."""
    size = QUICK if quick else FULL
    options = {"width": size["width"], "batch": size["batch"], "seeds": tuple(range(size["seeds"]))}
    return [study.grid([name], SURVEYED, [size["depth"]], **options) for name in dict.fromkeys(activations)]


def in_torch(cell: study.Cell, X, y, networks=None) -> list[float]:
    """Decades of delta lost per layer of each network of a cell; ``networks`` are ours, whose weights it takes.

    The sizes of dL/dW and of the signal are found too, as ours are.
    """
    import torch
    from torch import nn

    phi = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU}
    init = {"xavier_normal": nn.init.xavier_normal_, "he_normal": nn.init.kaiming_normal_, "torch_linear": None}
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    sizes = [X.shape[1], *[cell.width] * cell.depth, 10]
    slopes = []
    for place, seed in enumerate(cell.seeds):
        torch.manual_seed(seed)
        layers = [nn.Linear(m, n) for m, n in pairwise(sizes)]
        for layer, linear in enumerate(layers):
            if init[cell.init] is not None:
                init[cell.init](linear.weight)  # type: ignore[misc]
                nn.init.zeros_(linear.bias)
            if networks is not None:
                linear.weight.data = torch.tensor(networks[place].weights[layer].T.copy())
                linear.bias.data = torch.tensor(networks[place].biases[layer])
        h, zs, activation = X, [], phi[cell.activation]()
        for linear in layers:
            zs.append(linear(h))
            h = activation(zs[-1])
        loss = nn.functional.cross_entropy(zs[-1], y)
        gradients = torch.autograd.grad(loss, [*zs, *(linear.weight for linear in layers)])
        log10_size = [
            float(tensor.square().mean().sqrt().log10()) for tensor in (*gradients, *(z.detach() for z in zs))
        ]
        slopes.append(float(np.polyfit(np.arange(cell.depth), log10_size[: cell.depth], 1)[0]))
    return slopes


def measure(some: list[study.Cell], contestants: Iterable[str], rounds: int) -> list[PartRow]:
    """Time the cells of one activation, ours and where it is wanted PyTorch; ours first."""
    first = some[0]
    X, y = load(first.data)
    X, y = X[: first.batch], y[: first.batch]
    row = PartRow(
        "decay",
        first.activation,
        (len(some), first.depth, first.width, first.batch, len(first.seeds)),
        "fastgrad",
        len(some) * len(first.seeds),
    )
    calls = {"fastgrad": lambda: [study.measure_cell(cell) for cell in some]}
    differences = {}
    if "torch" in contestants:
        import torch

        torch.set_num_threads(1)
        differences["torch"] = max(_difference(cell, X, y) for cell in some)
        if differences["torch"] <= AGREE:
            calls["torch"] = lambda: [in_torch(cell, X, y) for cell in some]  # type: ignore[misc]
    seconds = interleaved(calls, rounds)
    rows = [replace(row, contestant=name, seconds=s, ratio=s / seconds["fastgrad"]) for name, s in seconds.items()]
    return rows + [replace(row, contestant=name, difference=d) for name, d in differences.items() if name not in calls]


def _difference(cell, X, y):
    """The largest relative difference between PyTorch's slopes and ours on the same weights."""
    sizes = [X.shape[1], *[cell.width] * cell.depth, 10]
    networks = [MLP(sizes, cell.activation, cell.init, seed) for seed in cell.seeds]
    ours = np.array([network.gradient_profile(X, y).decades_per_layer for network in networks])
    theirs = np.array(in_torch(cell, X, y, networks))
    return float(np.max(np.abs(theirs - ours)) / np.max(np.abs(ours)))
