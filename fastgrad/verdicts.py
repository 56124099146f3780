"""The verdict on a network's gradients, from one profile, and its reasons in numbers."""

# Design: - The verdict is on delta, relative between hidden layers: neither the loss' scale nor the
#           batch's size enters, and dL/dW does not (in a ReLU network without biases its profile is the
#           same for every scale of the weights).
#         - It is on the decades lost over the whole depth, not on the rate: one learning rate serves all
#           layers, and what it meets is the span between the first layer and the last. 0.1 decades per
#           layer is harmless in 5 layers and fatal in 50.
#         - Precedence: saturated and dead name a mechanism, vanishing and exploding the outcome. Saturated
#           comes first, since the derivative of a saturated sigmoid may round to 0 and its unit look dead,
#           and it needs the outcome too: sigmoid at its critical gain has 38 % of its units saturated and
#           keeps its delta. Dead needs no outcome: what the last few units let through says little.

import math

import numpy as np

from fastgrad import slopes

VERDICTS = ("healthy", "vanishing", "exploding", "saturated", "dead")

# Decades between the first hidden layer's delta and the last's. One learning rate serves both: at two
# decades the first learns a hundred times slower, so that one epoch for it is a hundred for the other.
# Chance does not get there: a healthy ReLU network of width 64 and depth 50 varies by 0.43 decades (one
# standard deviation, finite_width.py).
DECADES = 2.0

# Share of a layer's units whose derivative is 0 on every sample. Half is normal for ReLU: with one sample,
# and deep down, where all samples look alike. Then 0.9 has a chance of 3e-4 in a layer of 16 units and of
# 5e-12 in one of 64.
DEAD = 0.9

# "Most": share of (sample, unit) pairs, mean over the hidden layers, whose derivative is below a hundredth
# of its bound (activations.SATURATED_SHARE).
SATURATED = 0.5


def verdict(log10_delta, saturated_fraction, dead_fraction) -> str:
    """One of ``VERDICTS``, from a profile's arrays of shape (L,), (L - 1,) and (L - 1,)."""
    return of_each(log10_delta[None], saturated_fraction[None], dead_fraction[None])[0]


def of_each(log10_delta, saturated_fraction, dead_fraction) -> list[str]:
    """The verdict on each of n profiles, from arrays of shape (n, L), (n, L - 1) and (n, L - 1)."""
    rows = zip(
        (log10_delta[:, -1] == -math.inf).tolist(),  # nothing is left to learn here
        decades_lost(log10_delta).tolist(),
        saturated_fraction.mean(axis=1).tolist(),
        dead_fraction.max(axis=1).tolist(),
        strict=True,
    )
    return ["healthy" if learnt else _verdict(*row) for learnt, *row in rows]


def _verdict(lost, saturated, dead):
    """From the decades lost, the mean share of saturated units and the largest share of dead ones."""
    level = abs(lost) < DECADES
    if saturated >= SATURATED and not level:
        return "saturated"
    if dead >= DEAD:
        return "dead"
    return "healthy" if level else "vanishing" if lost > 0 else "exploding"


def decades_lost(log10_delta):
    """As :func:`fastgrad.slopes.decades_lost`, and inf where delta is exactly 0 at every hidden layer."""
    lost = slopes.decades_lost(log10_delta)
    return slopes.scalar(np.where(log10_delta[..., -2] == -math.inf, math.inf, lost))


def evidence(verdict: str, log10_delta, saturated_fraction, dead_fraction, float32_zero_layer: int | None) -> str:
    """The reasons for a verdict in numbers: those of one profile, or the means of several."""
    saturated, worst = float(np.mean(saturated_fraction)), int(np.argmax(dead_fraction))
    parts = [_course(log10_delta, float32_zero_layer)]
    if saturated >= SATURATED or verdict == "saturated":
        parts.append(f"{saturated:.0%} of the units are saturated")
    if dead_fraction[worst] >= DEAD or verdict == "dead":
        parts.append(f"{dead_fraction[worst]:.0%} of the units of hidden layer {worst + 1} pass nothing")
    return "; ".join(parts)


def _course(log10_delta, float32_zero_layer):
    """How delta runs from the last hidden layer to the first, in words and numbers."""
    lost, depth = decades_lost(log10_delta), len(log10_delta) - 1
    if math.isinf(lost):
        blocked = int(np.flatnonzero(log10_delta == -math.inf)[-1]) + 1
        return f"delta is exactly 0 from hidden layer {blocked} down to the first"
    if depth == 1:
        return "there is one hidden layer only"
    verb = "falls" if lost >= 0 else "grows"
    text = f"delta {verb} by {abs(lost):.2f} decades from hidden layer {depth} to the first"
    along = slopes.decades_per_layer(log10_delta) * (1 if lost >= 0 else -1)
    text += f", {along:z.3f} per layer along the fitted line"
    if float32_zero_layer:
        text += f"; in float32 plain backpropagation gives 0 from layer {float32_zero_layer} down"
    return text
