"""``fastgrad speed dense`` and ``fastgrad speed initializers``: parts of a network, ours and other libraries'."""

# Design: - A dense layer is judged by what it computes: forward y, backward dx, dW and db. Ours gives the derivative
#           with y, which a peer leaves to its backward pass, and makes its outputs; peers write into theirs, and the
#           arrays of all start on a cache line.
#         - Random numbers differ, so weights are judged by their standard deviation. They are integer arithmetic, for
#           which no limit is measured.

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

import fastgrad
from fastgrad._validation import each_known, positive_int
from fastgrad.bench import arithmetic, limits
from fastgrad.bench.compare import BY_SHAPE, OURS, Comparison, Row, compare, each_array, each_number
from fastgrad.bench.peers import jax_on_one_thread, without_autograd
from fastgrad.bench.timing import silent
from fastgrad.kernels.memory import aligned, aligned_copy

DENSE_SHAPES = ((1, 64, 64), (32, 64, 64), (128, 256, 256), (512, 1024, 1024))  # batch, fan_in, fan_out
WEIGHT_SHAPES = ((64, 64), (512, 512), (2048, 2048))  # fan_in, fan_out
OPERATIONS = ("forward", "backward")
RULES = ("he_normal", "xavier_uniform")
AGREE_DENSE = 1e-5  # relative difference of an output's norm from ours
AGREE_WEIGHTS = 0.1  # and of the standard deviation: that of 64 x 64 numbers is known to 1 %
NOTE = (
    "us: ours, per call. Peers: their time over ours; ! marks where ours is slower. float32, one thread each. NumPy "
    "and PyTorch write into arrays that are there already, ours makes its outputs. Inputs, and what peers write to, "
    "start on a cache line. All took turns; the least sample counts."
)


class DenseCase(NamedTuple):
    """A pass through a dense layer, and its shape."""

    operation: str
    batch: int
    fan_in: int
    fan_out: int


class WeightsCase(NamedTuple):
    """A rule of initial weights, and their shape."""

    rule: str
    fan_in: int
    fan_out: int


def dense_cases(
    shapes: Iterable[tuple[int, ...]] = DENSE_SHAPES, operations: Iterable[str] = OPERATIONS
) -> list[DenseCase]:
    """Every shape with every operation.

    Parameters
    ----------
    shapes : iterable of (int, int, int)
        Batch, fan_in, fan_out.
    operations : iterable of str
        ``"forward"`` and ``"backward"``.

    Returns
    -------
    list of DenseCase
        In the order in which they are timed.

    Raises
    ------
    ValueError
        If there is no such operation, or a number is below 1.
    TypeError
        If a number is not whole.
    """
    return _cases(DenseCase, OPERATIONS, shapes, operations)


def weights_cases(shapes: Iterable[tuple[int, ...]] = WEIGHT_SHAPES, rules: Iterable[str] = RULES) -> list[WeightsCase]:
    """Every shape with every rule.

    Parameters
    ----------
    shapes : iterable of (int, int)
        Fan_in, fan_out.
    rules : iterable of str
        ``"he_normal"`` and ``"xavier_uniform"``.

    Returns
    -------
    list of WeightsCase
        In the order in which they are timed.

    Raises
    ------
    ValueError
        If there is no such rule, or a number is below 1.
    TypeError
        If a number is not whole.
    """
    return _cases(WeightsCase, RULES, shapes, rules)


def _cases(case, known_ones, shapes, operations):
    what, *names = case._fields
    operations = each_known(what, operations, known_ones)
    shapes = [tuple(map(positive_int, names, shape)) for shape in dict.fromkeys(shapes)]
    return [case(operation, *shape) for operation, shape in product(operations, shapes)]


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


DENSE_PEERS = {"numpy": dense_numpy, "torch": dense_torch}
WEIGHT_PEERS = {"numpy": weights_numpy, "torch": weights_torch, "jax": weights_jax}


