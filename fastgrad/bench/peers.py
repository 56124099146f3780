"""The same operations in other people's libraries: each library's one form of each activation, its best.

A peer is a function ``(activation, operation, x, dy) -> callable or None``; the callable does the operation once.
An activation that stands in none of a library's forms below is not offered by it: the peer is None.
Operations: ``value`` gives y, ``backward`` gives dx from dy and what forward kept, and ``training`` gives (y, dx):
forward keeping what backward needs, then backward. Outputs are preallocated wherever the library allows it; arrays of
NumPy's by a fifth argument, ``zeros(size, dtype)``.
"""

# Design: - The audit and the speed tables run these same functions, so no library is exact in one table and fast in
#           the other.
#         - A form is the fastest of those tried that are right to within rounding where nothing cancels: derivatives
#           come from the output, as is usual. Tried and slower in NumPy 2.4: ``np.where`` and ``copyto(where=)`` on the
#           sign of random numbers (5 to 20 times), scipy's expit (4), a scalar as the second argument of ``minimum``
#           and ``maximum`` (2 to 3: only two arrays of one layout go through its vector loop).
#         - The forms of a library stand together, not in one table of library and activation: they share arrays and
#           settings that are made once, all of which each cell of a table would have to be handed.
#         - The arrays of all contestants start on a cache line (``aligned``) unless others are asked for: PyTorch's and
#           JAX's own do.

import importlib.util
import os
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.metadata import version

import numpy as np

from fastgrad import formulas
from fastgrad._validation import known
from fastgrad.kernels import compiled
from fastgrad.kernels.memory import aligned

OPERATIONS = ("value", "backward", "training")
SLOPE, ALPHA = (formulas.PARAMETERS[name][1] for name in ("leaky_relu", "elu"))


def _operation(operation, forward, backward):
    """One of the three operations from a forward and a backward pass; each may be None (not offered)."""
    if operation == "value":
        return forward
    if forward is None or backward is None:
        return None
    if operation == "backward":
        forward()
        return backward

    def training():
        return forward(), backward()

    return training


def fastgrad(name, operation, x, dy, zeros=aligned):
    """Ours: value and derivative in one pass, then one multiplication."""
    value, both = compiled.UFUNCS["value", name, "default"], compiled.value_and_derivative
    y, d, dx = (zeros(x.size, x.dtype) for _ in range(3))
    if operation == "value":
        return lambda: value(x, out=y)
    return _operation(operation, lambda: both(name, x, None, (y, d))[0], lambda: np.multiply(dy, d, out=dx))


def numpy(name, operation, x, dy, zeros=aligned):
    """NumPy, every step into an array that is there already."""
    y, kept, dx, zero = (zeros(x.size, x.dtype) for _ in range(4))
    slope = x.dtype.type(SLOPE)

    def sigmoid():  # y = 1 / (1 + exp(-x))
        np.negative(x, out=y)
        np.exp(y, out=y)
        np.add(y, 1, out=y)
        return np.divide(1, y, out=y)

    def sigmoid_backward():  # dx = dy y (1 - y)
        np.subtract(1, y, out=dx)
        np.multiply(dx, y, out=dx)
        return np.multiply(dx, dy, out=dx)

    def tanh():
        return np.tanh(x, out=y)

    def tanh_backward():  # dx = dy (1 - y^2)
        np.multiply(y, y, out=dx)
        np.subtract(1, dx, out=dx)
        return np.multiply(dx, dy, out=dx)

    def relu():
        return np.maximum(x, zero, out=y)

    def relu_backward():  # dx = dy [x > 0]
        np.greater(x, 0, out=dx)
        return np.multiply(dx, dy, out=dx)

    def leaky_relu():
        np.multiply(x, slope, out=y)
        return np.maximum(x, y, out=y)

    def leaky_relu_backward():  # dx = dy ([x > 0] (1 - slope) + slope)
        np.greater(x, 0, out=dx)
        np.multiply(dx, 1 - slope, out=dx)
        np.add(dx, slope, out=dx)
        return np.multiply(dx, dy, out=dx)

    def elu():  # for alpha = 1: kept = expm1(min(x, 0)), y = max(x, kept)
        np.minimum(x, zero, out=kept)
        np.expm1(kept, out=kept)
        return np.maximum(x, kept, out=y)

    def elu_backward():  # dx = dy (kept + 1)
        np.add(kept, 1, out=dx)
        return np.multiply(dx, dy, out=dx)

    forms = {
        "sigmoid": (sigmoid, sigmoid_backward),
        "tanh": (tanh, tanh_backward),
        "relu": (relu, relu_backward),
        "leaky_relu": (leaky_relu, leaky_relu_backward),
        "elu": (elu, elu_backward),
    }
    return _operation(operation, *forms.get(name, (None, None)))


