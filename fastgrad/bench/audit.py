"""``fastgrad audit``: every float32 through every kernel, ours and other libraries'."""

# Design: - The oracle is float64 NumPy and SciPy with textbook formulas (derivatives by cosh), which shares no code
#           with the kernels and is right to 1e-8 of a float32 ULP.
#         - Inputs go by magnitude, both signs at once, so oddness and monotonicity are seen on the way. The
#           magnitudes are cut in PARTS; each finished part is a line in a file, so an interrupted sweep resumes
#           and parts may run in threads (NumPy, the kernels and the tally below release the GIL).
#         - One Numba pass tallies a chunk: in NumPy the tally takes longer than the kernels.

import json
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from fastgrad import formulas, kernels
from fastgrad.bench import peers
from fastgrad.kernels import compiled

INFINITY_BITS = 0x7F800000  # magnitudes are the bit patterns 0 ... INFINITY_BITS
PARTS = 255
CHUNK = 1 << 16
QUICK_STRIDE = 4099  # prime: --quick takes every 4099th magnitude
KINDS = ("value", "derivative")


@np.errstate(all="ignore")
def oracle(kind: str, name: str, z: np.ndarray) -> np.ndarray:
    """The true result for float32 inputs, in float64."""
    from scipy.special import expit

    z = z.astype(np.float64)
    negative = np.minimum(z, 0)
    slope = float(np.float32(peers.SLOPE))
    match kind, name:
        case "value", "sigmoid":
            return expit(z)
        case "value", "tanh":
            return np.tanh(z)
        case "value", "relu":
            return np.maximum(z, 0)
        case "value", "leaky_relu":
            return np.where(z > 0, z, slope * z)
        case "value", "elu":
            return np.where(z > 0, z, np.expm1(negative))
        case "derivative", "sigmoid":
            return 0.25 / np.cosh(z / 2) ** 2
        case "derivative", "tanh":
            return 1 / np.cosh(z) ** 2
        case "derivative", "relu":
            return np.where(z > 0, 1.0, 0.0)
        case "derivative", "leaky_relu":
            return np.where(z > 0, 1.0, slope)
        case "derivative", "elu":
            return np.where(z > 0, 1.0, np.exp(negative))


def _ours(kind, name):
    """Every backend and instruction set of ours."""
    more = () if name not in formulas.PARAMETERS else (formulas.PARAMETERS[name][1],)
    for cpu, ufuncs in compiled.SETS.items():
        ufunc = ufuncs[kind, name]
        yield f"fastgrad {cpu}", lambda z, ufunc=ufunc: ufunc(z, *more)
    for backend in ("numba", "numpy"):
        run = getattr(kernels.get(backend), kind)
        yield f"fastgrad {backend}", lambda z, run=run: run(name, z, *more)


def _theirs(kind, name, peer):
    """A peer's value, or its derivative as its backward pass gives it for an incoming gradient of 1."""

    @np.errstate(all="ignore")
    def run(z):
        call = peers.PEERS[peer](name, "value" if kind == "value" else "training", z, np.ones_like(z))
        return np.asarray(call())

    return run


