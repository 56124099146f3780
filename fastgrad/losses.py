"""The two losses, each a mean over the batch, and their gradient delta at the outputs."""

# Design: - Outputs come as ``2^exponent * outputs`` and delta leaves the same way, so that a network whose
#           outputs (or whose softmax) are out of the floating-point range still has a delta.
#         - The delta of a softmax at its label is p - 1, which cancels to 0 once the other classes hold less
#           than an ulp. It is taken as minus the sum of the others instead, which never cancels.
#         - All is done in float64, whatever the network's dtype: this is one small layer out of many.

import math

import numpy as np

from fastgrad._validation import computed_in, data_matrix, plain_array, real_array
from fastgrad.kernels.compiled import LOWEST_LOG

_LN_2 = math.log(2.0)


def cross_entropy(outputs, labels) -> tuple[float, np.ndarray]:
    """Softmax cross-entropy, ``mean(-log softmax(outputs)[label])``, and its gradient.

    Parameters
    ----------
    outputs : array_like, shape (batch, classes)
        Finite real numbers; float16, float32 and float64 are kept, other types go to float64.
    labels : array_like of int, shape (batch,)
        From 0 to ``classes - 1``.

    Returns
    -------
    loss : float
        In nats.
    delta : ndarray, shape (batch, classes)
        dloss/doutputs, ``(softmax(outputs) - one_hot(labels)) / batch``.

    Raises
    ------
    ValueError
        If a shape is wrong, the batch is empty, the outputs are not finite, there is only one class, or a
        label is out of range.
    TypeError
        If the outputs are not real, or the labels are not integers.
    """
    return _plain("cross_entropy", outputs, labels, "labels")


def mse(outputs, targets) -> tuple[float, np.ndarray]:
    """Mean squared error, ``mean((outputs - targets)^2)`` over batch and outputs, and its gradient.

    Parameters
    ----------
    outputs, targets : array_like, shape (batch, n_out)
        Finite real numbers; float16, float32 and float64 are kept, other types go to float64. Targets of one output
        may have shape (batch,).

    Returns
    -------
    loss : float
        In the targets' unit squared.
    delta : ndarray, shape (batch, n_out)
        dloss/doutputs, ``2 (outputs - targets) / (batch n_out)``.

    Raises
    ------
    ValueError
        If a shape is wrong, the batch is empty, or a value is not finite.
    TypeError
        If the outputs or targets are not real.
    """
    return _plain("mse", outputs, targets, "targets")


def baseline(loss: str, y) -> float:
    """The loss of the best constant outputs: the entropy of the labels' shares, the variance of targets.

    Parameters
    ----------
    loss : {"cross_entropy", "mse"}
    y : array_like
        Labels from 0, shape (rows,), or targets, shape (rows, n_out).
    """
    if loss == "mse":
        return float(np.mean(np.var(np.asarray(y, np.float64), axis=0)))
    shares = np.bincount(y)[np.unique(y)] / len(y)
    return float(-np.sum(shares * np.log(shares)))


def scaled_cross_entropy(outputs, labels, exponent=0):
    """``cross_entropy`` of ``2^exponent * outputs`` -> (loss, delta, k), the gradient being ``2^k * delta``.

    Nothing is checked. The loss is inf if it is beyond float64.
    """
    rows = np.arange(len(labels))
    t = outputs - outputs.max(axis=1, keepdims=True).astype(np.float64)
    with np.errstate(over="ignore"):  # -inf is right where a difference from its row's maximum overflows
        t = np.ldexp(t, exponent)
    top = t.argmax(axis=1)
    e = np.exp(t)
    e[rows, top] = 0.0
    log_p = t - np.log1p(e.sum(axis=1, keepdims=True))
    loss = 0.0 - log_p[rows, labels].mean()  # never -0.0

    log_p[rows, labels] = -np.inf  # from here on: the other classes
    largest = float(log_p.max())
    if not largest >= LOWEST_LOG:  # so large a logarithm has no digits left for what a layer changes
        return float(loss), np.full_like(outputs, 0.0 if largest < LOWEST_LOG else np.nan), 0
    k = math.floor(largest / _LN_2)
    delta = np.exp(log_p - k * _LN_2)
    delta[rows, labels] = -delta.sum(axis=1)
    delta /= len(labels)
    return float(loss), delta.astype(outputs.dtype, copy=False), k