def numexpr(name, operation, x, dy, zeros=aligned):
    """numexpr on one thread, forward only."""
    import numexpr as ne

    ne.set_num_threads(1)
    text = {
        "sigmoid": "1 / (1 + exp(-x))",
        "tanh": "tanh(x)",
        "relu": "where(x > 0, x, zero)",
        "leaky_relu": "where(x > 0, x, slope * x)",
        "elu": "where(x > 0, x, expm1(x))",
    }.get(name)
    if text is None:
        return None
    y = zeros(x.size, x.dtype)
    names = {"x": x, "zero": x.dtype.type(0), "slope": x.dtype.type(SLOPE)}
    if x.dtype == np.float32:
        text = text.replace("1 /", "one /").replace("(1 +", "(one +")
        names["one"] = np.float32(1)
    return _operation(operation, lambda: ne.evaluate(text, local_dict=names, out=y), None)


def torch(name, operation, x, dy, zeros=aligned):
    """PyTorch's own kernels on one thread, writing to preallocated tensors."""
    import torch as th

    th.set_num_threads(1)
    x, dy = th.from_numpy(x), th.from_numpy(dy)
    y, dx = th.empty_like(x), th.empty_like(x)
    aten = th.ops.aten
    forward = {
        "sigmoid": lambda: th.sigmoid(x, out=y),
        "tanh": lambda: th.tanh(x, out=y),
        "relu": lambda: th.clamp_min(x, 0, out=y),
        "leaky_relu": lambda: aten.leaky_relu.out(x, SLOPE, out=y),
        "elu": lambda: aten.elu.out(x, ALPHA, 1, 1, out=y),
    }.get(name)
    backward = {
        "sigmoid": lambda: aten.sigmoid_backward.grad_input(dy, y, grad_input=dx),
        "tanh": lambda: aten.tanh_backward.grad_input(dy, y, grad_input=dx),
        "relu": lambda: aten.threshold_backward.grad_input(dy, x, 0, grad_input=dx),
        "leaky_relu": lambda: aten.leaky_relu_backward.grad_input(dy, x, SLOPE, False, grad_input=dx),
        "elu": lambda: aten.elu_backward.grad_input(dy, ALPHA, 1, 1, False, x, grad_input=dx),
    }.get(name)
    return _operation(operation, forward, backward)


def torch_compile(name, operation, x, dy, zeros=aligned):
    """torch.compile of the forward pass."""
    import torch as th

    if operation != "value":
        return None
    th.set_num_threads(1)
    functional = th.nn.functional
    function = {
        "sigmoid": th.sigmoid,
        "tanh": th.tanh,
        "relu": functional.relu,
        "leaky_relu": lambda t: functional.leaky_relu(t, SLOPE),
        "elu": lambda t: functional.elu(t, ALPHA),
    }.get(name)
    if function is None:
        return None
    th._dynamo.reset()
    compiled_function, tensor = th.compile(function), th.from_numpy(x)  # type: ignore[call-overload]
    return lambda: compiled_function(tensor)


