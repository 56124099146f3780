"""What can be audited: our kernels, and the formulas of NumPy and SciPy, PyTorch and JAX as their users get them."""

# Design: - Made once per formula and called for every chunk: a sweep is 130,000 chunks, and JAX compiles once.
#         - A contestant carries the version of what it runs, so that a resumed sweep never joins two of them.

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fastgrad import elementary, formulas, kernels
from fastgrad.bench.peers import jax_on_one_thread
from fastgrad.bench.truth import in_blocks
from fastgrad.kernels import compiled

GROUPS = ("all", "ours", "peers")
CHUNK = 1 << 17  # the most inputs of one call


@dataclass(frozen=True)
class Contestant:
    """One implementation of one formula.

    Attributes
    ----------
    name, version : str
    run : callable
        float32 array of at most CHUNK elements -> float32 array.
    bound : float or None
        The ULP that ours must keep; None for peers.
    """

    name: str
    version: str
    run: Callable[[np.ndarray], np.ndarray]
    bound: float | None = None

    @property
    def identity(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def parameter_of(name: str) -> float | None:
    """The activation's default parameter as float32 has it, or None."""
    return float(np.float32(formulas.PARAMETERS[name][1])) if name in formulas.PARAMETERS else None


def contestants(kind: str, name: str, group: str = "all") -> list[Contestant]:
    """Those of this formula that run here, of a group: "ours", "peers" or "all"."""
    found = []
    if group != "peers":
        found += _ours(kind, name)
    if group != "ours":
        found += [make(kind, name) for package, make in PEERS.items() if importlib.util.find_spec(package)]
    return found


def _ours(kind, name) -> Iterator[Contestant]:
    """Every instruction set and backend."""
    parameter = parameter_of(name)
    bounds = formulas.ULP_BOUNDS
    for cpu, ufuncs in compiled.SETS.items():
        yield Contestant(f"fastgrad {cpu}", _our_version(), ufuncs[kind, name, "default"], bounds["arithmetic"])
    numba, reference = (getattr(kernels.get(backend), kind) for backend in ("numba", "numpy"))
    yield Contestant("fastgrad numba", _our_version(), lambda z: numba(name, z, parameter), bounds["arithmetic"])

    def in_pieces(z):
        return in_blocks(lambda block: reference(name, block, parameter), z, z.dtype)

    yield Contestant("fastgrad numpy", _our_version(), in_pieces, bounds["numpy"])


@cache
def _our_version():
    """A digest of everything that the results of our kernels depend on."""
    files = [compiled, elementary, formulas, kernels.get("numba"), kernels.get("numpy")]
    digest = hashlib.sha256(" ".join(map(version, ("numpy", "numba"))).encode())
    for module in files:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


def _numpy(kind, name):
    """NumPy and SciPy's functions; derivatives from the output, as is usual."""
    from scipy.special import expit

    slope = np.float32(formulas.PARAMETERS["leaky_relu"][1])
    values = {
        "sigmoid": expit,
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "leaky_relu": lambda z: np.where(z > 0, z, slope * z),
        "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    }
    from_output = {
        "sigmoid": lambda y: y * (1 - y),
        "tanh": lambda y: 1 - y * y,
        "relu": lambda y: (y > 0).astype(y.dtype),
        "leaky_relu": lambda y: np.where(y > 0, np.float32(1), slope),
        "elu": lambda y: np.where(y > 0, np.float32(1), y + 1),
    }

    @np.errstate(all="ignore")
    def run(z):
        y = values[name](z)
        return y if kind == "value" else from_output[name](y)

    return Contestant("numpy/scipy", f"{version('numpy')} {version('scipy')}", run)


def _torch(kind, name):
    """PyTorch's function and what autograd makes of it."""
    import torch

    torch.set_num_threads(1)
    functional, slope = torch.nn.functional, formulas.PARAMETERS["leaky_relu"][1]
    function = {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "leaky_relu": lambda t: functional.leaky_relu(t, slope),
        "elu": functional.elu,
    }[name]

    def run(z):
        z = torch.from_numpy(z)
        if kind == "value":
            return function(z).numpy()
        z.requires_grad_()
        y = function(z)
        return torch.autograd.grad(y, z, torch.ones_like(y))[0].numpy()

    return Contestant("torch", version("torch"), run)


def _jax(kind, name):
    """JAX's function and its vector-Jacobian product, compiled for chunks of one size."""
    jax = jax_on_one_thread()
    slope = formulas.PARAMETERS["leaky_relu"][1]
    function = {
        "sigmoid": jax.nn.sigmoid,
        "tanh": jax.numpy.tanh,
        "relu": jax.nn.relu,
        "leaky_relu": lambda t: jax.nn.leaky_relu(t, slope),
        "elu": jax.nn.elu,
    }[name]

    def derivative(t):
        return jax.vjp(function, t)[1](jax.numpy.ones_like(t))[0]

    jitted = jax.jit(function if kind == "value" else derivative)

    def run(z):
        padded = np.zeros(CHUNK, np.float32)
        padded[: z.size] = z
        return np.array(jitted(padded)[: z.size])

    return Contestant("jax", version("jax"), run)


PEERS = {"scipy": _numpy, "torch": _torch, "jax": _jax}
