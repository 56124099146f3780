"""Learning-rate schedules: what the learning rate is multiplied by in each epoch."""

import math
from collections.abc import Callable

from fastgrad._validation import real_number, unknown


def constant(epoch: int, epochs: int) -> float:
    """1."""
    return 1.0


def inverse_sqrt(epoch: int, epochs: int) -> float:
    """1 / sqrt(1 + epoch)."""
    return 1.0 / math.sqrt(1 + epoch)


def step(epoch: int, epochs: int) -> float:
    """1, a tenth from half of the epochs on, a hundredth from three quarters on."""
    return 0.1 ** ((2 * epoch >= epochs) + (4 * epoch >= 3 * epochs))


def cosine(epoch: int, epochs: int) -> float:
    """Half a cosine from 1 down to nearly 0 (Loshchilov & Hutter 2017, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def adaptive(epoch: int, epochs: int) -> float:
    """1; a run multiplies its rate by ``REDUCTION`` whenever early stopping would end it, until ``LOWEST_RATE``."""
    return 1.0


_BY_NAME = {function.__name__: function for function in (constant, inverse_sqrt, step, cosine, adaptive)}
SCHEDULES = tuple(_BY_NAME)
REDUCTION, LOWEST_RATE = 0.2, 1e-6  # scikit-learn's
DEPEND_ON_EPOCHS = ("step", "cosine")

Schedule = str | Callable[[int], float]


def factor(schedule: Schedule, epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by in this epoch, 0 being the first, of a run of so many.

    ``schedule`` is a name of ``SCHEDULES`` or a function of the epoch. ValueError or TypeError if there is no schedule
    of that name, or the function gives something that is not a number of at least 0.
    """
    if callable(schedule):
        return real_number(f"schedule({epoch})", schedule(epoch), minimum=0.0)
    if not isinstance(schedule, str) or schedule not in _BY_NAME:
        raise unknown("schedule", schedule, SCHEDULES)
    return _BY_NAME[schedule](epoch, epochs)


def inverse_power(power: float, done: int, rows: int) -> Schedule:
    """1 / (1 + rows trained on before the epoch)^power, where ``done`` were before the first and an epoch has ``rows``.

    scikit-learn's "invscaling".
    """
    return lambda epoch: (1 + done + epoch * rows) ** -power


def reductions(schedule: Schedule, rate: float) -> int:
    """How many times this learning rate may be lowered for want of a better loss: until it is at ``LOWEST_RATE``."""
    if schedule != "adaptive" or rate <= LOWEST_RATE:
        return 0
    return math.ceil(math.log(LOWEST_RATE / rate) / math.log(REDUCTION))