def jax(name, operation, x, dy, zeros=aligned):
    """JAX, jitted, on the CPU. Its backward pass is not to be had without its forward pass."""
    if operation == "backward":
        return None
    functions = _jax_functions(name)
    if functions is None:
        return None
    jx, value, training = functions
    x, dy = jx.numpy.asarray(x), jx.numpy.asarray(dy)
    if operation == "value":
        return lambda: value(x).block_until_ready()
    return lambda: jx.block_until_ready(training(x, dy))


@cache
def _jax_functions(name):
    """JAX, and its value and its training of one activation; kept, as a function made anew is compiled anew."""
    jx = jax_on_one_thread()
    jx.config.update("jax_enable_x64", True)
    function = {
        "sigmoid": jx.nn.sigmoid,
        "tanh": jx.numpy.tanh,
        "relu": jx.nn.relu,
        "leaky_relu": lambda t: jx.nn.leaky_relu(t, SLOPE),
        "elu": lambda t: jx.nn.elu(t, ALPHA),
    }.get(name)
    if function is None:
        return None

    def training(x, dy):
        y, pull = jx.vjp(function, x)
        return y, pull(dy)[0]

    return jx, jx.jit(function), jx.jit(training)


def jax_on_one_thread():
    """The module jax on one thread, unless somebody else started it before.

    XLA sizes its pool by NPROC when it starts; its flags for that (``--xla_cpu_multi_thread_eigen=false``) leave
    tanh of 10^7 elements on two threads. What JAX takes for expensive it hands to a thread and waits for: 10 to 80 us a
    call, which once made ReLU, compiled to the same maximum as ours, read 15 times ours. So it is told not to.
    """
    before = os.environ.get("NPROC")
    os.environ["NPROC"] = "1"
    try:
        import jax as jx

        jx.config.update("jax_cpu_enable_async_dispatch", False)
        jx.devices()
    finally:
        os.environ.pop("NPROC")
        if before is not None:
            os.environ["NPROC"] = before
    return jx


def without_autograd(contestants: Iterable[str]) -> AbstractContextManager:
    """What calls that need no gradients from PyTorch are timed in: its inference mode, entered once for all of them.

    Entered in the call, it would be timed: a microsecond or two.
    """
    if not any(_package(name) == "torch" for name in contestants):
        return nullcontext()
    import torch as th

    return th.inference_mode()


PEERS = {"numpy": numpy, "numexpr": numexpr, "torch": torch, "torch.compile": torch_compile, "jax": jax}
_MODULES = {"scikit-learn": "sklearn"}  # what is imported, where pip has another name for it


def _package(name):
    """What pip installs: torch for torch.compile."""
    return name.split(".")[0]


def installed(known_ones: Iterable[str] = PEERS) -> list[str]:
    """Those of these peers that can run here."""
    return [name for name in known_ones if missing(name) is None]


def check(names: Iterable[str], known_ones: Iterable[str] = PEERS) -> list[str]:
    """The names, each once; ValueError for an unknown peer, ImportError for one that cannot run here."""
    names = list(dict.fromkeys(names))
    for name in names:
        lacks = missing(known("peer", name, known_ones))
        if lacks:
            raise ImportError(f"peer {name!r} is not available: {lacks}")
    return names


def missing(name: str) -> str | None:
    """What this peer lacks, or None."""
    package = _package(name)
    if importlib.util.find_spec(_MODULES.get(package, package)) is None:
        return f"install it with `pip install {package}`"
    if name == "torch.compile" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        return "it needs a C++ compiler"
    return None


def versions(names: Iterable[str]) -> dict[str, str]:
    """Package and version of those peers that :func:`fastgrad.machine.machine` leaves out."""
    packages = dict.fromkeys(_package(name) for name in names if name != "numpy")
    return {package: version(package) for package in packages}
