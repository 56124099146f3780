"""What can be audited: our kernels, and the formulas of NumPy, PyTorch and JAX as the speed tables time them."""

# Design: - Made once per formula and called for every chunk: a sweep is 130,000 chunks, and JAX compiles once.
#         - A contestant carries version and form of what it runs, so that a resumed sweep never joins two of them.

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fastgrad import formulas, kernels
from fastgrad.activations import Activation, activation
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


def parameter_of(phi: str | Activation) -> float | None:
    """The activation's parameter as float32 has it, or None."""
    parameter = activation(phi).parameter
    return None if parameter is None else float(np.float32(parameter))


def label(phi: str | Activation) -> str:
    """The activation's name, and its parameter if it is not the default."""
    phi = activation(phi)
    return phi.name if phi == activation(phi.name) else phi.label


def contestants(kind: str, phi: str | Activation, group: str = "all") -> list[Contestant]:
    """Those of this formula that run here.

    Parameters
    ----------
    kind : str
        ``"value"`` or ``"derivative"``.
    phi : str or Activation
        The activation; peers are asked for its default parameter only.
    group : str
        ``"ours"``, ``"peers"`` or ``"all"``.

    Returns
    -------
    list of Contestant
        Ours first, each instruction set and backend.
    """
    found, phi = [], activation(phi)
    if group != "peers":
        found += _ours(kind, phi)
    if group != "ours" and phi == activation(phi.name):
        found += [_peer(peer, of, kind, phi.name) for peer, of in PEERS.items() if _offers(peer, kind, phi.name)]
    return found


def _ours(kind, phi) -> Iterator[Contestant]:
    """Every instruction set and backend."""
    parameter, bound = parameter_of(phi), phi.facts.ulp[kind]
    arguments = () if parameter is None else (np.float32(parameter),)
    for cpu, ufuncs in compiled.SETS.items():
        default = ufuncs[kind, phi.name, "default"] if phi == activation(phi.name) else None
        run = default or partial(_with_parameter, ufuncs[kind, phi.name], arguments)
        yield Contestant(f"fastgrad {cpu}", _our_version(), run, bound)
    numba, numpy = kernels.get("numba"), kernels.get("numpy")
    of_numba, of_numpy = (getattr(backend, kind) for backend in (numba, numpy))
    yield Contestant("fastgrad numba", _our_version(), lambda z: of_numba(phi.name, z, parameter), bound)

    def in_pieces(z):
        return in_blocks(lambda block: of_numpy(phi.name, block, parameter), z, z.dtype)

    yield Contestant("fastgrad numpy", _our_version(), in_pieces, numpy.ULP_BOUND)


def _with_parameter(ufunc, arguments, z):
    return ufunc(z, *arguments)


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
