"""Rows held out of training: the split, and the loss and accuracy of a network on them."""

import numpy as np

from fastgrad._validation import listed, real_number
from fastgrad.learning.loop import SPLIT, permutation
from fastgrad.losses import SCALED, correct
from fastgrad.network import MLP

EVALUATED = 1024  # rows that go through the network at once where only its outputs are wanted


def evaluate(net: MLP, X, y) -> tuple[float, float | None]:
    """Mean loss and, with labels, accuracy of a network on rows; the errors are those of ``net.loss_and_gradients``."""
    X = net.check_data(X)
    y = net.check_targets(y, len(X))
    loss, right = 0.0, 0
    for start in range(0, len(X), EVALUATED):
        rows = slice(start, start + EVALUATED)
        outputs = net.forward(X[rows])
        if not np.isfinite(outputs).all():
            return float("nan"), right / len(X)
        loss += SCALED[net.loss](outputs, y[rows])[0] * len(outputs)
        right += correct(net.loss, outputs, y[rows])
    return loss / len(X), right / len(X) if net.loss == "cross_entropy" else None


def split(net: MLP, X, y, wanted: dict, seed=0):
    """The training rows (X, y), and by name the rows held out of them, checked and in the network's dtype.

    ``wanted`` maps a name to None, to a share of the rows, or to rows of its own, (X, y).
    """
    X = net.check_data(X)
    y = net.check_targets(y, len(X))
    y = y.astype(np.int64) if net.loss == "cross_entropy" else y
    shares, held_out = {}, {}
    for name, value in wanted.items():
        if value is None:
            continue
        if isinstance(value, int | float | np.number):
            shares[name] = real_number(name, value, above=0.0)
            continue
        pair = listed(name, value)
        if len(pair) != 2:
            raise ValueError(f"{name} must be a share of the rows or a pair (X, y), got {len(pair)} things")
        held_out[name] = net.check_data(pair[0]), net.check_targets(pair[1], len(pair[0]))
    if sum(shares.values()) >= 1:
        raise ValueError(
            f"{' and '.join(shares)} must leave rows to train on, but hold out {sum(shares.values()):g} of them"
        )
    left = _mixed(net.loss, y, seed)
    for name, share in shares.items():
        count = round(share * len(X))
        if not 0 < count < len(left):
            raise ValueError(f"{name}={share:g} of {len(X)} rows is {count}: there must be a row on both sides")
        taken = np.linspace(0, len(left) - 1, count).round().astype(int)
        held_out[name] = X[left[taken]], y[left[taken]]
        left = np.delete(left, taken)
    left = np.sort(left)
    return (X[left], y[left]), held_out


def _mixed(loss, y, seed):
    """The rows in random order, those of a class side by side: every k-th of them is a fair share of each class."""
    rows = permutation(len(y), seed, SPLIT)
    return rows if loss == "mse" else rows[np.argsort(y[rows], kind="stable")]
