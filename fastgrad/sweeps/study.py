"""One cell of a study is measured over its seeds, predicted and judged. ``run`` measures many, ``store`` keeps them."""

# Design: - What is averaged over seeds is log10 of delta relative to the output layer's: it is what the
#           theory predicts, and the scale of the loss drops out of it.
#         - BLAS runs on one thread, where threadpoolctl (it comes with scikit-learn) can tell it so: at these
#           widths its threads gain nothing (5.9 to 6.3 s for the default grid either way, on two shared
#           cores), and with two workers they cost a lot (11 and 27 s, against 6.2 and 6.3 s with one).
#         - A prediction takes 1 to 5 ms and does not depend on the seeds: cells that differ in their seeds
#           alone share it. A small cell took 4.3 ms without that, and 0.8 with it.
#         - The settled slope, which phase diagrams draw, is fitted over the layers past the first quarter: nearer the
#           input q has not settled at its fixed point, on which the critical line is defined. At width 256, depth 40
#           and 6 seeds the measured line is then within 1 % of theory's; over all layers, or the last half of them,
#           within 2.5 %.

import contextlib
import functools
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

import fastgrad
from fastgrad import datasets, diagnosis, kernels, slopes, theory, verdicts
from fastgrad._validation import listed
from fastgrad.activations import Activation, activation
from fastgrad.initializers import Initializer, initializer
from fastgrad.measurement import mean_interval, measure
from fastgrad.sweeps.cell import Cell, CellResult

CLASSES = 10
SETTLED = 0.25  # share of the hidden layers, from the input, that the settled slope leaves out


def grid(
    activations: Iterable[str | Activation],
    inits: Iterable[str | Initializer],
    depths: Iterable[int],
    **common,
) -> list[Cell]:
    """Every activation with every initialiser at every depth, each once; ``common`` are fields of Cell.

    TypeError if one of the three is a single value, and otherwise as Cell.
    """
    phis = map(activation, listed("activations", activations))
    rules = map(initializer, listed("inits", inits))
    pairs = itertools.product(phis, rules, listed("depths", depths))
    return list(dict.fromkeys(Cell(*pair, **common) for pair in pairs))


def check(cells: Sequence[Cell]) -> None:
    """Whether the cells can be measured here, before any is: the data sets load, the backends are installed.

    Raises
    ------
    TypeError
        If one of them is not a :class:`fastgrad.sweeps.cell.Cell`.
    ValueError
        If a batch is larger than its data set.
    ImportError
        If a data set or a backend needs a package that is missing.
    """
    for cell in cells:
        if not isinstance(cell, Cell):
            raise TypeError(f"cells must be Cell records, got {cell!r}")
        kernels.get(cell.backend)
        rows = len(_data(cell.data)[0])
        if cell.batch > rows:
            raise ValueError(f"batch must be at most the {rows} rows of {cell.data!r}, got {cell.batch}")


def _batch(cell):
    return tuple(array[: cell.batch] for array in _data(cell.data))


def sizes(cell: Cell) -> tuple[int, ...]:
    """``(n_in, width, ..., CLASSES)`` of the cell's networks."""
    return (_data(cell.data)[0].shape[1], *[cell.width] * cell.depth, CLASSES)


@functools.lru_cache(maxsize=64)
def _predicted(phi, rule, sizes, data, batch, bias_std):
    X = _data(data)[0][:batch]
    return theory.predict(phi, rule, sizes, q0=np.mean(X**2, axis=1), bias_std=bias_std)


def predict_cell(cell: Cell) -> theory.Prediction:
    """What theory expects of a cell; it does not depend on the seeds."""
    return _predicted(cell.activation, cell.init, sizes(cell), cell.data, cell.batch, cell.bias_std)


