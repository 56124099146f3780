"""``fastgrad speed network``: a whole network forward and backward, in our backends and in other libraries."""

# Design: - The same weights and data for all; gradients are compared in float64 norms before anything is timed.
#         - ``gradients`` are what training needs: the loss and every dL/dW and dL/db. ``profile`` is what a measurement
#           needs: the root mean square of delta and of dL/dW of every layer, as its users would get it from autograd.
#         - Everything runs on one thread: a study runs many networks side by side.

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from fastgrad._errors import known
from fastgrad._validation import positive_int
from fastgrad.bench.peers import jax_on_one_thread
from fastgrad.bench.timing import interleaved
from fastgrad.network import MLP

OPERATIONS = ("gradients", "profile")
# (depth, width, batch)
FULL = ((10, 32, 32), (50, 64, 32), (100, 128, 64), (50, 256, 128), (20, 512, 256), (100, 512, 32))
QUICK = FULL[:2]
CLASSES = 10
AGREE = 1e-4  # relative difference of a gradient's norm from ours, float32 through a hundred layers


class Case(NamedTuple):
    """Hidden layers, units in each, samples, and what is to be found."""

    depth: int
    width: int
    batch: int
    operation: str


@dataclass(frozen=True)
class NetworkRow:
    """One contestant in one case.

    Attributes
    ----------
    difference : float or None
        The largest relative difference of a layer's gradient norm from ours, if too large: then nothing was timed.
    seconds : float
        Of one pass.
    gflops : float
        10^9 floating-point operations of the three matrix products per layer, per second.
    ratio : float
        Its time over ours: above 1, ours is faster.
    """

    depth: int
    width: int
    batch: int
    operation: str
    contestant: str
    difference: float | None = None
    seconds: float | None = None
    gflops: float | None = None
    ratio: float | None = None


def cases(networks: Iterable[tuple[int, int, int]] = FULL, operations: Iterable[str] = OPERATIONS) -> list[Case]:
    """Every network with every operation; ValueError or TypeError for one that does not exist."""
    operations = [known("operation", name, OPERATIONS) for name in dict.fromkeys(operations)]
    names = ("depth", "width", "batch")
    networks = [tuple(map(positive_int, names, network)) for network in dict.fromkeys(networks)]
    return [Case(*network, operation) for network, operation in product(networks, operations)]


def fastgrad(net, X, y, operation):
    """Ours: one compiled call."""
    if operation == "gradients":
        return lambda: net.loss_and_gradients(X, y)[1]
    return lambda: net.gradient_profile(X, y).log10_weight_gradient


def numpy(net, X, y, operation):
    """NumPy's matrix products and elementwise functions, layer by layer."""
    twin = MLP(net.sizes, net.activation, net.initializer, net.seed, net.dtype, backend="numpy")
    return fastgrad(twin, X, y, operation)


def torch(net, X, y, operation):
    """PyTorch eager and its autograd."""
    import torch as th

    th.set_num_threads(1)
    weights = [th.tensor(weight, requires_grad=True) for weight in net.weights]
    biases = [th.tensor(bias, requires_grad=True) for bias in net.biases]
    parameters = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    X, y = th.tensor(X), th.tensor(y)

    def forward():
        h, zs = X, []
        for weight, bias in zip(weights, biases, strict=True):
            zs.append(th.addmm(bias, h, weight))
            h = th.tanh(zs[-1])
        return zs, th.nn.functional.cross_entropy(zs[-1], y)

    def gradients():
        found = th.autograd.grad(forward()[1], parameters)
        return list(zip(found[::2], found[1::2], strict=True))

    def profile():
        zs, loss = forward()
        found = th.autograd.grad(loss, [*zs, *weights])
        return th.stack([tensor.square().mean().sqrt() for tensor in found]).log10()[len(zs) :].numpy()

    return {"gradients": gradients, "profile": profile}[operation]


def jax(net, X, y, operation):
    """JAX, jitted, the layers unrolled."""
    jx = jax_on_one_thread()
    parameters = [(jx.numpy.asarray(w), jx.numpy.asarray(b)) for w, b in zip(net.weights, net.biases, strict=True)]
    X, y = jx.numpy.asarray(X), jx.numpy.asarray(y)

    def loss(parameters, probes):
        h = X
        for (weight, bias), probe in zip(parameters, probes, strict=True):
            z = h @ weight + bias + probe
            h = jx.numpy.tanh(z)
        return -jx.nn.log_softmax(z)[jx.numpy.arange(len(y)), y].mean()

    probes = [jx.numpy.zeros((len(X), len(bias))) for _, bias in parameters]  # whose gradients are the deltas

    def profile(parameters):
        of_parameters, deltas = jx.grad(loss, argnums=(0, 1))(parameters, probes)
        squares = [a.__pow__(2).mean() for a in (*deltas, *(weight for weight, _ in of_parameters))]
        return jx.numpy.log10(jx.numpy.stack(squares))[len(deltas) :] / 2

    call = jx.jit(jx.grad(lambda parameters: loss(parameters, [0.0] * len(parameters))))
    call = {"gradients": call, "profile": jx.jit(profile)}[operation]
    return lambda: jx.block_until_ready(call(parameters))


PEERS = {"numpy": numpy, "torch": torch, "jax": jax}


def measure(case: Case, contestants: Iterable[str], rounds: int) -> list[NetworkRow]:
    """Time one case in ours and in every one of these peers; ours first."""
    net = MLP([case.width] * (case.depth + 1) + [CLASSES], "tanh", "xavier_normal", seed=0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((case.batch, case.width)).astype(np.float32)
    y = rng.integers(0, CLASSES, case.batch)
    calls = {"fastgrad": fastgrad(net, X, y, case.operation)}
    calls |= {peer: PEERS[peer](net, X, y, case.operation) for peer in contestants}
    differences = _differences(case.operation, calls)
    equal = {contestant: call for contestant, call in calls.items() if differences[contestant] <= AGREE}
    seconds = interleaved(equal, rounds)
    flops = 3 * 2 * case.batch * sum(weight.size for weight in net.weights)
    return [
        NetworkRow(
            *case,
            contestant,
            seconds=seconds[contestant],
            gflops=flops / seconds[contestant] / 1e9,
            ratio=seconds[contestant] / seconds["fastgrad"],
        )
        if contestant in equal
        else NetworkRow(*case, contestant, difference=differences[contestant])
        for contestant in calls
    ]


def _differences(operation: str, calls: dict[str, Callable]) -> dict[str, float]:
    """Each contestant's largest difference from ours over the layers, relative."""
    found = {}
    for contestant, call in calls.items():
        if operation == "profile":
            found[contestant] = 10.0 ** np.asarray(call(), np.float64)
        else:
            found[contestant] = np.array([np.linalg.norm(np.asarray(weight, np.float64)) for weight, _ in call()])
    ours = found["fastgrad"]
    return {contestant: float(np.max(np.abs(theirs / ours - 1))) for contestant, theirs in found.items()}
