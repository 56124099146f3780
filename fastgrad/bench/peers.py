"""The same operations in other people's libraries, each written as its users would, without avoidable work.

A peer is a function ``(activation, operation, x, dy) -> callable or None``; the callable does the operation once
and returns an array-like. Operations: ``value``, ``backward`` (dy -> dx from what forward kept) and ``training``
(forward keeping what backward needs, then backward). Outputs are preallocated wherever the library allows it.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterable
from importlib.metadata import version

import numpy as np

from fastgrad import formulas
from fastgrad._errors import known
from fastgrad._memory import aligned
from fastgrad.kernels import compiled

OPERATIONS = ("value", "backward", "training")
SLOPE, ALPHA = (formulas.PARAMETERS[name][1] for name in ("leaky_relu", "elu"))


def _operation(operation, forward, backward):
    """One of the three operations from a forward and a backward pass; backward may be None (not offered)."""
    if operation == "value":
        return forward
    if backward is None:
        return None
    if operation == "backward":
        forward()
        return backward

    def training():
        forward()
        return backward()

    return training


def fastgrad(name, operation, x, dy):
    """Ours: value and derivative in one pass, then one multiplication."""
    value, both = (compiled.UFUNCS[kind, name, "default"] for kind in ("value", "value_and_derivative"))
    y, d, dx = (aligned(x.size, x.dtype) for _ in range(3))
    if operation == "value":
        return lambda: value(x, out=y)
    return _operation(operation, lambda: both(x, out=(y, d)), lambda: np.multiply(dy, d, out=dx))


def numpy(name, operation, x, dy):
    """NumPy and SciPy."""
    from scipy.special import expit

    y, dx = aligned(x.size, x.dtype), aligned(x.size, x.dtype)
    forward = {
        "sigmoid": lambda: expit(x, out=y),
        "tanh": lambda: np.tanh(x, out=y),
        "relu": lambda: np.maximum(x, 0, out=y),
        "leaky_relu": lambda: np.maximum(x, x * x.dtype.type(SLOPE), out=y),
        "elu": lambda: np.where(x > 0, x, np.expm1(x)),
    }[name]
    backward = {
        "sigmoid": lambda: np.multiply(dy, y * (1 - y), out=dx),
        "tanh": lambda: np.multiply(dy, 1 - y * y, out=dx),
        "relu": lambda: np.multiply(dy, x > 0, out=dx),
        "leaky_relu": lambda: np.where(x > 0, dy, dy * x.dtype.type(SLOPE)),
        "elu": lambda: np.where(x > 0, dy, dy * np.exp(np.minimum(x, 0))),
    }[name]
    return _operation(operation, forward, backward)


def numexpr(name, operation, x, dy):
    """numexpr on one thread, forward only."""
    import numexpr as ne

    ne.set_num_threads(1)
    text = {
        "sigmoid": "1 / (1 + exp(-x))",
        "tanh": "tanh(x)",
        "relu": "where(x > 0, x, zero)",
        "leaky_relu": "where(x > 0, x, slope * x)",
        "elu": "where(x > 0, x, expm1(x))",
    }[name]
    y = aligned(x.size, x.dtype)
    names = {"x": x, "zero": x.dtype.type(0), "slope": x.dtype.type(SLOPE)}
    if x.dtype == np.float32:
        text = text.replace("1 /", "one /").replace("(1 +", "(one +")
        names["one"] = np.float32(1)
    return _operation(operation, lambda: ne.evaluate(text, local_dict=names, out=y), None)


def torch(name, operation, x, dy):
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
    }[name]
    backward = {
        "sigmoid": lambda: aten.sigmoid_backward.grad_input(dy, y, grad_input=dx),
        "tanh": lambda: aten.tanh_backward.grad_input(dy, y, grad_input=dx),
        "relu": lambda: aten.threshold_backward.grad_input(dy, x, 0, grad_input=dx),
        "leaky_relu": lambda: aten.leaky_relu_backward.grad_input(dy, x, SLOPE, False, grad_input=dx),
        "elu": lambda: aten.elu_backward.grad_input(dy, ALPHA, 1, 1, False, x, grad_input=dx),
    }[name]
    return _operation(operation, forward, backward)


def torch_compile(name, operation, x, dy):
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
    }[name]
    th._dynamo.reset()
    compiled_function, tensor = th.compile(function), th.from_numpy(x)  # type: ignore[call-overload]
    return lambda: compiled_function(tensor)


def jax(name, operation, x, dy):
    """JAX, jitted, on the CPU."""
    jx = jax_on_one_thread()
    jx.config.update("jax_enable_x64", True)
    function = {
        "sigmoid": jx.nn.sigmoid,
        "tanh": jx.numpy.tanh,
        "relu": jx.nn.relu,
        "leaky_relu": lambda t: jx.nn.leaky_relu(t, SLOPE),
        "elu": lambda t: jx.nn.elu(t, ALPHA),
    }[name]
    x, dy = jx.numpy.asarray(x), jx.numpy.asarray(dy)
    if operation == "value":
        jitted = jx.jit(function)
        return lambda: jitted(x).block_until_ready()
    if operation == "backward":
        return None  # its backward pass is not separate from its forward pass
    jitted = jx.jit(lambda t, g: jx.vjp(function, t)[1](g)[0])
    return lambda: jitted(x, dy).block_until_ready()


def jax_on_one_thread():
    """The module jax, whose compiler's pool of threads has one thread, unless somebody else started it before.

    XLA sizes the pool by NPROC when it starts; its flags for that (``--xla_cpu_multi_thread_eigen=false``) leave
    tanh of 10^7 elements on two threads.
    """
    before = os.environ.get("NPROC")
    os.environ["NPROC"] = "1"
    try:
        import jax as jx

        jx.devices()
    finally:
        os.environ.pop("NPROC")
        if before is not None:
            os.environ["NPROC"] = before
    return jx


PEERS = {"numpy": numpy, "numexpr": numexpr, "torch": torch, "torch.compile": torch_compile, "jax": jax}
_PACKAGES = {"torch.compile": "torch", "jax.scan": "jax"}


def installed() -> list[str]:
    """The peers that can run here."""
    return [name for name in PEERS if missing(name) is None]


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
    package = _PACKAGES.get(name, name)
    if importlib.util.find_spec(package) is None:
        return f"install it with `pip install {package}`"
    if name == "torch.compile" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        return "it needs a C++ compiler"
    return None


def versions(names: Iterable[str]) -> dict[str, str]:
    """Package and version of those peers that :func:`fastgrad.machine.machine` leaves out."""
    packages = dict.fromkeys(_PACKAGES.get(name, name) for name in names if name != "numpy")
    return {package: version(package) for package in packages}
