"""``fastgrad speed network``: a whole network forward and backward, in our backends and in other libraries."""

# Design: - The same weights and data for all; gradients are compared in float64 norms before anything is timed.
#         - ``gradients`` are what training needs: the loss and every dL/dW and dL/db. ``profile`` is what a measurement
#           needs: the root mean square of delta and of dL/dW of every layer, as its users would get it from autograd.
#         - Everything runs on one thread: a study runs many networks side by side.
#         - torch.compile takes minutes to compile a hundred layers, so it runs only where it is asked for.
#         - scikit-learn has no public gradient of a network to time.

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from fastgrad._errors import known
from fastgrad._validation import positive_int
from fastgrad.bench import peers
from fastgrad.bench.peers import jax_on_one_thread
from fastgrad.bench.timing import interleaved
from fastgrad.kernels import compiled
from fastgrad.machine import peak_megabytes
from fastgrad.network import MLP

OPERATIONS = ("gradients", "profile")
# (depth, width, batch)
FULL = ((10, 32, 32), (50, 64, 32), (100, 128, 64), (50, 256, 128), (20, 512, 256), (100, 512, 32))
QUICK = FULL[:2]
CLASSES = 10
ROUNDS = 20_000  # of multiply-adds, half a millisecond
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
    percent_of_peak : float
        Of the multiply-adds that this processor does where they wait for nothing, measured in the same run.
    megabytes : float or None
        Memory that the first pass takes beyond weights and data, if it was measured.
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
    percent_of_peak: float | None = None
    megabytes: float | None = None
    ratio: float | None = None


def cases(networks: Iterable[tuple[int, int, int]] = FULL, operations: Iterable[str] = OPERATIONS) -> list[Case]:
    """Every network with every operation; ValueError or TypeError for one that does not exist."""
    operations = [known("operation", name, OPERATIONS) for name in dict.fromkeys(operations)]
    names = ("depth", "width", "batch")
    networks = [tuple(map(positive_int, names, network)) for network in dict.fromkeys(networks)]  # type: ignore[misc]
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


def torch(net, X, y, operation, transform=lambda function: function):
    """PyTorch eager and its autograd."""
    import torch as th

    th.set_num_threads(1)
    weights = [th.tensor(weight, requires_grad=True) for weight in net.weights]
    biases = [th.tensor(bias, requires_grad=True) for bias in net.biases]
    parameters = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    X, y = th.tensor(X), th.tensor(y)

    @transform
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


def torch_compile(net, X, y, operation):
    """torch.compile of the forward pass, and the backward pass that comes of it."""
    import torch as th

    th._dynamo.reset()
    return torch(net, X, y, operation, th.compile)


def jax(net, X, y, operation):
    """JAX, jitted, the layers unrolled."""
    jx = jax_on_one_thread()
    tanh, zeros = jx.numpy.tanh, jx.numpy.zeros
    weights, biases = ([jx.numpy.asarray(a) for a in arrays] for arrays in (net.weights, net.biases))
    probes = [zeros((len(X), len(bias))) for bias in biases]  # added to z: their gradients are the deltas

    def outputs(weights, biases, probes):
        h = X
        for weight, bias, probe in zip(weights, biases, probes, strict=True):
            z = h @ weight + bias + probe
            h = tanh(z)
        return z

    call = _jax_gradients(jx, outputs, (weights, biases, probes), y, operation)
    if operation == "profile":
        return call
    return lambda: list(zip(*call()[:2], strict=True))


def jax_scan(net, X, y, operation):
    """JAX, jitted, one loop over the hidden layers, whose arrays are stacked; those between have to be square."""
    jx = jax_on_one_thread()
    tanh, zeros, stack = jx.numpy.tanh, jx.numpy.zeros, jx.numpy.stack
    width, last = net.sizes[1], net.sizes[-1]

    def stacked(arrays):
        return jx.numpy.asarray(arrays[0]), stack(arrays[1:-1]), jx.numpy.asarray(arrays[-1])

    probes = (zeros((len(X), width)), zeros((net.depth - 1, len(X), width)), zeros((len(X), last)))

    def outputs(weights, biases, probes):
        h = tanh(X @ weights[0] + biases[0] + probes[0])
        layer = (lambda h, wbp: (tanh(h @ wbp[0] + wbp[1] + wbp[2]), None), h, (weights[1], biases[1], probes[1]))
        return jx.lax.scan(*layer)[0] @ weights[2] + biases[2] + probes[2]

    call = _jax_gradients(jx, outputs, (stacked(net.weights), stacked(net.biases), probes), y, operation)
    if operation == "profile":
        return call

    def gradients():
        (first, middle, last), (first_bias, middle_bias, last_bias) = call()[:2]
        return [(first, first_bias), *zip(middle, middle_bias, strict=True), (last, last_bias)]

    gradients.timed = call  # type: ignore[attr-defined] # taking the stack apart is no part of the pass
    return gradients


