"""The alarm: vanishing gradients that keep a network from learning, by delta and loss at the latest checks."""

# Design: - It looks at delta relative to the last hidden layer's, so that neither the loss, the batch nor the depth
#           needs a threshold, and asks whether the network learns all the same.
#         - One check proves little: Adam wins back two to four decades in its first hundreds of steps. The alarm asks
#           for ``PERSISTENCE`` checks in a row, and ends when the latest of them no longer say so.
#         - LEARNING and FALL were chosen on the tuning runs of benchmarks/studies/detectors.py, out of .3 to .8 and .05
#           to .15: of the pairs that find as many faults as the loss alone does, on both questions, the one of least
#           false alarms. That study judges the alarm beside the rules of other tools.

from collections.abc import Sequence

import numpy as np

from fastgrad.slopes import decades_lost
from fastgrad.verdicts import DECADES

PERSISTENCE = 5  # checks in a row
# A loss at most this share of that of constant outputs is that of a network that has learned;
LEARNING = 0.4
# and one that falls by this share over the checks in a row, of a network that learns.
FALL = 0.1


def stuck(losses: Sequence[float] | np.ndarray) -> bool:
    """Whether a network has not learned and does not learn, at the latest ``PERSISTENCE`` checks.

    Parameters
    ----------
    losses : sequence of float
        At each check so far, over that of the best constant outputs: about 1 at the start.

    Returns
    -------
    bool
        False with fewer checks, and with a loss that is not finite.
    """
    latest = np.asarray(losses[-PERSISTENCE:], np.float64)
    if len(latest) < PERSISTENCE or not np.isfinite(latest).all():
        return False
    return bool((latest > LEARNING).all() and latest[-1] > (1 - FALL) * latest[0])


def vanishing_alarm(log10_delta: Sequence | np.ndarray, losses: Sequence[float] | np.ndarray) -> bool:
    """Whether vanishing gradients keep a network from learning, at the latest ``PERSISTENCE`` checks.

    That is: delta loses ``DECADES`` or more between the hidden layers at each of them, and the network is
    :func:`stuck`.

    Parameters
    ----------
    log10_delta : sequence of array_like, shape (L,)
        At each check so far, as in :class:`fastgrad.GradientProfile`.
    losses : sequence of float
        As for :func:`stuck`.
    """
    return stuck(losses) and all(_lost(delta) >= DECADES for delta in log10_delta[-PERSISTENCE:])


def _lost(log10_delta):
    """Decades that delta falls by; inf where it is 0 on the way."""
    lost = decades_lost(log10_delta)
    return np.inf if np.isnan(lost) else lost
