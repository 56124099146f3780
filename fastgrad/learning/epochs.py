"""The loop over the epochs: record, early stopping, gradient readings, checkpoints, and the end after Ctrl-C."""

# Design: - Every epoch ends in a state that the next one depends on alone: a run that is interrupted, diverges or is
#           resumed goes on from the last whole epoch, with the same numbers as one that was never stopped.
#         - Ctrl-C is answered between chunks of batches; the epoch it falls into is undone, the checkpoint written, and
#           KeyboardInterrupt raised again: a caller that trains many networks, or a user's own loop, must not go on
#           with half a run as if it were whole.
#         - Readings of the monitor fall between batches and change nothing.

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastgrad.kernels.compiled import LARGEST_WEIGHT
from fastgrad.learning import checkpoints, schedules
from fastgrad.learning.held_out import evaluate
from fastgrad.learning.history import Interrupted, TrainingHistory
from fastgrad.learning.loop import Run
from fastgrad.learning.stopping import EarlyStopping
from fastgrad.losses import baseline

CHUNK = 4e9  # floating-point operations between two looks for Ctrl-C: about a tenth of a second


@dataclass(frozen=True)
class Plan:
    """The settings of a loop over the epochs; nothing is checked here (see :func:`fastgrad.fit`).

    Attributes
    ----------
    epochs, schedule, patience, min_delta, checkpoint, checkpoint_every, callback
        As for :func:`fastgrad.fit`.
    rate : float
        The learning rate, before its schedule.
    judge : callable, optional
        Gives the number that early stopping minimises, from the history after an epoch. Without it, the
        loss on the validation rows, or where there are none on the training rows.
    go_back : bool
        Whether the network ends as it was after the best epoch.
    """

    epochs: int
    rate: float
    schedule: schedules.Schedule = "constant"
    patience: int | None = None
    min_delta: float = 0.0
    judge: Callable[[TrainingHistory], float] | None = None
    go_back: bool = False
    checkpoint: Path | None = None
    checkpoint_every: int = 1
    callback: Callable[[TrainingHistory], object] | None = None


