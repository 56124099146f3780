"""The rules that are judged: ours, which :attr:`fastgrad.GradientMonitor.alarm` is, the loss alone, and four tools'.

A rule sees what was measured at each check of a run, up to and including that check, and says whether it would raise
the alarm there. ``DETECTORS[name]`` has a rule for vanishing gradients and one for any fault.
"""

# Design: - The tools' rules are written from their descriptions: Zhang et al. 2021 (AUTOTRAINER), Wardat et al. 2022
#           (DeepDiagnosis), Ben Braiek & Khomh 2023 (TheDeepChecker), and the built-in rules of Amazon SageMaker
#           Debugger. |dW| is the mean magnitude of a layer's dL/dW. The loss alone is there for what it costs: nothing.

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgrad.learning.alarm import stuck, vanishing_alarm


@dataclass(frozen=True, eq=False)
class Record:
    """What was measured in a run, a row per check, the first before the first step. L weight layers, H hidden ones.

    Attributes
    ----------
    loss, accuracy : ndarray, shape (checks,)
        On a fixed window of training rows.
    baseline : float
        The loss of the best constant outputs, on the same rows.
    classes : int
    step : ndarray, shape (checks,)
        Updates made before it.
    activation : str
    log10_delta : ndarray, shape (checks, L)
    gradient : ndarray, shape (checks, L)
        Mean of \\|dL/dW\\|.
    zero_gradient : ndarray, shape (checks, L)
        Share of the entries of dL/dW that are 0.
    update_ratio : ndarray, shape (checks, L)
        RMS of the next step over that of the weights.
    dead, closed, large, beyond_tanh : ndarray, shape (checks, H)
        Shares: of units with derivative 0 on all rows; of outputs that are at most 0; of \\|z\\| >= 5 and > 9.4999.
    activation_std : ndarray, shape (checks, H)
        Standard deviation of the outputs.
    initial_variances : ndarray, shape (L,)
        Of the weights as drawn.
    """

    loss: np.ndarray
    accuracy: np.ndarray
    baseline: float
    classes: int
    step: np.ndarray
    activation: str
    log10_delta: np.ndarray
    gradient: np.ndarray
    zero_gradient: np.ndarray
    update_ratio: np.ndarray
    dead: np.ndarray
    closed: np.ndarray
    large: np.ndarray
    beyond_tanh: np.ndarray
    activation_std: np.ndarray
    initial_variances: np.ndarray


Rule = Callable[[Record, int], bool]


def ours_vanishing(run: Record, check: int) -> bool:
    """:func:`vanishing_alarm`: delta falls by two decades or more, five checks in a row, and the network is stuck."""
    return vanishing_alarm(run.log10_delta[: check + 1], run.loss[: check + 1] / run.baseline)


def ours_any(run: Record, check: int) -> bool:
    """The network is :func:`stuck`, or its loss is not finite."""
    return not np.isfinite(run.loss[check]) or stuck(run.loss[: check + 1] / run.baseline)


def loss_only(run: Record, check: int) -> bool:
    """The loss at step 100 is above 0.8 of that of constant outputs, or not finite."""
    return bool(run.step[check] == 100 and not run.loss[check] <= 0.8 * run.baseline)


def autotrainer_vanishing(run: Record, check: int) -> bool:
    """First over last layer's \\|dW\\| at most 1e-3, the first's at most 1e-4, accuracy at most 0.6."""
    first, last = run.gradient[check, 0], run.gradient[check, -1]
    return first <= 1e-3 * last and first <= 1e-4 and run.accuracy[check] <= 0.6


