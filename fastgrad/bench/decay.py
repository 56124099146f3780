"""``fastgrad speed decay``: the networks of ``fastgrad decay``, measured by us and by a plain PyTorch script."""

# Design: - Every network is drawn once, by us, before anything is timed; PyTorch gets the same weights. Timed is one
#           measurement of every network: forward, backward, the sizes of delta, dL/dW and the signal in every layer,
#           and the slope of log10 delta. Draws, theory's prediction, intervals and verdicts are not.
#         - ``in_torch`` is what one would write with PyTorch: autograd for every pre-activation and weight, norms.
#         - Before anything is timed it has to find our sizes, layer by layer.

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from fastgrad.bench.parts import PartRow
from fastgrad.bench.timing import interleaved
from fastgrad.datasets import load
from fastgrad.initializers import SURVEYED
from fastgrad.network import MLP
from fastgrad.sweeps import study

FULL = {"depth": 20, "width": 128, "batch": 128, "seeds": 10}
QUICK = {"depth": 10, "width": 32, "batch": 32, "seeds": 2}
NOTE = (
    "us: ours, for all networks. torch: its time over ours; ! marks where ours is slower. Timed: forward, backward, "
    "the sizes of delta, dL/dW and the signal in every layer, and the slope; the networks are drawn before, and both "
    "have the same weights. float32, one thread each. Both took turns; the least sample counts."
)
AGREE = 1e-3  # relative difference of a size from ours, float32


def cells(activations: Iterable[str], quick: bool = False) -> list[list[study.Cell]]:
    """The cells of each activation."""
    size = QUICK if quick else FULL
    options = {"width": size["width"], "batch": size["batch"], "seeds": tuple(range(size["seeds"]))}
    return [study.grid([name], SURVEYED, [size["depth"]], **options) for name in dict.fromkeys(activations)]


def networks_of(cell: study.Cell, features: int) -> list[MLP]:
    """The cell's networks, weights and all."""
    sizes = [features, *[cell.width] * cell.depth, 10]
    networks = [MLP(sizes, cell.activation, cell.init, seed) for seed in cell.seeds]
    for network in networks:
        _ = network.weights, network.biases  # drawn when first used
    return networks


def in_fastgrad(networks: Sequence[MLP], X, y) -> Callable[[], list[tuple[np.ndarray, float]]]:
    """Ours: log10 of the sizes, (3, layers), of delta, dL/dW and signal, and the slope, for each network."""

    def run():
        found = [network.gradient_profile(X, y) for network in networks]
        return [((p.log10_delta, p.log10_weight_gradient, p.log10_signal), p.decades_per_layer) for p in found]

    return run


def in_torch(networks: Sequence[MLP], X, y) -> Callable[[], list[tuple[np.ndarray, float]]]:
    """The same with PyTorch."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    name = networks[0].activation.name
    phi = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}.get(name) or getattr(functional, name)
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    parameters = [
        [
            (torch.tensor(weight, requires_grad=True), torch.tensor(bias))
            for weight, bias in zip(network.weights, network.biases, strict=True)
        ]
        for network in networks
    ]

    def measured(layers):
        h, zs = X, []
        for weight, bias in layers:
            zs.append(torch.addmm(bias, h, weight))
            h = phi(zs[-1]) if len(zs) < len(layers) else None
        loss = functional.cross_entropy(zs[-1], y)
        gradients = torch.autograd.grad(loss, [*zs, *(weight for weight, _ in layers)])
        arrays = (*gradients, *(z.detach() for z in zs))
        sizes = torch.stack([torch.linalg.vector_norm(a) / a.numel() ** 0.5 for a in arrays])
        log10_size = sizes.log10().numpy().reshape(3, -1)
        return log10_size, float(np.polyfit(np.arange(len(layers) - 1), log10_size[0, :-1], 1)[0])

    return lambda: [measured(layers) for layers in parameters]


def measure(some: list[study.Cell], contestants: Iterable[str], rounds: int) -> list[PartRow]:
    """Time the networks of the cells of one activation, in ours and where it is wanted in PyTorch; ours first."""
    first = some[0]
    X, y = load(first.data)
    X, y = X[: first.batch].astype(np.float32), y[: first.batch]
    networks = [network for cell in some for network in networks_of(cell, X.shape[1])]
    row = PartRow(
        "decay",
        first.activation.name,
        (len(some), first.depth, first.width, first.batch, len(first.seeds)),
        "fastgrad",
        len(networks),
    )
    makers = {"fastgrad": in_fastgrad} | {name: PEERS[name] for name in contestants}
    calls = {name: make(networks, X, y) for name, make in makers.items()}
    found = {name: call() for name, call in calls.items()}
    differences = {name: _difference(found["fastgrad"], theirs) for name, theirs in found.items()}
    equal = {name: call for name, call in calls.items() if differences[name] <= AGREE}
    seconds = interleaved(equal, rounds)
    return [
        replace(row, contestant=name, seconds=seconds[name], ratio=seconds[name] / seconds["fastgrad"])
        if name in equal
        else replace(row, contestant=name, difference=differences[name])
        for name in calls
    ]


def _difference(ours, theirs):
    """The largest relative difference of a size, over the layers of all networks."""
    a, b = (np.array([sizes for sizes, _ in found], np.float64) for found in (ours, theirs))
    return float(np.max(np.abs(10.0 ** (b - a) - 1)))


PEERS = {"torch": in_torch}