class Loop:
    """The epochs of a run: :meth:`run` does them all.

    Parameters
    ----------
    trainer : Trainer
    plan : Plan
    validation : (X, y) or None
        Rows to judge the network on after every epoch, as ``network.check_data`` and ``check_targets`` return them.
    monitor : GradientMonitor or None
    test : (X, y) or None
        Rows to judge it on likewise, by which nothing is chosen.

    Attributes
    ----------
    history : TrainingHistory
    stopping : EarlyStopping
    best : dict or None
        The trainer's state after the best epoch, if ``plan.go_back``.
    """

    def __init__(self, trainer, plan, validation=None, monitor=None, test=None):
        self.trainer, self.plan, self.validation, self.monitor = trainer, plan, validation, monitor
        self.test = test
        self.history = TrainingHistory(trainer.batches, baseline(trainer.network.loss, trainer.y))
        reductions = schedules.reductions(plan.schedule, plan.rate)
        self.stopping = EarlyStopping(plan.patience, plan.min_delta, reductions)
        self.best = None
        self.before = None  # epochs done, the trainer's state and the readings seen when the latest epoch began
        self.settings = {}
        if monitor is not None:
            monitor.readings.clear()
            self.history.readings = monitor.readings

    def open(self, data, resume):
        """Go on from the checkpoint if there is one and it is wanted, and write it."""
        trainer, plan, net = self.trainer, self.plan, self.trainer.network
        self.settings = {
            "sizes": list(net.sizes), "activation": net.activation.label, "dtype": net.dtype.name, "loss": net.loss,
            "backend": net.backend, "optimizer": trainer.optimizer.label, "learning rate": plan.rate,
            "schedule": plan.schedule if isinstance(plan.schedule, str) else "a function",
            "batch size": trainer.batch_size, "weight decay": trainer.weight_decay, "shuffle": trainer.shuffle,
            "seed": repr(trainer.seed), "patience": plan.patience, "min_delta": plan.min_delta, "data": data,
            "initial weights": digest(trainer.parameters),
        }  # fmt: skip
        if plan.schedule in schedules.DEPEND_ON_EPOCHS:
            self.settings["epochs"] = plan.epochs
        if resume and plan.checkpoint.exists():
            record, state = checkpoints.load(plan.checkpoint, self.settings)
            self.history = TrainingHistory.from_dict(record)
            self.best = {n.removeprefix("best_"): array for n, array in state.items() if n.startswith("best_")} or None
            trainer.restore(state)
            if self.monitor is not None:
                self.monitor.readings[:] = self.history.readings
                self.history.readings = self.monitor.readings
            self.judge()
        self.save()

    def run(self):
        """Every epoch that is left; the history. After Ctrl-C the same end, then Interrupted."""
        history, plan = self.history, self.plan
        history.stopped, history.reason = "epochs", f"all {plan.epochs} epochs were done"
        try:
            while self.goes_on():
                self.epoch()
        except KeyboardInterrupt:
            self.undo_unfinished()
            self.judge()
            history.stopped = "interrupted"
            history.reason = f"interrupted after epoch {history.epochs} of {plan.epochs}"
        if plan.checkpoint is not None and (history.epochs % plan.checkpoint_every or history.stopped == "interrupted"):
            self.save()
        if self.best is not None:
            self.trainer.restore(self.best)
            history.best_epoch = self.stopping.best_epoch
        if history.stopped == "interrupted":
            raise Interrupted(history)
        return history

    def goes_on(self):
        """Whether there is an epoch left to do; early stopping says in the history that there is none."""
        history, stopping = self.history, self.stopping
        if history.stopped == "epochs" and stopping.ends:
            history.stopped = "early stopping"
            history.reason = (
                f"no better loss for {stopping.patience} epochs; the network is as it was after epoch "
                f"{stopping.best_epoch}"
            )
        return history.stopped == "epochs" and history.epochs < self.plan.epochs

    def undo_unfinished(self):
        """Go back to the end of the last whole epoch."""
        epochs, state, seen = self.before or (None, None, None)
        if len(self.history.seconds) == epochs:  # what began then is not finished
            self.history.truncate(epochs)
            del self.history.readings[seen:]
            self.trainer.restore(state)

    def epoch(self):
        history, plan, net = self.history, self.plan, self.trainer.network
        self.before = epoch, state, _ = history.epochs, self.trainer.state(), len(history.readings)
        rate = plan.rate * schedules.factor(plan.schedule, epoch, plan.epochs)
        rate *= schedules.REDUCTION**self.stopping.lowered
        start = time.perf_counter()
        run = _epoch(self.trainer, epoch, rate, self.monitor)
        seconds = time.perf_counter() - start
        if not run.finite:
            self.trainer.restore(state)
            history.stopped = "diverged"
            history.reason = (
                f"the loss was no longer finite in epoch {epoch + 1}, after {run.samples} rows, at a learning rate of "
                f"{rate:g}; the network is as it was after epoch {epoch}"
            )
            return
        loss, accuracy = (None, None) if self.validation is None else evaluate(net, *self.validation)
        test_loss, test_accuracy = (None, None) if self.test is None else evaluate(net, *self.test)
        history.add(
            loss=run.loss / run.samples,
            accuracy=run.correct / run.samples if net.loss == "cross_entropy" else None,
            validation_loss=loss,
            validation_accuracy=accuracy,
            epoch_test_loss=test_loss,
            epoch_test_accuracy=test_accuracy,
            learning_rate=rate,
            seconds=seconds,
        )
        self.judge()
        if plan.checkpoint is not None and history.epochs % plan.checkpoint_every == 0:
            self.save()
        if plan.callback is not None:
            plan.callback(history)

    def judge(self):
        """Tell early stopping of the epochs that it has not seen, and keep the state after the best one."""
        history, plan = self.history, self.plan
        losses = history.validation_loss or history.loss
        for epoch in range(self.stopping.epochs, history.epochs):
            self.stopping.add(losses[epoch] if plan.judge is None else plan.judge(history))
        if plan.go_back and self.stopping.best_epoch == history.epochs > 0:
            self.best = self.trainer.state()

    def save(self):
        arrays = self.trainer.state() | {f"best_{name}": array for name, array in (self.best or {}).items()}
        checkpoints.save(self.plan.checkpoint, self.settings, self.history.to_dict(), arrays)


def _epoch(trainer, epoch, rate, monitor):
    """One epoch, chunk by chunk, with the readings that fall into it."""
    order = trainer.order(epoch)
    chunk = max(1, int(CHUNK / (6 * trainer.batch_size * trainer.parameters.size)))
    total, at = Run(0.0, 0, 0, True), 0
    while at < trainer.batches and total.finite:
        until = min(at + chunk, trainer.batches)
        if monitor is not None:
            to_reading = monitor.next_due(trainer.steps, trainer.batch_size, trainer.parameters.size) - trainer.steps
            until = min(until, at + (to_reading or 1))
        before = _read(trainer, monitor) if monitor is not None and to_reading == 0 else None
        run = trainer.run(order, rate, at, until)
        if before is not None:
            monitor.note_step(before, trainer.network.weights)
        total = Run(total.loss + run.loss, total.correct + run.correct, total.samples + run.samples, run.finite)
        at = until
    return total


def _read(trainer, monitor):
    """A reading before a batch, and the weights that its step will change; None of weights beyond measuring."""
    if not np.abs(trainer.parameters).max() <= 2.0**LARGEST_WEIGHT:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        monitor.measure(trainer.steps, trainer.network)
    return [weight.copy() for weight in trainer.network.weights]


def digest(*arrays):
    """A fingerprint of arrays and of pairs of them."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        for part in array if isinstance(array, tuple) else (array,):
            found.update(str((part.shape, part.dtype.str)).encode())
            found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()
