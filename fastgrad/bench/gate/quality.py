"""Are the numbers the same? Errors in ULP, false zeros, other faults of the kernels, and how gradients decay."""

# Design: - The worker of a side only computes; both are judged here, against the same truth as `fastgrad audit`.
#         - A number that moves is a finding in either direction: an error that halves, or a decay that slows, changes
#           what users measure as much as its opposite.

import math
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fastgrad.activations import activation
from fastgrad.bench.audit.audit import INFINITY_BITS, QUICK_STRIDE
from fastgrad.bench.audit.contestants import parameter_of
from fastgrad.bench.audit.tally import Tally, sums_of
from fastgrad.bench.audit.truth import shape, true
from fastgrad.bench.gate.cases import KERNELS
from fastgrad.bench.gate.sides import GateError, Side

# How far a number may move. Counts may not; a decade per layer is a logarithm already.
TOLERANCE = {"max ULP": 0.05, "false zeros": 0, "other faults": 0, "decades per layer": 1e-4}


def numbers(side: Side, plants: Iterable[str] = ()) -> dict[str, dict[str, float]]:
    """The errors of a side's kernels and the decay of its networks.

    Parameters
    ----------
    side : Side
        The one that is judged.
    plants : iterable of str
        Kernels in whose place wrong ones are judged.

    Returns
    -------
    dict
        {kernel or network: {number: value}}.

    Raises
    ------
    GateError
        If the side cannot run what is asked.
    """
    z = np.arange(0, INFINITY_BITS, QUICK_STRIDE, dtype=np.uint32).view(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        inputs, results = Path(folder, "inputs.npy"), Path(folder, "results.npz")
        np.save(inputs, z)
        with side.process() as process:
            answer = process.ask("quality", inputs=str(inputs), results=str(results), plants=list(plants))
        if "error" in answer:
            raise GateError(f"{side.label} cannot be judged: {answer['error']}")
        with np.load(results) as file:
            kernels = {what: _errors(*KERNELS[what], z, *file[what]) for what in file}
    return kernels | {what: {"decades per layer": decades} for what, decades in answer["found"].items()}


def _errors(name, parameter, kind, z, positive, negative):
    """The audit's findings about one kernel, from its results at ``z`` and at ``-z``."""
    phi = activation(name, **parameter)
    up, down, _, low, high = shape(kind, phi)
    tally = Tally()
    for inputs, got, direction in ((z, positive, up), (-z, negative, down)):
        truth = true(kind, phi, inputs, parameter_of(phi))
        tally.add(sums_of(got, truth, np.nan, direction, low, high), inputs, got, truth)
    other = tally.not_monotonic + tally.out_of_range + tally.nan
    return {"max ULP": tally.max_ulp, "false zeros": tally.false_zeros, "other faults": other}


def verdict_of(number: str, base: float, head: float) -> str:
    """``same`` or ``moved``; what is NaN on both sides is the same."""
    equal = base == head or (math.isnan(base) and math.isnan(head))
    return "same" if equal or abs(head - base) <= TOLERANCE[number] else "moved"
