"""``fastgrad speed dense`` and ``fastgrad speed initializers``: parts of a network, ours and other libraries'."""

# Design: - A dense layer is judged by what it computes: forward y, backward dx, dW and db. Ours gives the derivative
#           with y, which a peer leaves to its backward pass, and makes its outputs; peers write into theirs, and the
#           arrays of all start on a cache line.
#         - Random numbers differ, so weights are judged by their standard deviation.

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

import fastgrad
from fastgrad._validation import known, positive_int
from fastgrad.bench.peers import jax_on_one_thread, without_autograd
from fastgrad.bench.timing import interleaved
from fastgrad.kernels.memory import aligned, aligned_copy

DENSE = ((1, 64, 64), (32, 64, 64), (128, 256, 256), (512, 1024, 1024))  # batch, fan_in, fan_out
WEIGHTS = ((64, 64), (512, 512), (2048, 2048))  # fan_in, fan_out
RULES = ("he_normal", "xavier_uniform")
AGREE = {"dense": 1e-5, "initializers": 0.1}  # relative difference from ours; 64 x 64 numbers know theirs to 1 %


class Case(NamedTuple):
    """What is computed, on what shape; ``part`` is "dense" or "initializers"."""

    part: str
    operation: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class PartRow:
    """One contestant in one case; ``difference`` and ``ratio`` as in ``NetworkRow``, ``count`` numbers of output."""

    part: str
    operation: str
    shape: tuple[int, ...]
    contestant: str
    count: int
    difference: float | None = None
    seconds: float | None = None
    ratio: float | None = None


def cases(part: str, shapes: Iterable[tuple[int, ...]], operations: Iterable[str]) -> list[Case]:
    """Every shape with every operation; ValueError or TypeError for one that does not exist."""
    names = {"dense": ("batch", "fan_in", "fan_out"), "initializers": ("fan_in", "fan_out")}[part]
    operations = [known("operation", name, OPERATIONS[part]) for name in dict.fromkeys(operations)]
    shapes = [tuple(map(positive_int, names, shape)) for shape in dict.fromkeys(shapes)]
    return [Case(part, operation, shape) for operation, shape in product(operations, shapes)]


# Dense layers: (x, weight, bias, dy) -> {operation: function that returns its outputs}.


def dense_fastgrad(x, weight, bias, dy):
    """Ours."""
    _, d = fastgrad.dense_forward(x, weight, bias, "tanh")
    return {
        "forward": lambda: fastgrad.dense_forward(x, weight, bias, "tanh")[:1],
        "backward": lambda: fastgrad.dense_backward(dy, d, x, weight),
    }


def dense_numpy(x, weight, bias, dy):
    """NumPy's matrix product and tanh, and the derivative from the output, into arrays that are there already."""
    y, dz, dx, dweight, dbias = (aligned(a.shape, a.dtype) for a in (dy, dy, x, weight, bias))

    def forward():
        np.matmul(x, weight, out=y)
        np.add(y, bias, out=y)
        return [np.tanh(y, out=y)]

    def backward():  # dz = dy (1 - y^2)
        np.multiply(y, y, out=dz)
        np.subtract(1, dz, out=dz)
        np.multiply(dz, dy, out=dz)
        outputs = np.matmul(dz, weight.T, out=dx), np.matmul(x.T, dz, out=dweight)
        return *outputs, np.add.reduce(dz, axis=0, out=dbias)

    forward()
    return {"forward": forward, "backward": backward}


def dense_torch(x, weight, bias, dy):
    """PyTorch's operators, those that its autograd calls, into tensors that are there already."""
    import torch

    torch.set_num_threads(1)
    x, weight, bias, dy = map(torch.tensor, (x, weight, bias, dy))
    y, dz, dx, dweight, dbias = map(torch.empty_like, (dy, dy, x, weight, bias))
    tanh_backward = torch.ops.aten.tanh_backward.grad_input

    def forward():
        torch.addmm(bias, x, weight, out=y)
        return [torch.tanh(y, out=y)]

    def backward():
        tanh_backward(dy, y, grad_input=dz)
        outputs = torch.mm(dz, weight.t(), out=dx), torch.mm(x.t(), dz, out=dweight)
        return *outputs, torch.sum(dz, 0, out=dbias)

    forward()
    return {"forward": forward, "backward": backward}


# Weights: (operation, shape) -> function that returns them.


