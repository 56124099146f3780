"""``fastgrad audit``: every float32 through every kernel, ours and other libraries'."""

# Design: - Inputs go by magnitude, both signs at once, so oddness and monotonicity are seen on the way. Chunks overlap
#           by one input, which is judged once: no pair of neighbours is missed.
#         - The magnitudes are cut in PARTS, which are what is stored and what threads share out (the kernels, the truth
#           and the tally release the GIL).
#         - The truth is worked out once per chunk. Contestants whose results are the same bits share a tally: AVX2,
#           AVX-512 and Numba do, and everyone does at relu.

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict

import numpy as np

from fastgrad import kernels
from fastgrad._validation import each_known, known, positive_int
from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.bench.audit.contestants import CHUNK, GROUPS, Contestant, contestants, label, parameter_of
from fastgrad.bench.audit.tally import JUDGE, SHAPE_FAULTS, Tally, asymmetries, sums_of
from fastgrad.bench.audit.truth import shape, true
from fastgrad.bench.journal import Parts

INFINITY_BITS = 0x7F800000  # magnitudes are the bit patterns 0 ... INFINITY_BITS
PARTS = 51  # of five binades
QUICK_STRIDE = 4099  # prime: --quick takes every 4099th magnitude
KINDS = ("value", "derivative")


class Audit:
    """A sweep of every float32 except NaN through every kernel of some formulas.

    Parameters
    ----------
    out : path, optional
        A file of finished parts (JSON lines). If it exists, what is in it is not swept again, as long as it
        is of the same kernels and versions.
    quick : bool
        Every 4099th magnitude only.
    activations : iterable of str or Activation
    kinds : iterable of str
    group : str
        ``"ours"``, ``"peers"`` or ``"all"``.
    workers : int
        Threads.

    Raises
    ------
    ImportError
        If Numba, which tallies, is not installed.
    ValueError
        If a name is unknown, ``workers`` is not positive, or ``out`` is a file of something else.
    OSError
        If ``out`` cannot be written.
    """

    def __init__(self, out=None, quick=False, activations=ACTIVATIONS, kinds=KINDS, group="all", workers=1):
        kernels.get("numba")
        known("group", group, GROUPS)
        self.workers, self.quick = positive_int("workers", workers), bool(quick)
        kinds = each_known("kind", kinds, KINDS)
        phis = dict.fromkeys(map(activation, activations))
        self.parts = Parts(out, f"{'quick' if self.quick else 'whole'}, judge {JUDGE}", "an audit")
        self.fields = {(kind, phi): contestants(kind, phi, group) for phi in phis for kind in kinds}

    def run(self, progress: Callable[[int, int, str], None] = lambda done, total, label: None) -> None:
        """Sweep what is not in the file; an interruption stops every thread at its next chunk.

        ``progress`` is called with the number of finished parts, of all parts, and a formula's name.
        """
        missing = self._missing()
        for formula in dict.fromkeys(formula for formula, _ in missing):  # compile before threads want it at once
            sweep(formula, self.fields[formula], np.arange(2, dtype=np.uint32), 0, defaultdict(Tally))
        stop = threading.Event()
        with ThreadPoolExecutor(self.workers) as pool:
            futures = {pool.submit(_part, *job, field, self.quick, stop): job for job, field in missing.items()}  # type: ignore[call-arg]
            try:
                for done, future in enumerate(as_completed(futures), 1 + self.finished):
                    formula, part = futures[future]
                    self._keep(formula, part, future.result())
                    progress(done, self.total, f"{label(formula[1])} {formula[0]}")
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    @property
    def total(self) -> int:
        """Parts to sweep, over all formulas."""
        return PARTS * len(self.fields)

    @property
    def finished(self) -> int:
        """Those of them that are swept."""
        return self.total - len(self._missing())

    def _missing(self):
        """{(formula, part): contestants} of what is not swept."""
        missing = {}
        for formula, field in self.fields.items():
            for part in range(PARTS):
                there = self.parts.found.get(_name(formula, part), {})
                rest = [one for one in field if one.identity not in there]
                if rest:
                    missing[formula, part] = rest
        return missing

    def _keep(self, formula, part, tallies):
        """Beside what other contestants have left there."""
        name = _name(formula, part)
        plain = {identity: asdict(tally) for identity, tally in tallies.items()}
        self.parts.add(name, self.parts.found.get(name, {}) | plain)

    def _tally(self, formula, part, one):
        return Tally(**self.parts.found[_name(formula, part)][one.identity])

    def rows(self) -> list[dict]:
        """The findings, once the sweep is complete.

        One row per formula and contestant: ``activation``, ``kind``, ``contestant``, ``version``, ``ours``, ``bound``
        (in ULP; None for peers), ``mean_ulp``, the fields of :class:`Tally`, and ``faults``, what
        breaks our promises in words (none for peers).
        """
        return [
            _row(formula, one, [self._tally(formula, part, one) for part in range(PARTS)])
            for formula, field in self.fields.items()
            for one in field
        ]