def contestants(kind: str, name: str) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What can be audited here: ours, and NumPy/SciPy, PyTorch and JAX where installed."""
    found = dict(_ours(kind, name))
    for peer in peers.installed():
        if peer in ("numpy", "torch", "jax"):
            found["numpy/scipy" if peer == "numpy" else peer] = _theirs(kind, name, peer)
    return found


@dataclass
class Tally:
    """What a sweep found about one kernel; parts are joined by :meth:`join`.

    Attributes
    ----------
    count : int
        Inputs with a finite true result that were judged.
    max_ulp, worst_input : float
        The largest error in units in the last place of the true result, and where.
    sum_ulp : float
    false_zeros : int
        Inputs whose true result is a normal number and whose result is 0.
    first_false_zero : float or None
        The one of least magnitude.
    not_monotonic, not_symmetric, out_of_range, nan : int
        Neighbouring floats between which the result goes the wrong way; pairs +-z whose results are not
        exactly odd or even where the function is; results beyond the function's range; NaN for a number.
    """

    count: int = 0
    max_ulp: float = 0.0
    worst_input: float = 0.0
    sum_ulp: float = 0.0
    false_zeros: int = 0
    first_false_zero: float | None = None
    not_monotonic: int = 0
    not_symmetric: int = 0
    out_of_range: int = 0
    nan: int = 0

    @property
    def mean_ulp(self) -> float:
        """Mean error over all inputs."""
        return self.sum_ulp / self.count if self.count else math.nan

    def join(self, other: "Tally") -> None:
        """Add another part's findings."""
        if other.max_ulp > self.max_ulp:
            self.max_ulp, self.worst_input = other.max_ulp, other.worst_input
        firsts = [t.first_false_zero for t in (self, other) if t.first_false_zero is not None]
        self.first_false_zero = min(firsts, key=abs, default=None)
        for name in (
            "count",
            "sum_ulp",
            "false_zeros",
            "not_monotonic",
            "not_symmetric",
            "out_of_range",
            "nan",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))


# What the function does as |z| grows, for z > 0 and z < 0 (1 rises, -1 falls), its symmetry and its range.
SHAPES = {
    ("value", "sigmoid"): (1, -1, 0, 0.0, 1.0),
    ("value", "tanh"): (1, -1, -1, -1.0, 1.0),
    ("value", "relu"): (1, -1, 0, 0.0, math.inf),
    ("value", "leaky_relu"): (1, -1, 0, -math.inf, math.inf),
    ("value", "elu"): (1, -1, 0, -1.0, math.inf),
    ("derivative", "sigmoid"): (-1, -1, 1, 0.0, 0.25),
    ("derivative", "tanh"): (-1, -1, 1, 0.0, 1.0),
    ("derivative", "relu"): (1, -1, 0, 0.0, 1.0),
    ("derivative", "leaky_relu"): (1, -1, 0, 0.0, 1.0),
    ("derivative", "elu"): (1, -1, 0, 0.0, 1.0),
}


@cache
def _tally_pass():
    """The loop over one chunk of one sign: z ascending in magnitude, got float32, true float64."""
    import numba

    @numba.njit(nogil=True, error_model="numpy")
    def tally(z, got, true, direction, low, high):
        tiny, count, total, worst, worst_at, zeros, first = 2.0**-126, 0, 0.0, 0.0, 0, 0, -1
        wrong_way, out, nan = 0, 0, 0
        for i in range(z.size):
            g, t = np.float64(got[i]), true[i]
            if np.isnan(g):
                nan += 1
                continue
            if g < low or g > high:
                out += 1
            if i and direction * (g - np.float64(got[i - 1])) < 0:
                wrong_way += 1
            if not np.isfinite(t):
                continue
            size = max(abs(t), tiny)
            unit = np.float64(np.float32(size))
            unit = math.ldexp(1.0, math.frexp(unit)[1] - 24)
            error = abs(g - t) / unit
            count += 1
            total += error
            if error > worst:
                worst, worst_at = error, i
            if g == 0.0 and abs(t) >= tiny:
                zeros += 1
                if first < 0:
                    first = i
        return count, worst, worst_at, total, zeros, first, wrong_way, out, nan

    return tally


def _chunk(kind, name, magnitudes, runs) -> dict[str, Tally]:
    """Both signs of these magnitudes (ascending bit patterns) through every kernel in ``runs``."""
    up, down, symmetry, low, high = SHAPES[kind, name]
    tally = _tally_pass()
    positive = magnitudes.view(np.float32)
    sides = [(z, oracle(kind, name, z), way) for z, way in ((positive, up), (-positive, down))]
    found = {}
    for contestant, run in runs.items():
        joined, results = Tally(), []
        for z, true, way in sides:
            got = run(z)
            results.append(got)
            count, worst, at, total, zeros, first, wrong, out, nan = tally(z, got, true, way, low, high)
            first_zero = float(z[first]) if first >= 0 else None
            joined.join(Tally(count, worst, float(z[at]), total, zeros, first_zero, wrong, 0, out, nan))
        if symmetry:
            joined.not_symmetric = int(np.count_nonzero(results[1] != symmetry * results[0]))
        found[contestant] = joined
    return found