def weights_fastgrad(rule, shape):
    """Ours."""
    draw = getattr(fastgrad.initializers, rule)
    return lambda: draw(shape, rng=0)


def weights_numpy(rule, shape):
    """NumPy's fastest generator, into an array that is there already."""
    rng, std = np.random.Generator(np.random.SFC64(0)), _std(rule, shape)
    limit, weight = std * np.float32(3**0.5), aligned(shape, np.float32)

    def normal():
        rng.standard_normal(dtype=np.float32, out=weight)
        return np.multiply(weight, std, out=weight)

    def uniform():
        rng.random(dtype=np.float32, out=weight)
        np.multiply(weight, 2 * limit, out=weight)
        return np.subtract(weight, limit, out=weight)

    return {"he_normal": normal, "xavier_uniform": uniform}[rule]


def weights_torch(rule, shape):
    """PyTorch's in-place draws, those that its initialisers call, on a (fan_out, fan_in) tensor as its layers hold."""
    import torch

    torch.set_num_threads(1)
    tensor, std = torch.empty(shape[::-1]), float(_std(rule, shape))
    limit = std * 3**0.5
    draws = {"he_normal": lambda: tensor.normal_(0, std), "xavier_uniform": lambda: tensor.uniform_(-limit, limit)}
    return draws[rule]


def weights_jax(rule, shape):
    """JAX's initialisers, jitted."""
    jx = jax_on_one_thread()
    key, rules = jx.random.key(0), jx.nn.initializers
    draw = {"he_normal": rules.normal, "xavier_uniform": rules.uniform}[rule]
    if rule == "he_normal":
        call = jx.jit(lambda key: draw(_std(rule, shape))(key, shape))
    else:
        limit = _std(rule, shape) * 3**0.5
        call = jx.jit(lambda key: draw(2 * limit)(key, shape) - limit)
    return lambda: call(key).block_until_ready()


def _std(rule, shape):
    return np.float32(fastgrad.initializer(rule).weight_variance(*shape) ** 0.5)


OPERATIONS = {"dense": ("forward", "backward"), "initializers": RULES}
PEERS: dict[str, dict[str, Any]] = {
    "dense": {"numpy": dense_numpy, "torch": dense_torch},
    "initializers": {"numpy": weights_numpy, "torch": weights_torch, "jax": weights_jax},
}


def measure(case: Case, contestants: Iterable[str], rounds: int) -> list[PartRow]:
    """Time one case in ours and in every one of these peers; ours first."""
    ours = {"dense": dense_fastgrad, "initializers": weights_fastgrad}[case.part]
    makers = {"fastgrad": ours} | {name: PEERS[case.part][name] for name in contestants}
    with without_autograd(contestants):
        calls = {name: _call(case, make) for name, make in makers.items()}
        found = {name: _judged(case, call) for name, call in calls.items()}
        differences = {name: _difference(found["fastgrad"], theirs) for name, theirs in found.items()}
        equal = {name: call for name, call in calls.items() if differences[name] <= AGREE[case.part]}
        seconds = interleaved(equal, rounds)
    count = int(np.prod(case.shape[-2:] if case.part == "initializers" else (case.shape[0], case.shape[-1])))
    return [
        PartRow(*case, name, count, seconds=seconds[name], ratio=seconds[name] / seconds["fastgrad"])
        if name in equal
        else PartRow(*case, name, count, difference=differences[name])
        for name in calls
    ]


def _call(case, make) -> Callable:
    if case.part == "initializers":
        return make(case.operation, case.shape)
    batch, fan_in, fan_out = case.shape
    rng = np.random.default_rng(0)
    shapes = ((batch, fan_in), (fan_in, fan_out), (fan_out,), (batch, fan_out))
    x, weight, bias, dy = (aligned_copy(rng.standard_normal(shape)) for shape in shapes)
    weight *= np.float32(fan_in**-0.5)
    return make(x, weight, bias, dy)[case.operation]


def _judged(case, call):
    """What has to be equal: the outputs, or the standard deviation."""
    if case.part == "initializers":
        return [np.std(np.asarray(call()), dtype=np.float64)]
    return [np.asarray(a, np.float64) for a in call()]


def _difference(ours, theirs):
    """The largest relative difference of an output's norm."""
    return max(float(np.linalg.norm(b - a) / np.linalg.norm(a)) for a, b in zip(ours, theirs, strict=True))