def _name(formula, part):
    kind, phi = formula
    return f"{kind} {label(phi)} {part}"


def _part(formula, part, field, quick, stop) -> dict[str, Tally]:
    """These contestants at one part of the magnitudes."""
    found = defaultdict(Tally)
    for magnitudes, overlap in chunks(part, quick):
        if stop.is_set():
            break
        sweep(formula, field, magnitudes, overlap, found)
    return found


def chunks(part: int, quick: bool) -> Iterator[tuple[np.ndarray, int]]:
    """Ascending bit patterns of one part and the number of those at their head that were judged before (0 or 1)."""
    stride = QUICK_STRIDE if quick else 1
    start, stop = (-(-(INFINITY_BITS * edge) // (PARTS * stride)) for edge in (part, part + 1))
    if part == PARTS - 1:
        stop = INFINITY_BITS // stride + 1
    for at in range(start, stop, CHUNK - 1):
        overlap = int(at > 0)
        yield np.arange(at - overlap, min(at + CHUNK - 1, stop), dtype=np.uint32) * np.uint32(stride), overlap


def sweep(
    formula: tuple[str, str | Activation],
    field: Sequence[Contestant],
    magnitudes: np.ndarray,
    overlap: int,
    found: dict[str, Tally],
) -> None:
    """Both signs of these magnitudes, ascending bit patterns, through these contestants.

    The first ``overlap`` magnitudes (0 or 1) are there as the neighbours of the next only. What is found is added to
    the tallies in ``found``, by the contestants' identities.
    """
    up, down, symmetry, low, high = shape(*formula)
    positive = magnitudes.view(np.float32)
    inputs = (positive, -positive)
    truths = [true(*formula, z[overlap:], parameter_of(formula[1])) for z in inputs]
    seen = []
    for one in field:
        results = [one.run(z) for z in inputs]
        sums = next((sums for earlier, sums in seen if all(map(_same_bits, earlier, results))), None)
        if sums is None:
            sums = [
                sums_of(got[overlap:], truth, got[0] if overlap else np.nan, direction, low, high)
                for got, truth, direction in zip(results, truths, (up, down), strict=True)
            ]
            seen.append((results, sums))
        judged = [got[overlap:] for got in results]
        for side in zip(sums, inputs, judged, truths, strict=True):
            found[one.identity].add(side[0], side[1][overlap:], *side[2:])
        if symmetry:
            found[one.identity].not_symmetric += asymmetries(*judged, symmetry)  # type: ignore[call-arg,arg-type]


def _same_bits(a, b):
    return np.array_equal(a.view(np.uint32), b.view(np.uint32))


def _row(formula, one, tallies):
    total = Tally()
    for tally in tallies:
        total.join(tally)
    kind, phi = formula
    return {
        "activation": label(phi),
        "kind": kind,
        "contestant": one.name,
        "version": one.version,
        "ours": one.bound is not None,
        "bound": one.bound,
        "mean_ulp": total.mean_ulp,
        **asdict(total),
        "faults": [] if one.bound is None else faults(total, one.bound),
    }


def faults(tally: Tally, bound: float) -> list[str]:
    """What a kernel of ours breaks of: at most ``bound`` ULP, no false zero, order, symmetry, range, no NaN."""
    found = []
    for error, at in (
        (tally.max_ulp, tally.worst_input),
        (tally.max_ulp_subnormal, tally.worst_input_subnormal),
    ):
        if not error <= bound:
            found.append(f"{error:.2f} ULP at {at!r}, more than {bound}")
    counts = {name: getattr(tally, name) for name in ("false_zeros", *SHAPE_FAULTS)}
    return found + [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
