"""``fastgrad speed decay``: the networks of ``fastgrad decay``, measured by us and by a plain PyTorch script."""

# Design: - Every network is drawn once, by us, before anything is timed; PyTorch gets the same weights. Timed is one
#           measurement of every network: forward, backward, the sizes of delta, dL/dW and the signal in every layer,
#           and the slope of log10 delta. Draws, theory's prediction, intervals and verdicts are not.
#         - ``in_torch`` is what one would write with PyTorch: autograd for every pre-activation and weight, norms.
#         - Before anything is timed it has to find our sizes, layer by layer.

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastgrad._validation import each_known
from fastgrad.activations import ACTIVATIONS
from fastgrad.bench import limits
from fastgrad.bench.compare import BY_SHAPE, OURS, Comparison, Row, compare, each_number
from fastgrad.bench.network import work_of
from fastgrad.bench.timing import silent
from fastgrad.datasets import load
from fastgrad.initializers import SURVEYED
from fastgrad.network import MLP
from fastgrad.sweeps import study

FULL = (20, 128, 128, 10)  # depth, width, batch, seeds
QUICK = (10, 32, 32, 2)
NOTE = (
    "us: ours, for all networks. torch: its time over ours; ! marks where ours is slower. Timed: forward, backward, "
    "the sizes of delta, dL/dW and the signal in every layer, and the slope; the networks are drawn before, and both "
    "have the same weights. float32, one thread each. Both took turns; the least sample counts."
)
AGREE = 1e-3  # relative difference of a size from ours, float32


class DecayCase(NamedTuple):
    """The networks of one activation: with every initialiser that is surveyed, and every seed."""

    activation: str
    inits: int
    depth: int
    width: int
    batch: int
    seeds: int


def decay_cases(activations: Iterable[str] = ACTIVATIONS, quick: bool = False) -> list[DecayCase]:
    """A case for each activation.

    Parameters
    ----------
    activations : iterable of str
        Names, of ``ACTIVATIONS``.
    quick : bool
        Few, small networks.

    Returns
    -------
    list of DecayCase
        In the order in which they are timed.

    Raises
    ------
    ValueError
        If there is no such activation.
    """
    names = each_known("activation", activations, ACTIVATIONS)
    return [DecayCase(name, len(SURVEYED), *(QUICK if quick else FULL)) for name in names]


def cells_of(case: DecayCase) -> list[study.Cell]:
    """The kinds of networks."""
    options = {"width": case.width, "batch": case.batch, "seeds": tuple(range(case.seeds))}
    return study.grid([case.activation], SURVEYED, [case.depth], **options)


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


PEERS = {"torch": in_torch}


def time_decay(
    case: DecayCase, contestants: Iterable[str], rounds: int, tell: Callable[[str], None] = silent
) -> list[Row]:
    """Time the measurement of these networks in ours and in every one of these peers.

    Parameters
    ----------
    case : DecayCase
        What is timed.
    contestants : iterable of str
        Peers, of this module's ``PEERS``.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    tell : callable
        Called with the name of each contestant that begins.

    Returns
    -------
    list of Row
        Ours first. Figures are ``ns_each``, per network, and ``limit`` and ``percent_of_limit``, as of
        :meth:`fastgrad.bench.limits.Limits.figures`.
    """
    cells = cells_of(case)
    X, y = load(cells[0].data)
    X, y = X[: case.batch].astype(np.float32), y[: case.batch]
    networks = [network for cell in cells for network in networks_of(cell, X.shape[1])]
    makers = {OURS: in_fastgrad} | {name: PEERS[name] for name in contestants}
    calls = {name: make(networks, X, y) for name, make in makers.items()}

    operations, moved, held = work_of(networks[0].sizes, case.batch, case.activation, gradients=False)

    def figures(contestant, seconds):
        each = seconds[contestant] / len(networks)
        return {"ns_each": each * 1e9} | limits.share(each, operations, moved, held)

    return compare(case, calls, rounds, vectors=_sizes, agree=AGREE, figures=figures, tell=tell)


def _sizes(found):
    """The size of every layer of all networks."""
    return each_number([10.0 ** np.array([log10_sizes for log10_sizes, _ in found], np.float64)])


DECAY = Comparison(PEERS, time_decay, BY_SHAPE.tables, BY_SHAPE.verdict, NOTE, bounded=True)
