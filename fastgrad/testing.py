"""Assertions about gradients for people's own test suites: in CI a change that makes gradients vanish fails a test.

def test_gradients_reach_the_first_layer():
    fastgrad.testing.assert_gradients_flow(make_model(), (inputs, targets))
"""

# Design: - One forward and one backward pass decide; a model of PyTorch is left as it was: its gradients, its mode and
#           what it has seen of batches (buffers) are put back.
#         - What is compared with a baseline is delta over the last layer's, so that neither the loss' scale nor the
#           batch's size enters.

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastgrad import verdicts
from fastgrad._validation import file_path, real_number, strict_json
from fastgrad.decay import GradientProfile
from fastgrad.network import MLP

TOLERANCE = 0.5  # decades by which a layer's delta may differ from the baseline's


def assert_gradients_flow(
    model: Any, batch: tuple, decades: float = verdicts.DECADES, *, loss: Callable | None = None
) -> None:
    """Assert that delta changes by less than so many decades between the last hidden layer and the first.

    Parameters
    ----------
    model : MLP or torch.nn.Module
    batch : tuple
        ``(X, y)``: the rows and labels or targets of a network, or the inputs and targets of a model, which may be a
        tuple of inputs.
    decades : float
        Above 0; two are a factor of 100, at which the first layer learns a hundred times slower than the last.
    loss : callable, optional
        ``loss(outputs, targets)`` of a model of PyTorch; cross-entropy for integer targets, else the mean squared
        error.

    Raises
    ------
    AssertionError
        If it changes by more, a hidden layer gets nothing, or delta is not finite; the message shows every layer.
    TypeError
        If ``model`` is something else, or ``batch`` is no pair.
    ValueError
        If ``decades`` is not above 0, or the batch does not fit.

    Examples
    --------
    >>> from fastgrad.datasets import load
    >>> X, y = load("digits")
    >>> assert_gradients_flow(MLP([64, *[64] * 20, 10], "relu", "he_normal"), (X[:64], y[:64]))
    >>> assert_gradients_flow(MLP([64, *[64] * 20, 10], "sigmoid"), (X[:64], y[:64]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: delta loses 9.7 decades from hidden layer 20 to the first, and 2 are allowed:
    ...
    """
    __tracebackhide__ = True  # pytest shows the caller's line and the message
    allowed = real_number("decades", decades, above=0.0)
    profile = _profile(model, batch, loss)
    lost = float(verdicts.decades_lost(profile.log10_delta))
    if not abs(lost) < allowed:
        depth, verb = len(profile.log10_delta) - 1, "gains" if lost < 0 else "loses"
        raise AssertionError(
            f"delta {verb} {abs(lost):.3g} decades from hidden layer {depth} to the first, "
            f"and {allowed:g} are allowed:\n{_layers(profile)}"
        )


def assert_profile_matches(
    model: Any,
    batch: tuple,
    baseline: str | os.PathLike,
    tolerance: float = TOLERANCE,
    *,
    loss: Callable | None = None,
    update: bool = False,
) -> None:
    """Assert that each layer's delta over the last layer's is that of a file, within a tolerance.

    Parameters
    ----------
    model, batch, loss
        As for :func:`assert_gradients_flow`.
    baseline : path
        A JSON file, which ``update=True`` writes.
    tolerance : float
        Decades, above 0.
    update : bool
        Write the file in place of comparing with it.

    Raises
    ------
    AssertionError
        If a layer differs by more, or there are more or fewer layers; the message shows every layer. Likewise without
        the file.
    TypeError, ValueError
        As :func:`assert_gradients_flow`, and ValueError if the file holds something else.
    OSError
        If the file cannot be written.
    """
    __tracebackhide__ = True
    path, allowed = file_path("baseline", baseline), real_number("tolerance", tolerance, above=0.0)
    profile = _profile(model, batch, loss)
    now = _relative(profile)
    if update:
        path.write_text(strict_json({"log10_delta_ratio": now.tolist()}), encoding="utf-8")
        return
    if not path.exists():
        raise AssertionError(f"there is no baseline {path}: write it with assert_profile_matches(..., update=True)")
    then = _read(path)
    if len(then) != len(now):
        raise AssertionError(f"the model has {len(now)} layers, and {path} has {len(then)}:\n{_layers(profile)}")
    with np.errstate(invalid="ignore"):  # infinity less infinity
        same = (now == then) | (np.abs(now - then) <= allowed) | (np.isnan(now) & np.isnan(then))
    if not same.all():
        layers = ", ".join(str(layer + 1) for layer in np.flatnonzero(~same))
        raise AssertionError(f"delta differs from {path} by more than {allowed:g} decades at layer {layers}:\n"
                             + _layers(profile, then))  # fmt: skip


def _profile(model, batch, loss) -> GradientProfile:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError("batch must be a pair (inputs, targets)")
    if isinstance(model, MLP):
        if loss is not None:
            raise TypeError("a fastgrad.MLP has a loss of its own: leave out loss=")
        return model.gradient_profile(*batch)
    if any(base.__module__.split(".")[0] == "torch" for base in type(model).__mro__):
        from fastgrad.torch.once import profile_once

        inputs, targets = batch
        return profile_once(model, inputs, targets, loss)
    raise TypeError(f"model must be a fastgrad.MLP or a torch.nn.Module, got {type(model).__name__}")


@np.errstate(invalid="ignore")
def _relative(profile):
    """log10 of each layer's delta over the last layer's."""
    return profile.log10_delta - profile.log10_delta[-1]


def _layers(profile, baseline=None):
    """A line per layer, the first first: log10 delta over the last layer's, and the baseline's."""
    names = getattr(profile, "layers", range(1, len(profile.log10_delta) + 1))
    columns = [_relative(profile)] if baseline is None else [_relative(profile), baseline]
    heads = ["log10 delta/last"] if baseline is None else ["log10 delta/last", "baseline"]
    lines = ["layer            " + "".join(f"{head:>18}" for head in heads)]
    for name, *values in zip(names, *columns, strict=True):
        lines.append(f"{name!s:<17}" + "".join(f"{value:>18.2f}" for value in values))
    return "\n".join(lines)


def _read(path: Path) -> np.ndarray:
    try:
        ratios = json.loads(path.read_text(encoding="utf-8"))["log10_delta_ratio"]
        return np.array([float(ratio) for ratio in ratios])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no baseline that assert_profile_matches wrote: {error}") from None
