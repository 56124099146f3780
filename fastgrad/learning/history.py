"""The record of a training run, epoch by epoch, and what follows: time to a target, gap, cost of vanishing."""

import math
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from fastgrad._notebook import Drawn
from fastgrad._validation import known, needed, real_number
from fastgrad.learning.reading import Reading
from fastgrad.learning.trends import Trend, attribute


@dataclass(eq=False, repr=False)
class TrainingHistory(Drawn):
    """One entry per finished epoch in every list. Losses are in nats, or in the targets' unit squared.

    Attributes
    ----------
    loss, accuracy : list of float
        Over the training rows, each as it was when its batch came; accuracy stays empty without labels.
    validation_loss, validation_accuracy : list of float
        After the epoch; empty without validation rows.
    epoch_test_loss, epoch_test_accuracy : list of float
        Likewise, on the test rows, by which nothing is chosen.
    learning_rate, seconds : list of float
        Of the epoch; seconds without validation, test and checkpoint.
    test_loss, test_accuracy : float or None
        At the end; None without test rows.
    stopped : str
        Why it ended: "epochs" (all were done), "early stopping", "interrupted" or "diverged".
    reason : str
        The same in a sentence.
    best_epoch : int or None
        With early stopping, the epoch, from 1, whose parameters the network has now.
    steps_per_epoch : int
    readings : list of Reading
        Of the gradient monitor.
    baseline : float
        The loss of a network that knows the classes' shares, or the targets' means, and nothing else.
    """

    steps_per_epoch: int
    baseline: float
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    epoch_test_loss: list[float] = field(default_factory=list)
    epoch_test_accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    test_loss: float | None = None
    test_accuracy: float | None = None
    stopped: str = "epochs"
    reason: str = ""
    best_epoch: int | None = None
    readings: list[Reading] = field(default_factory=list)

    def __repr__(self) -> str:
        parts = [f"loss {self.loss[-1]:.4g}"] if self.loss else []
        parts += [f"test accuracy {self.test_accuracy:.3f}"] if self.test_accuracy is not None else []
        return f"<TrainingHistory of {self.epochs} epochs: {', '.join([*parts, self.stopped])}>"

    @property
    def frame(self):
        """The lists as a pandas DataFrame, a row per epoch, counted from 1 (needs pandas)."""
        pandas = needed("pandas")
        lists = {name: values for name, values in vars(self).items() if isinstance(values, list) and name != "readings"}
        index = pandas.RangeIndex(1, self.epochs + 1, name="epoch")
        return pandas.DataFrame({name: values for name, values in lists.items() if values}, index=index)

    @property
    def epochs(self) -> int:
        """How many were finished."""
        return len(self.loss)

    @property
    def reached(self) -> float:
        """The loss by which runs are compared: that of the epoch whose parameters the network has.

        On the validation rows; without these, on the training rows; inf if no epoch was finished.
        """
        losses = self.validation_loss or self.loss
        loss = losses[(self.best_epoch or self.epochs) - 1] if losses else math.inf
        return math.inf if math.isnan(loss) else loss

    @property
    def trend(self) -> Trend:
        """Whether the training loss still falls, and if not, why: see :func:`fastgrad.learning.trends.attribute`."""
        return attribute(self)

    @property
    def generalisation_gap(self) -> float | None:
        """Training accuracy of the last epoch less test accuracy (or validation); for losses the other way round.

        None without test or validation rows.
        """
        if not self.loss:
            return None
        for loss, accuracy in (
            (self.test_loss, self.test_accuracy),
            (_last(self.validation_loss), _last(self.validation_accuracy)),
        ):
            if accuracy is not None:
                return self.accuracy[-1] - accuracy
            if loss is not None:
                return loss - self.loss[-1]
        return None

    def epochs_to(self, target: float, measure: str = "accuracy") -> int | None:
        """The first epoch, from 1, in which a measure reaches the target; None if none does.

        Parameters
        ----------
        target : float
        measure : str
            One of ``MEASURES``: "accuracy", "loss", "validation_accuracy", "epoch_test_accuracy" and so on.
            Losses reach it from above.
        """
        values = np.array(getattr(self, known("measure", measure, MEASURES)))
        real_number("target", target)
        reached = np.flatnonzero(values <= target if measure.endswith("loss") else values >= target)
        return int(reached[0]) + 1 if reached.size else None

    def seconds_to(self, target: float, measure: str = "accuracy") -> float | None:
        """The seconds of training until then; None if it is not reached."""
        epochs = self.epochs_to(target, measure)
        return None if epochs is None else float(sum(self.seconds[:epochs]))

    def add(self, **values: float | None) -> None:
        """One more finished epoch: a number for each of the lists, None for those that stay empty."""
        for name in PER_EPOCH:  # seconds last: what an interrupted epoch lacks
            if values[name] is not None:
                getattr(self, name).append(values[name])

    def truncate(self, epochs: int) -> None:
        """Forget what came after this many epochs."""
        for name in PER_EPOCH:
            del getattr(self, name)[epochs:]

    def to_dict(self) -> dict:
        """Plain numbers, lists, strings and None."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {
            "readings": [r.to_dict() for r in self.readings]
        }

    @classmethod
    def from_dict(cls, record: dict) -> "TrainingHistory":
        """The inverse of :meth:`to_dict`; numbers may be "inf", "-inf" or "nan"."""
        older = {"epoch_test_loss": [], "epoch_test_accuracy": []}  # a checkpoint from before these were kept
        values = {f.name: (older | record)[f.name] for f in fields(cls)}
        for name in PER_EPOCH:
            values[name] = [float(number) for number in values[name]]
        values["readings"] = [Reading.from_dict(reading) for reading in values["readings"]]
        return cls(**values)

    def plot(self, **options):
        """Loss and accuracy over the epochs (needs matplotlib)."""
        from fastgrad.report import curves

        return curves.training_figure({"": self}, **options)

    def report(self, folder: str | os.PathLike) -> Path:
        """Write a page, and its CSV and JSON, into a folder; return the page's path."""
        from fastgrad.report import train_page

        return train_page.write_history(self, folder)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a network was trained: the unfinished epoch is undone and the checkpoint, if any, is written.

    It is a KeyboardInterrupt, so that whoever called stops too unless they catch it for what it carries.

    Attributes
    ----------
    history : TrainingHistory
        Of the training that was interrupted; its ``stopped`` is "interrupted".
    repair : fastgrad.repair.Repair or None
        The trainings that :func:`fastgrad.learning.repair.repair` had finished.
    """

    def __init__(self, history: TrainingHistory, repair=None):
        super().__init__(history, repair)  # what it is pickled by
        self.history, self.repair = history, repair

    def __str__(self):
        return self.history.reason


MEASURES = (*("accuracy", "loss", "validation_accuracy", "validation_loss", "epoch_test_accuracy", "epoch_test_loss"),)
PER_EPOCH = (*MEASURES, "learning_rate", "seconds")


@dataclass(frozen=True)
class Cost:
    """What vanishing gradients cost a network, compared with its healthy twin.

    Attributes
    ----------
    target : float
        Training accuracy (or loss) to be reached.
    epochs, twin_epochs : int or None
        In which the two reach it; None: never.
    epochs_lost : float
        How many more the network needs than its twin; inf if it never gets there.
    seconds_lost : float
    accuracy_lost : float or None
        Test accuracy of the twin less the network's; validation or training accuracy if there is no other.
    """

    target: float
    epochs: int | None
    twin_epochs: int | None
    epochs_lost: float
    seconds_lost: float
    accuracy_lost: float | None


def cost_of_vanishing(history: TrainingHistory, twin: TrainingHistory, target: float | None = None) -> Cost:
    """The epochs, seconds and accuracy that a network loses against its healthy twin.

    Parameters
    ----------
    history, twin : TrainingHistory
        Of runs that differ in what makes gradients vanish only.
    target : float, optional
        Training accuracy to reach, or loss where there are no labels. Without it: nine tenths of the way from where
        the twin's first epoch begins to its best.

    Raises
    ------
    ValueError
        If one of them has no finished epoch.
    """
    if not history.loss or not twin.loss:
        raise ValueError("both runs must have finished an epoch")
    measure = "accuracy" if history.accuracy and twin.accuracy else "loss"
    if target is None:
        best = max(twin.accuracy) if measure == "accuracy" else min(twin.loss)
        start = 0.0 if measure == "accuracy" else twin.baseline
        target = start + 0.9 * (best - start)
    epochs, twin_epochs = history.epochs_to(target, measure), twin.epochs_to(target, measure)
    seconds, twin_seconds = history.seconds_to(target, measure), twin.seconds_to(target, measure)
    both = epochs is not None and twin_epochs is not None
    never = math.inf if twin_epochs is not None else math.nan
    return Cost(
        target,
        epochs,
        twin_epochs,
        epochs - twin_epochs if both else never,  # type: ignore[operator]
        seconds - twin_seconds if both else never,  # type: ignore[operator]
        _accuracy_lost(history, twin),
    )


def _accuracy_lost(history, twin):
    for name in ("test_accuracy", "validation_accuracy", "accuracy"):
        pair = [_last(getattr(run, name)) for run in (twin, history)]
        if None not in pair:
            return pair[0] - pair[1]
    return None


def _last(values):
    if isinstance(values, list):
        return values[-1] if values else None
    return values
