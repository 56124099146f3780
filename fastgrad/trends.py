"""Does the loss still fall? Trend statistics that spikes and noise do not fool, and what a standstill is due to."""

# Design: - The trend is Theil and Sen's slope of log loss over the last epochs: the median of the slopes of all pairs,
#           which a third of outliers do not move. Its sign is tested as Mann and Kendall do. A rule that compares
#           with the best loss so far calls a steady decrease after a spike a plateau; this one does not.
#         - log loss, so that the same relative progress counts the same at any scale; a loss that crosses 0 (none of
#           ours does) is refused.
#         - Significance alone is not progress: a noiseless loss that falls by 1e-6 an epoch is significant. What the
#           slope gives over the window decides, beside the scatter around it.

import math
from dataclasses import dataclass

import numpy as np

from fastgrad._validation import positive_int, real_array, real_number

KINDS = ("falling", "slow", "plateau", "rising", "too short")
WINDOW = 10  # epochs
FEWEST = 5  # epochs: with fewer not even a monotonic fall is significant
SIGNIFICANCE = 0.01
# Relative fall of the loss over the window: below the first nothing is gained, below the second little.
PLATEAU, SLOW = 0.01, 0.1
# What counts as converged: this share of the rows right, or this share of the baseline's loss left.
CONVERGED_ACCURACY, CONVERGED_LOSS = 0.99, 0.02
# Share of the rows right, or of the baseline's loss gone, below which a network has learned next to nothing.
LOW_UPDATE, HIGH_UPDATE = -5.0, -1.5  # log10 of the update ratio: below nothing moves, above steps overshoot
NOISY = 0.1  # scatter of log loss around its trend, as when steps overshoot


@dataclass(frozen=True)
class Trend:
    """Where a loss is going.

    Attributes
    ----------
    kind : {"falling", "slow", "plateau", "rising", "too short"}
    slope : float
        Of log loss per epoch, Theil-Sen over the window; below 0: falling.
    p_value : float
        Of Mann and Kendall's test that there is no trend.
    noise : float
        Scatter of log loss around the trend: median absolute deviation over 0.6745.
    window : int
        Epochs it is over, the last ones.
    cause : str or None
        What a loss that does not fall is due to: "converged", "vanishing", "exploding", "saturated", "dead",
        "learning rate too low", "learning rate too high", "unknown". None while it falls, or if nobody asked.
    evidence : str
    """

    kind: str
    slope: float
    p_value: float
    noise: float
    window: int
    cause: str | None = None
    evidence: str = ""

    @property
    def standing(self) -> bool:
        """Whether the loss does not fall as it should: a plateau, a slow decrease, or a rise."""
        return self.kind in ("slow", "plateau", "rising")


def trend(losses, window: int = WINDOW, *, plateau: float = PLATEAU, slow: float = SLOW) -> Trend:
    """The trend of the last ``window`` losses.

    Parameters
    ----------
    losses : array_like, shape (epochs,)
        Above 0 and finite.
    window : int
    plateau, slow : float
        The relative fall over the window below which it is a plateau, and below which a decrease is slow.

    Returns
    -------
    Trend
        Without a cause; see :func:`attribute`.

    Raises
    ------
    ValueError
        If a loss is negative or not finite, or the limits are not 0 < plateau < slow < 1.
    TypeError
        If they are not real numbers.
    """
    values = real_array("losses", losses).astype(np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("losses must be a list of finite numbers, none below 0")
    plateau, slow = real_number("plateau", plateau, above=0.0), real_number("slow", slow, above=0.0)
    if not plateau < slow < 1:
        raise ValueError(f"plateau and slow must be 0 < plateau < slow < 1, got {plateau:g} and {slow:g}")
    window = min(positive_int("window", window), len(values))
    if window < FEWEST:
        return Trend("too short", math.nan, math.nan, math.nan, window)
    logs = np.log(np.maximum(values[-window:], np.finfo(np.float64).tiny))
    slope, p_value, noise = _theil_sen(logs)
    fall = -math.expm1(slope * window)  # relative, over the window
    if slope > 0:
        kind = "rising" if p_value < SIGNIFICANCE and -fall > plateau else "plateau"
    elif p_value >= SIGNIFICANCE or fall < plateau:
        kind = "plateau"
    else:
        kind = "slow" if fall < slow else "falling"
    return Trend(kind, slope, p_value, noise, window)


def _theil_sen(y):
    """Slope, two-sided p-value of Mann and Kendall's test, scatter around the line."""
    from scipy.stats import kendalltau

    x = np.arange(len(y))
    i, j = np.triu_indices(len(y), 1)
    slope = float(np.median((y[j] - y[i]) / (j - i)))
    p_value = float(kendalltau(x, y).pvalue) if np.ptp(y) > 0 else 1.0
    residual = y - slope * x
    return slope, p_value, float(np.median(np.abs(residual - np.median(residual)))) / 0.6745


def attribute(history) -> Trend:
    """The trend of a run's training loss, with the cause if it stands.

    The causes are tried in this order: the run diverged; it has converged; what the gradient monitor says (a
    vanishing, exploding, saturated or dead network); updates so large or a loss so noisy that steps overshoot;
    updates too small to move anything.

    Parameters
    ----------
    history : TrainingHistory

    Returns
    -------
    Trend
    """
    found = trend(history.loss)
    if history.stopped == "diverged":
        return _with(found, "rising", *_diverged(history))
    if not found.standing:
        return found
    return _with(found, found.kind, *_cause(found, history))


def _with(found, kind, cause, evidence):
    return Trend(kind, found.slope, found.p_value, found.noise, found.window, cause, evidence)


def _diverged(history):
    verdicts = [reading.verdict for reading in history.readings]
    if "exploding" in verdicts:
        return "exploding", history.readings[verdicts.index("exploding")].diagnosis.evidence
    return "learning rate too high", history.reason


def _cause(found, history):
    accuracy = history.accuracy[-1] if history.accuracy else 0.0
    left = history.loss[-1] / history.baseline if history.baseline else math.inf
    if accuracy >= CONVERGED_ACCURACY or left <= CONVERGED_LOSS:
        reached = f"{accuracy:.1%} of the training rows are right" if accuracy else ""
        return "converged", reached or f"the loss is {left:.1%} of that of the targets' means"
    latest = history.readings[-1] if history.readings else None
    if latest is not None and latest.verdict not in (None, "healthy"):
        return latest.verdict, latest.diagnosis.evidence
    ratio = _typical_update(history)
    if found.noise > NOISY or ratio > HIGH_UPDATE:
        return (
            "learning rate too high",
            f"the loss scatters by {found.noise:.0%}; a step changes weights by 10^{ratio:.1f}",
        )
    if ratio < LOW_UPDATE:
        return "learning rate too low", f"a step changes the weights by 10^{ratio:.1f} of their size"
    return "unknown", "gradients and updates are of usual size: look at the data, the labels and the capacity"


def _typical_update(history):
    """log10 of the update ratio of the latest reading that has one, median over layers; NaN if there is none."""
    ratios = [reading.log10_update_ratio for reading in history.readings if reading.log10_update_ratio is not None]
    return float(np.median(ratios[-1])) if ratios else math.nan
