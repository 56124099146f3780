"""Early stopping: a run ends when its loss has not improved for a number of epochs."""

import math


class EarlyStopping:
    """Counts the epochs without a better loss.

    Parameters
    ----------
    patience : int or None
        Stop after so many epochs in a row without a better loss; None: never.
    min_delta : float
        By how much less than every loss before it must be to count.
    reductions : int
        How many times patience may run out before it is the end: each time the learning rate is lowered instead
        (:data:`fastgrad.learning.schedules.REDUCTION`), and the count begins anew.

    Attributes
    ----------
    epochs : int
        Losses seen.
    best : float
        The least of them; ``best_epoch`` is its epoch, from 1 (of equals the first), or 0 before there is one.
    waited : int
        Epochs since one counted, or since the learning rate was lowered.
    lowered : int
        How many times it was.
    """

    def __init__(self, patience: int | None, min_delta: float = 0.0, reductions: int = 0):
        self.patience, self.min_delta, self.reductions = patience, min_delta, reductions
        self.epochs, self.best, self.best_epoch, self.waited, self.lowered = 0, math.inf, 0, 0, 0

    def add(self, loss: float) -> None:
        """The next epoch's loss; NaN is never better."""
        self.epochs += 1
        self.waited = 0 if loss < self.best - self.min_delta else self.waited + 1
        if loss < self.best:
            self.best, self.best_epoch = loss, self.epochs
        if self.ends and self.lowered < self.reductions:
            self.lowered, self.waited = self.lowered + 1, 0

    @property
    def ends(self) -> bool:
        """Whether patience has run out for good."""
        return self.patience is not None and self.waited >= self.patience
