"""What can be audited: our kernels, and the formulas of NumPy, PyTorch and JAX as the speed tables time them."""

# Design: - Made once per formula and called for every chunk: a sweep is 130,000 chunks, and JAX compiles once.
#         - A contestant carries version and form of what it runs, so that a resumed sweep never joins two of them.

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fastgrad import formulas, kernels
from fastgrad.activations import Activation
from fastgrad.bench import peers
from fastgrad.bench.audit.truth import in_blocks
from fastgrad.kernels import compiled, exponential, names

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
    form : str
        A digest of how it is written here, where that is no part of its version.
    """

    name: str
    version: str
    run: Callable[[np.ndarray], np.ndarray]
    bound: float | None = None
    form: str = ""

    @property
    def identity(self) -> str:
        """Name, version and form."""
        return f"{self.name} {self.version} {self.form}".rstrip()


def parameter_of(name: str) -> float | None:
    """The activation's default parameter as float32 has it, or None."""
    return float(np.float32(formulas.PARAMETERS[name][1])) if name in formulas.PARAMETERS else None


def contestants(kind: str, name: str, group: str = "all") -> list[Contestant]:
    """Those of this formula that run here, of a group: "ours", "peers" or "all"."""
    found = []
    if group != "peers":
        found += _ours(kind, name)
    if group != "ours":
        found += [_peer(peer, packages, kind, name) for peer, packages in PEERS.items() if _offers(peer, kind, name)]
    return found


def _ours(kind, name) -> Iterator[Contestant]:
    """Every instruction set and backend."""
    parameter = parameter_of(name)
    bound = Activation(name).facts.ulp[kind]
    for cpu, ufuncs in compiled.SETS.items():
        yield Contestant(f"fastgrad {cpu}", _our_version(), ufuncs[kind, name, "default"], bound)
    numba, numpy = kernels.get("numba"), kernels.get("numpy")
    of_numba, of_numpy = (getattr(backend, kind) for backend in (numba, numpy))
    yield Contestant("fastgrad numba", _our_version(), lambda z: of_numba(name, z, parameter), bound)

    def in_pieces(z):
        return in_blocks(lambda block: of_numpy(name, block, parameter), z, z.dtype)

    yield Contestant("fastgrad numpy", _our_version(), in_pieces, numpy.ULP_BOUND)


@cache
def _our_version():
    """A digest of everything that the results of our kernels depend on."""
    files = [compiled, exponential, formulas, names, kernels.get("numba"), kernels.get("numpy")]
    digest = hashlib.sha256(" ".join(map(version, ("numpy", "numba"))).encode())
    for module in files:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


_OPERATIONS = {"value": "value", "derivative": "training"}  # the derivative is dx where dy is 1


def _offers(peer: str, kind: str, formula: str) -> bool:
    """Whether this peer runs here and has the formula."""
    one = np.ones(1, np.float32)
    return not peers.missing(peer) and peers.PEERS[peer](formula, _OPERATIONS[kind], one, one) is not None


def _peer(name: str, packages: tuple[str, ...], kind: str, formula: str) -> Contestant:
    """A peer of the speed tables; the derivative is what its backward pass makes of a gradient of 1."""
    make, ones = peers.PEERS[name], np.ones(CHUNK, np.float32)

    @np.errstate(all="ignore")
    def run(z):
        padded = np.zeros(CHUNK, np.float32)  # JAX compiles for each size
        padded[: z.size] = z
        found = make(formula, _OPERATIONS[kind], padded, ones)()
        return np.asarray(found if kind == "value" else found[1])[: z.size].copy()

    return Contestant(name, " ".join(map(version, packages)), run, form=_form_of_peers())


@cache
def _form_of_peers():
    return hashlib.sha256(Path(peers.__file__).read_bytes()).hexdigest()[:12]


PEERS = {"numpy": ("numpy",), "torch": ("torch",), "jax": ("jax",)}