def measure_cell(cell: Cell) -> CellResult:
    """Measure one cell over its seeds, predict it, and give the verdict."""
    start = time.perf_counter()
    measured = measure(
        cell.activation, cell.init, cell.depth, cell.width, *_batch(cell),
        seeds=cell.seeds, dtype=cell.dtype, n_out=CLASSES, bias_std=cell.bias_std, backend=cell.backend,
    )  # fmt: skip
    predicted = predict_cell(cell)
    ratio, low, high = mean_interval(_relative_to_output(measured.profiles.log10_delta))
    band_low, band_high = predicted.mean_band(len(cell.seeds))
    slope_low, slope_high = predicted.decades_per_layer_band(len(cell.seeds))
    verdict, votes, evidence = _verdict(measured)
    return CellResult(
        cell=cell,
        version=fastgrad.__version__,
        log10_delta=tuple(measured.log10_delta.tolist()),
        log10_delta_ratio=tuple(ratio.tolist()),
        log10_delta_ratio_low=tuple(low.tolist()),
        log10_delta_ratio_high=tuple(high.tolist()),
        log10_weight_gradient=tuple(measured.log10_weight_gradient.tolist()),
        log10_signal=tuple(measured.log10_signal.tolist()),
        saturated_fraction=tuple(measured.saturated_fraction.tolist()),
        dead_fraction=tuple(measured.dead_fraction.tolist()),
        predicted_ratio=tuple(predicted.log10_delta_ratio.tolist()),
        predicted_low=tuple(band_low.tolist()),
        predicted_high=tuple(band_high.tolist()),
        decades_per_layer=float(measured.decades_per_layer),
        decades_per_layer_low=float(measured.decades_per_layer_interval[0]),
        decades_per_layer_high=float(measured.decades_per_layer_interval[1]),
        predicted_decades_per_layer=float(predicted.decades_per_layer),
        predicted_decades_per_layer_low=float(slope_low),
        predicted_decades_per_layer_high=float(slope_high),
        in_band=predicted.in_band(measured.decades_per_layer, len(cell.seeds)),
        settled_decades_per_layer=settled_slope(ratio),
        decades_lost=float(measured.decades_lost),
        half_life=float(measured.half_life),
        float32_zero_layer=measured.float32_zero_layer,
        float64_zero_layer=measured.float64_zero_layer,
        verdict=verdict,
        verdict_seeds=votes,
        evidence=evidence,
        seconds=time.perf_counter() - start,
    )


def settled_slope(log10_delta_ratio: np.ndarray) -> float:
    """Decades of delta lost per layer over the hidden layers past the first quarter; NaN with fewer than two.

    ``log10_delta_ratio`` has shape (L,), the output layer last.
    """
    hidden = log10_delta_ratio[:-1]
    hidden = hidden[int(SETTLED * hidden.size) :]
    if hidden.size < 2 or not np.isfinite(hidden).all():
        return math.nan
    return slopes.line(hidden)


def one_blas_thread():
    """A context in which this process' BLAS runs on one thread, where threadpoolctl is installed."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1, user_api="blas")


@functools.cache
def _data(name):
    return datasets.load(name)


@np.errstate(invalid="ignore")
def _relative_to_output(log10_delta):
    """log10 of delta, shape (seeds, L), over the output layer's; NaN where that is exactly 0."""
    return log10_delta - log10_delta[:, -1:]


def _verdict(measured):
    """The commonest verdict over seeds, its votes, and its evidence: the means over all seeds, as in every table.

    Where a mean is not finite it is the evidence of the first seed with that verdict.
    """
    found = measured.profiles
    each = verdicts.of_each(found.log10_delta, found.saturated_fraction, found.dead_fraction)
    verdict, votes = Counter(each).most_common(1)[0]
    if not np.isfinite(measured.log10_delta).all():
        return verdict, votes, diagnosis.diagnose(found[each.index(verdict)]).evidence
    means = measured.log10_delta, measured.saturated_fraction, measured.dead_fraction
    return verdict, votes, diagnosis.evidence(verdict, *means, measured.float32_zero_layer)
