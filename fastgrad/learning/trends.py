"""Does the loss still fall? A test for a plateau that spikes and noise do not upset, and the cause of one."""

# Design: - The trend is Theil and Sen's slope of log loss over the last epochs: the median of the slopes of all pairs,
#           which a third of outliers do not move. Its sign is tested as Mann and Kendall do. A rule that compares
#           with the best loss so far calls a steady decrease after a spike a plateau; this one does not.
#         - log loss, so that the same relative progress counts the same at any scale; a loss that crosses 0 (none of
#           ours does) is refused.
#         - Significance alone is not progress: a noiseless loss that falls by 1e-6 an epoch is significant. What the
#           slope gives over the window decides, beside the scatter around it.
#         - Nor is its absence a standstill: of five losses that fall without exception the test's p is 1/60, and a
#           plateau is only what the slope's interval shows to be one. With fewer epochs than the test can tell anything
#           from, the trend is "too short"; where neither a fall nor a standstill is shown, "unclear". Neither is bad.
#         - The scatter is taken from second differences, to which a curve that flattens adds next to nothing: around a
#           straight line a loss that falls ever more slowly, as most do, would be called noisy.

import math
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from fastgrad._validation import positive_int, real_array, real_number

KINDS = ("falling", "slow", "plateau", "rising", "unclear", "too short")
WINDOW = 10  # epochs
SIGNIFICANCE = 0.01
# Epochs: with fewer not even a fall without exception is significant. Of n! orders only it and its reverse are as
# extreme, so that Mann and Kendall's least two-sided p-value is 2/n!.
FEWEST = next(n for n in count(2) if 2 / math.factorial(n) < SIGNIFICANCE)
# Relative fall of the loss over the window: below the first nothing is gained, below the second little.
PLATEAU, SLOW = 0.01, 0.1
# What counts as converged: this share of the rows right, or this share of the baseline's loss left.
CONVERGED_ACCURACY, CONVERGED_LOSS = 0.99, 0.02
LOW_UPDATE, HIGH_UPDATE = -5.0, -1.5  # log10 of the update ratio: below nothing moves, above steps overshoot
NOISY = 0.1  # scatter of log loss from epoch to epoch, as when steps overshoot


@dataclass(frozen=True)
class Trend:
    """The trend of a loss, and why it does not fall if it does not.

    Attributes
    ----------
    kind : {"falling", "slow", "plateau", "rising", "unclear", "too short"}
        Unclear: through its scatter neither a fall nor a standstill shows.
    slope : float
        Of log loss per epoch, Theil-Sen over the window; below 0: falling.
    p_value : float
        Of Mann and Kendall's test that there is no trend.
    noise : float
        Scatter of log loss from epoch to epoch, as a standard deviation: from the median size of second differences.
    window : int
        Epochs it is over, the last ones.
    cause : str or None
        What a loss that does not fall is due to: "converged", "vanishing", "exploding", "saturated", "dead",
        "learning rate too low", "learning rate too high", "unknown". None while it falls, if it is too early to say,
        or before :func:`attribute`.
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
    slope, steepest, p_value = _theil_sen(logs)
    fall = _fall(slope, window)
    if p_value < SIGNIFICANCE and abs(fall) > plateau:
        kind = "rising" if fall < 0 else "slow" if fall < slow else "falling"
    else:
        kind = "plateau" if p_value < SIGNIFICANCE or _fall(steepest, window) < slow else "unclear"
    return Trend(kind, slope, p_value, _scatter(logs), window)


def _fall(slope, window):
    """The share of the loss that this slope takes away over the window."""
    return -math.expm1(slope * window)


def _theil_sen(y):
    """Slope, the steepest fall in its interval at SIGNIFICANCE (Sen 1968), Mann and Kendall's two-sided p-value."""
    from scipy.stats import kendalltau, theilslopes

    x = np.arange(len(y))
    if np.ptp(y) == 0:
        return 0.0, 0.0, 1.0
    found = theilslopes(y, x, alpha=1 - SIGNIFICANCE)
    return float(found.slope), float(found.low_slope), float(kendalltau(x, y).pvalue)


def _scatter(y):
    """Standard deviation of independent noise on a smooth curve: its second differences have 6 times the variance."""
    return float(np.median(np.abs(np.diff(y, 2)))) / (0.6745 * math.sqrt(6))


def attribute(history) -> Trend:
    """The trend of a run's training loss, with the cause if the loss does not fall.

    The causes are tried in this order: the run diverged; it has converged; what the gradient monitor says (a
    vanishing, exploding, saturated or dead network); updates so large or a loss so noisy that steps overshoot;
    updates too small to move anything. A trend that is too short or unclear has none, but for a loss that by its
    slope hardly falls and is noisy: that steps overshoot is then what hides its trend.

    Parameters
    ----------
    history : TrainingHistory

    Returns
    -------
    Trend
    """
    found = trend(history.loss)
    if history.stopped == "diverged":
        cause, evidence = _diverged(history)
        return replace(found, kind="rising", cause=cause, evidence=evidence)
    if found.standing or (found.kind == "unclear" and found.noise > NOISY and _fall(found.slope, found.window) < SLOW):
        cause, evidence = _cause(found, history)
        return replace(found, cause=cause, evidence=evidence)
    return found


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
    ratio = _typical_update(history, found.window)
    if found.noise > NOISY or ratio > HIGH_UPDATE:
        return (
            "learning rate too high",
            f"the loss scatters by {found.noise:.0%}; a step changes weights by 10^{ratio:.1f}",
        )
    if ratio < LOW_UPDATE:
        return "learning rate too low", f"a step changes the weights by 10^{ratio:.1f} of their size"
    return "unknown", "gradients and updates are of usual size: look at the data, the labels and the capacity"


def _typical_update(history, window):
    """log10 of the update ratio, median over layers and the readings of these epochs; NaN if no reading has one."""
    first = (history.epochs - window) * history.steps_per_epoch
    ratios = [r for r in history.readings if r.log10_update_ratio is not None]
    recent = [r for r in ratios if r.step >= first] or ratios[-1:]
    return float(np.median(np.concatenate([r.log10_update_ratio for r in recent]))) if recent else math.nan