def autotrainer_any(run: Record, check: int) -> bool:
    """Vanishing; exploding (ratio at least 70, or not finite); dying (70 % zero gradients); slow; oscillating."""
    first, last = run.gradient[check, 0], run.gradient[check, -1]
    exploding = not np.isfinite(run.loss[check]) or first >= 70 * last
    dying = run.activation == "relu" and run.zero_gradient[check].max() >= 0.7
    accuracy = run.accuracy[max(0, check - 4) : check + 1]
    changes = np.abs(np.diff(accuracy))
    slow = len(changes) == 4 and run.accuracy[check] <= 0.6 and changes.max() <= 0.01
    oscillating = len(changes) == 4 and (changes >= 0.03).mean() > 0.2 and np.ptp(accuracy) >= 0.2
    return autotrainer_vanishing(run, check) or bool(
        exploding or dying or slow or (oscillating and run.accuracy[check] <= 0.6)
    )


def deepdiagnosis_vanishing(run: Record, check: int) -> bool:
    """Mean \\|dW\\| below 1e-7 in a layer."""
    return bool((run.gradient[check] < 1e-7).any())


def deepdiagnosis_any(run: Record, check: int) -> bool:
    """Vanishing; not finite; 70 % of outputs at most 0; most \\|z\\| at least 5; update ratio outside [1e-5, 1e-1]."""
    dead = run.activation in ("relu", "leaky_relu") and (run.closed[check] >= 0.7).any()
    saturated = run.activation in ("sigmoid", "tanh") and (run.large[check] > 0.5).any()
    ratio = run.update_ratio[check]
    odd = ((ratio < 1e-5) | (ratio > 1e-1)).any()
    return deepdiagnosis_vanishing(run, check) or bool(not np.isfinite(run.loss[check]) or dead or saturated or odd)


def deepchecker_vanishing(run: Record, check: int) -> bool:
    """Mean \\|dW\\| below 1e-6 in a layer, or halved at each of five checks."""
    recent = run.gradient[max(0, check - 5) : check + 1]
    halved = len(recent) == 6 and (recent[1:] <= 0.5 * recent[:-1]).all(axis=0).any()
    return bool((run.gradient[check] < 1e-6).any() or halved)


def deepchecker_any(run: Record, check: int) -> bool:
    """Vanishing; update ratio outside 10^[-4, -1]; activations' std outside [0.5, 2]; a wrong loss to begin with."""
    ratio, spread = run.update_ratio[check], run.activation_std[check]
    odd_ratio, odd_spread = (ratio < 1e-4) | (ratio > 1e-1), (spread < 0.5) | (spread > 2)
    start = check == 0 and abs(run.loss[0] - np.log(run.classes)) > 0.1 * np.log(run.classes)
    wrong = not np.isfinite(run.loss[check]) or start or odd_ratio.any() or odd_spread.any()
    return deepchecker_vanishing(run, check) or bool(wrong)


def sagemaker_vanishing(run: Record, check: int) -> bool:
    """Mean \\|dW\\| below 1e-7 in a layer (the rule VanishingGradient)."""
    return deepdiagnosis_vanishing(run, check)


def sagemaker_any(run: Record, check: int) -> bool:
    """Vanishing; not finite; dead ReLU units; tanh beyond 9.4999; variances of the initial weights 10 apart."""
    dead = run.activation == "relu" and run.dead[check].max() >= 0.5
    tanh = run.activation == "tanh" and run.beyond_tanh[check].max() >= 0.5
    weights = check == 0 and run.initial_variances.max() > 10 * run.initial_variances.min()
    return sagemaker_vanishing(run, check) or bool(not np.isfinite(run.loss[check]) or dead or tanh or weights)


# name -> (rule for vanishing gradients, rule for any fault)
DETECTORS: dict[str, tuple[Rule, Rule]] = {
    "fastgrad": (ours_vanishing, ours_any),
    "loss only": (loss_only, loss_only),
    "AUTOTRAINER": (autotrainer_vanishing, autotrainer_any),
    "DeepDiagnosis": (deepdiagnosis_vanishing, deepdiagnosis_any),
    "TheDeepChecker": (deepchecker_vanishing, deepchecker_any),
    "SageMaker Debugger": (sagemaker_vanishing, sagemaker_any),
}


def first_alarm(rule: Rule, run: Record) -> int | None:
    """The first check at which a rule raises the alarm; None if it never does."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return next((check for check in range(len(run.loss)) if rule(run, check)), None)