def time_dense(
    case: DenseCase, contestants: Iterable[str], rounds: int, tell: Callable[[str], None] = silent
) -> list[Row]:
    """Time one pass in ours and in every one of these peers.

    Parameters
    ----------
    case : DenseCase
        What is timed.
    contestants : iterable of str
        Peers, of ``DENSE_PEERS``.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    tell : callable
        Called with the name of each contestant that begins.

    Returns
    -------
    list of Row
        Ours first. Figures are ``ns_each``, per number of y, and ``limit`` and ``percent_of_limit``, as of
        :meth:`fastgrad.bench.limits.Limits.figures`.
    """
    rng = np.random.default_rng(0)
    shapes = ((case.batch, case.fan_in), case[2:], case[3:], (case.batch, case.fan_out))
    x, weight, bias, dy = (aligned_copy(rng.standard_normal(shape)) for shape in shapes)
    weight *= np.float32(case.fan_in**-0.5)
    makers = {OURS: dense_fastgrad} | {name: DENSE_PEERS[name] for name in contestants}
    with without_autograd(contestants):
        calls = {name: make(x, weight, bias, dy)[case.operation] for name, make in makers.items()}
        figures = partial(_dense_figures, case)
        return compare(case, calls, rounds, vectors=each_array, agree=AGREE_DENSE, figures=figures, tell=tell)


def dense_work(case: DenseCase) -> tuple[int, int, int]:
    """The least that a pass takes.

    Forward reads x, weight and bias and writes y and d; backward reads dy, d, x and weight and writes a gradient for
    each of x, weight and bias. It has two matrix products, dy d and the sums for the bias.

    Parameters
    ----------
    case : DenseCase
        The layer.

    Returns
    -------
    operations : int
        Floating-point operations.
    moved : int
        Bytes read and written.
    held : int
        Bytes of all arrays.
    """
    batch, m, n = case[1:]
    product, y, inputs = 2 * batch * m * n, batch * n, batch * m + m * n
    if case.operation == "forward":
        operations = product + y * (1 + arithmetic.operations("value_and_derivative", "tanh"))
        numbers = inputs + n + 2 * y
    else:
        operations, numbers = 2 * product + 2 * y, 2 * inputs + n + 2 * y
    moved = np.dtype(np.float32).itemsize * numbers
    return operations, moved, moved


def _dense_figures(case, contestant, seconds):
    found = _figures(case.batch * case.fan_out, contestant, seconds)
    return found | limits.share(seconds[contestant], *dense_work(case))


def time_weights(
    case: WeightsCase, contestants: Iterable[str], rounds: int, tell: Callable[[str], None] = silent
) -> list[Row]:
    """Time one rule in ours and in every one of these peers.

    Parameters
    ----------
    case : WeightsCase
        What is timed.
    contestants : iterable of str
        Peers, of ``WEIGHT_PEERS``.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    tell : callable
        Called with the name of each contestant that begins.

    Returns
    -------
    list of Row
        Ours first. The figure is ``ns_each``, per number.
    """
    makers = {OURS: weights_fastgrad} | {name: WEIGHT_PEERS[name] for name in contestants}
    with without_autograd(contestants):
        calls = {name: make(case.rule, case[1:]) for name, make in makers.items()}
        figures = partial(_figures, case.fan_in * case.fan_out)
        return compare(case, calls, rounds, vectors=_spread, agree=AGREE_WEIGHTS, figures=figures, tell=tell)


def _spread(weight):
    """The standard deviation is what has to be equal of random numbers."""
    return each_number([np.std(np.asarray(weight), dtype=np.float64)])


def _figures(count, contestant, seconds):
    return {"ns_each": seconds[contestant] / count * 1e9}


DENSE = Comparison(DENSE_PEERS, time_dense, BY_SHAPE.tables, BY_SHAPE.verdict, NOTE, bounded=True)
WEIGHTS = Comparison(WEIGHT_PEERS, time_weights, BY_SHAPE.tables, BY_SHAPE.verdict, NOTE)