def scaled_mse(outputs, targets, exponent=0):
    """``mse`` of ``2^exponent * outputs`` -> (loss, delta, k), the gradient being ``2^k * delta``.

    Nothing is checked. The loss is inf if it is beyond float64.
    """
    top = max(math.frexp(np.abs(outputs).max())[1] + exponent, math.frexp(np.abs(targets).max())[1])
    k = top if exponent else 0
    residual = np.ldexp(outputs.astype(np.float64), exponent - k) - np.ldexp(targets.astype(np.float64), -k)
    with np.errstate(over="ignore"):
        loss = np.ldexp(np.square(residual).mean(), 2 * k)
    residual *= 2.0 / residual.size
    return float(loss), residual.astype(outputs.dtype, copy=False), k


SCALED = {"cross_entropy": scaled_cross_entropy, "mse": scaled_mse}
LOSSES = tuple(SCALED)


def check_targets(loss: str, y, batch: int, n_out: int, dtype, name: str = "y") -> np.ndarray:
    """``y`` as the array this loss wants for ``(batch, n_out)`` outputs, or the error that says why not."""
    if loss == "mse":
        targets = real_array(name, y, dtype)
        if targets.shape == (batch,):
            if n_out > 1:
                raise ValueError(f"{name} must have shape ({batch}, {n_out}), a column for each output, got ({batch},)")
            targets = targets[:, None]
        return data_matrix(name, targets, (batch, n_out), dtype)
    labels = plain_array(name, y)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integer labels for the cross-entropy, got dtype {labels.dtype}")
    if labels.shape != (batch,):
        raise ValueError(f"{name} must have shape ({batch},), one label per row of the batch, got {labels.shape}")
    bad = np.flatnonzero((labels < 0) | (labels >= n_out))
    if bad.size:
        row = bad[0]
        raise ValueError(f"{name} must hold labels from 0 to {n_out - 1}, but row {row} holds {labels[row]}")
    return labels


def check_n_out(loss: str, n_out: int) -> None:
    """ValueError if a softmax over ``n_out`` classes is constant."""
    if loss == "cross_entropy" and n_out < 2:
        raise ValueError(f"the cross-entropy needs at least 2 outputs, one per class, got {n_out}")


def correct(loss: str, outputs, y) -> int:
    """Rows of outputs whose largest is at the label, which the first of equals counts as; 0 without labels."""
    return int(np.count_nonzero(outputs.argmax(axis=1) == y)) if loss == "cross_entropy" else 0


def accuracy(labels, y) -> float:
    """The share of rows whose label is y's."""
    return float(np.mean(labels == y))


def r_squared(values, targets) -> float:
    """The coefficient of determination, 1 - sum (target - value)^2 / sum (target - mean)^2, its mean over the outputs.

    As scikit-learn's ``r2_score`` has it: an output whose targets are all equal counts 1 if it is met exactly and else
    0. NaN for a single row, of which nothing is known, and for values that are not finite.
    """
    if len(targets) < 2 or not np.isfinite(values).all():
        return math.nan
    values, targets = values.astype(np.float64), targets.astype(np.float64)
    left, total = (np.square(targets - other).sum(axis=0) for other in (values, targets.mean(axis=0)))
    constant = (targets == targets[0]).all(axis=0)  # their mean may be off by a rounding, and the total not 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(constant, left == 0, 1 - left / total).mean())


def _plain(loss, outputs, targets, name):
    outputs = real_array("outputs", outputs)
    dtype, wide = outputs.dtype, computed_in(outputs.dtype)
    outputs = data_matrix("outputs", outputs, (None, None), wide)
    batch, n_out = outputs.shape
    check_n_out(loss, n_out)
    targets = check_targets(loss, targets, batch, n_out, wide, name)
    value, delta, k = SCALED[loss](outputs, targets)
    with np.errstate(over="ignore"):  # beyond float16 is inf
        return value, np.ldexp(delta, k).astype(dtype, copy=False)