def _jax_gradients(jx, outputs, arguments, y, operation):
    """The jitted gradient of the loss with respect to the arguments, or the sizes of those of dL/dW."""

    def loss(*arguments):
        return -jx.nn.log_softmax(outputs(*arguments))[jx.numpy.arange(len(y)), y].mean()

    if operation == "gradients":
        weights, biases, probes = arguments
        # NumPy's zeros are constants of the program and vanish from it
        still = [np.zeros(probe.shape, np.float32) for probe in probes]
        call = jx.jit(jx.grad(lambda weights, biases: loss(weights, biases, still), argnums=(0, 1)))
        return lambda: jx.block_until_ready(call(weights, biases))

    def profile(*arguments):
        weights, _, deltas = jx.grad(loss, argnums=(0, 1, 2))(*arguments)
        sizes = [(a**2).mean(axis=(-2, -1)) for a in (*weights, *deltas)]
        flat = jx.numpy.concatenate([jx.numpy.atleast_1d(size) for size in sizes])
        return jx.numpy.log10(flat) / 2

    call = jx.jit(profile)
    count = sum(1 if weight.ndim == 2 else len(weight) for weight in arguments[0])
    return lambda: jx.block_until_ready(call(*arguments))[:count]


PEERS = {"numpy": numpy, "torch": torch, "torch.compile": torch_compile, "jax": jax, "jax.scan": jax_scan}
ONLY_IF_ASKED = ("torch.compile",)


def installed() -> list[str]:
    """The peers that can run here and do so unless others are asked for."""
    return [name for name in PEERS if name not in ONLY_IF_ASKED and not peers.missing(name)]


def measure(case: Case, contestants: Iterable[str], rounds: int, memory: bool = False) -> list[NetworkRow]:
    """Time one case in ours and in every one of these peers; ours first."""
    calls = {"fastgrad": _call(case, "fastgrad")} | {peer: _call(case, peer) for peer in contestants}
    differences = _differences(case.operation, calls)
    equal = {name: getattr(call, "timed", call) for name, call in calls.items() if differences[name] <= AGREE}
    seconds = interleaved(equal | {"peak": lambda: compiled.multiply_adds(ROUNDS)}, rounds)
    peak = compiled.multiply_adds(ROUNDS) / seconds["peak"]
    sizes = [case.width] * (case.depth + 1) + [CLASSES]
    flops = 3 * 2 * case.batch * sum(m * n for m, n in pairwise(sizes))
    return [
        NetworkRow(
            *case,
            contestant,
            seconds=seconds[contestant],
            gflops=flops / seconds[contestant] / 1e9,
            percent_of_peak=100 * flops / seconds[contestant] / peak,
            megabytes=pass_megabytes(case, contestant) if memory else None,
            ratio=seconds[contestant] / seconds["fastgrad"],
        )
        if contestant in equal
        else NetworkRow(*case, contestant, difference=differences[contestant])
        for contestant in calls
    ]


def _call(case, contestant):
    """The pass of one contestant, on weights and data that all have alike."""
    net = MLP([case.width] * (case.depth + 1) + [CLASSES], "tanh", "xavier_normal", seed=0)
    _ = net.weights, net.biases  # drawn when first used, and no part of the pass
    rng = np.random.default_rng(0)
    X = rng.standard_normal((case.batch, case.width)).astype(np.float32)
    y = rng.integers(0, CLASSES, case.batch)
    return {"fastgrad": fastgrad, **PEERS}[contestant](net, X, y, case.operation)


def pass_megabytes(case: Case, contestant: str) -> float:
    """By how many MB the first pass of this contestant raises the most memory that a fresh process has held."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_memory_of, case, contestant).result()


def _memory_of(case, contestant):
    _call(case._replace(depth=2, width=8, batch=4), contestant)()  # load and start the library
    call = _call(case, contestant)
    below = max(int(peak_megabytes() * 1e6) - _resident(), 0)
    room = np.ones(below + 2**20, np.uint8)  # what is free below the high-water mark
    before = peak_megabytes()
    call()
    del room
    return max(peak_megabytes() - before, 0)


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


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