def _magnitudes(part: int, quick: bool) -> Iterator[np.ndarray]:
    """Ascending bit patterns of one part, in chunks that overlap by one so that no neighbours are missed."""
    edges = np.linspace(0, INFINITY_BITS, PARTS + 1).astype(np.int64)
    stride = QUICK_STRIDE if quick else 1
    start, stop = int(edges[part]), int(edges[part + 1]) + 1
    for at in range(start, stop, CHUNK * stride):
        yield np.arange(at, min(at + CHUNK * stride + 1, stop), stride, dtype=np.uint32)


def sweep_part(kind: str, name: str, part: int, quick: bool) -> dict[str, Tally]:
    """Every kernel of one formula over one part of the magnitudes."""
    runs, found = contestants(kind, name), {}
    for magnitudes in _magnitudes(part, quick):
        for contestant, tally in _chunk(kind, name, magnitudes, runs).items():
            found.setdefault(contestant, Tally()).join(tally)
    return found


def _read(path: Path, quick: bool) -> dict[tuple, dict[str, Tally]]:
    """The finished parts of an earlier run of the same sweep; a half-written last line is dropped."""
    done = {}
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if record["quick"] == quick and record["kernels"] == compiled.runtime()["available"]:
                tallies = {contestant: Tally(**values) for contestant, values in record["tallies"].items()}
                done[record["kind"], record["name"], record["part"]] = tallies
    return done


def audit(
    out: str | os.PathLike | None = None,
    quick: bool = False,
    activations=tuple(formulas.VALUES),
    kinds=KINDS,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict]:
    """Sweep all 2^32 float32 inputs (NaN apart) through every kernel.

    Parameters
    ----------
    out : path, optional
        A file of finished parts (JSON lines). If it exists, the parts in it are not swept again.
    quick : bool
        Every 4099th magnitude only.
    activations, kinds : iterable of str
    workers : int
        Threads.
    progress : callable
        Called with the number of finished parts and of all parts.

    Returns
    -------
    list of dict
        One row per formula and contestant: the fields of :class:`Tally` and ``mean_ulp``.

    Raises
    ------
    ImportError
        If Numba, which tallies, is not installed.
    OSError
        If ``out`` cannot be written.
    """
    kernels.get("numba")
    done = _read(Path(out), quick) if out else {}
    jobs = [(kind, name, part) for name in activations for kind in kinds for part in range(PARTS)]
    todo = [job for job in jobs if job not in done]
    if todo:  # compile before threads want it at once
        _chunk(*todo[0][:2], np.arange(2, dtype=np.uint32), contestants(*todo[0][:2]))
    file = open(out, "a") if out else None  # noqa: SIM115 - closed below, after the last part
    try:
        with ThreadPoolExecutor(workers) as pool:
            futures = {pool.submit(sweep_part, *job, quick): job for job in todo}
            try:
                for future in as_completed(futures):
                    job = futures[future]
                    done[job] = future.result()
                    if file:
                        _append(file, job, quick, done[job])
                    progress(len(done), len(jobs))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        if file:
            file.close()
    return _rows(jobs, done)


def _append(file, job, quick, tallies):
    kind, name, part = job
    record = {"kind": kind, "name": name, "part": part, "quick": quick}
    record["kernels"] = compiled.runtime()["available"]
    record["tallies"] = {contestant: asdict(tally) for contestant, tally in tallies.items()}
    file.write(json.dumps(record) + "\n")
    file.flush()


def _rows(jobs, done):
    total = {}
    for kind, name, part in jobs:
        for contestant, tally in done[kind, name, part].items():
            total.setdefault((name, kind, contestant), Tally()).join(tally)
    rows = []
    for (name, kind, contestant), tally in total.items():
        row = {"activation": name, "kind": kind, "contestant": contestant, "mean_ulp": tally.mean_ulp}
        rows.append(row | {field.name: getattr(tally, field.name) for field in fields(Tally)})
    return rows
