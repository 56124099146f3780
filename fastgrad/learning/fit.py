"""``fit``: train a network on data, watch its gradients, keep what is done."""

# Design: - Every epoch ends in a state that the next one depends on alone: a run that is interrupted, diverges or is
#           resumed goes on from the last whole epoch, with the same numbers as one that was never stopped.
#         - Ctrl-C is answered between chunks of batches; the epoch it falls into is undone, the checkpoint written, and
#           KeyboardInterrupt raised on: a caller that trains many networks, or a user's own loop, must not go on with
#           half a run as if it were whole.
#         - Readings of the monitor fall between batches and change nothing.

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastgrad import initializers
from fastgrad._validation import listed, positive_int, real_number
from fastgrad.decay import LARGEST_WEIGHT
from fastgrad.learning import checkpoints, optimizers, schedules
from fastgrad.learning.history import Interrupted, TrainingHistory
from fastgrad.learning.loop import SPLIT, Run, Trainer, permutation
from fastgrad.learning.monitor import GradientMonitor
from fastgrad.learning.optimizers import LEARNING_RATES, Optimizer
from fastgrad.losses import SCALED, baseline, correct
from fastgrad.network import MLP

CHUNK = 4e9  # floating-point operations between two looks for Ctrl-C: about a tenth of a second
EVALUATED = 1024  # rows that go through the network at once where only its outputs are wanted


def fit(
    net: MLP,
    X,
    y,
    *,
    epochs: int = 20,
    batch_size: int = 32,
    optimizer: str | Optimizer = "adam",
    learning_rate: float | None = None,
    schedule: schedules.Schedule = "constant",
    weight_decay: float = 0.0,
    shuffle: bool = True,
    seed: initializers.Seed = 0,
    validation=None,
    test=None,
    patience: int | None = None,
    min_delta: float = 0.0,
    monitor: GradientMonitor | bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    resume: bool = True,
    callback: Callable[[TrainingHistory], object] | None = None,
) -> TrainingHistory:
    """Train a network in place, and return what happened.

    Parameters
    ----------
    net : MLP
        Trained from the weights it has; afterwards it has the new ones.
    X, y : array_like
        As for :meth:`fastgrad.MLP.loss_and_gradients`.
    epochs : int
        Passes over the training rows, counting those that a checkpoint holds.
    batch_size : int
        The last batch of an epoch may be smaller.
    optimizer : str or Optimizer
        ``"sgd"``, ``"momentum"``, ``"nesterov"``, ``"adam"``, or one with options:
        ``fastgrad.optimizer("momentum", momentum=0.95)``.
    learning_rate : float, optional
        Without it: 0.1, 0.01, 0.01, 0.001 for the four.
    schedule : str or callable
        ``"constant"``, ``"inverse_sqrt"``, ``"step"``, ``"cosine"``, or a function of the epoch, from 0, that gives
        the factor of the learning rate.
    weight_decay : float
        Adds ``weight_decay * weight`` to the gradient of every weight, not of biases.
    shuffle : bool
        Whether each epoch takes the rows in an order of its own.
    seed : int or SeedSequence
        Of the order and of splits.
    validation, test : float or (X, y), optional
        The share of the rows to hold out (of each class where there are labels), or rows of their own.
    patience : int, optional
        Stop after so many epochs without a better loss on the validation rows (without these, the training rows),
        and go back to the best epoch.
    min_delta : float
        By how much it must be better to count.
    monitor : GradientMonitor or bool
        Measures the gradients on training rows as it goes; True: a new one, which takes at most about 3 % of the time.
    checkpoint : path, optional
        A file that holds the run after every ``checkpoint_every`` epochs and at the end. If it is there when the run
        begins, the run goes on from it, unless ``resume`` is False.
    callback : callable, optional
        Called with the history after every epoch.

    Returns
    -------
    TrainingHistory
        Its ``stopped`` is "diverged" when a loss was not finite: then the network has the parameters of the last
        whole epoch.

    Raises
    ------
    Interrupted
        On Ctrl-C; a KeyboardInterrupt with the history. The network has the parameters of the last whole epoch (with
        early stopping, of the best), and the checkpoint is written.
    ValueError
        If an argument is out of range, a shape does not fit, a value is NaN or infinite, a class has no training
        row, or the checkpoint is of another run.
    TypeError
        If an argument is of the wrong type.
    OSError
        If the checkpoint cannot be written; the first time before anything is trained.
    """
    rule = optimizers.optimizer(optimizer)
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP, got {type(net).__name__}")
    rate = LEARNING_RATES[rule.name] if learning_rate is None else learning_rate
    plan = _Plan(
        epochs=positive_int("epochs", epochs),
        rate=real_number("learning_rate", rate, above=0.0),
        schedule=schedule,
        patience=None if patience is None else positive_int("patience", patience),
        min_delta=real_number("min_delta", min_delta, minimum=0.0),
        checkpoint=None if checkpoint is None else Path(checkpoint),
        checkpoint_every=positive_int("checkpoint_every", checkpoint_every),
        callback=callback,
    )
    batch_size = positive_int("batch_size", batch_size)
    weight_decay = real_number("weight_decay", weight_decay, minimum=0.0)
    schedules.factor(schedule, 0, epochs)
    initializers.check_seed(seed)
    net.check_parameters()
    train, held_out = split(net, X, y, {"validation": validation, "test": test}, seed)
    rows, targets = train
    _check_rows(net, rows, targets, batch_size)
    monitor = _monitor(monitor, train)
    trainer = Trainer(net, rows, targets, rule, batch_size, weight_decay, bool(shuffle), seed)
    loop = _Loop(trainer, plan, held_out.get("validation"), monitor)
    if plan.checkpoint is not None:
        loop.open(_digest(*train, *held_out.values()), resume)
    history = loop.run()
    if "test" in held_out:
        history.test_loss, history.test_accuracy = evaluate(net, *held_out["test"])
    return history


@dataclass(frozen=True)
class _Plan:
    """What of ``fit``'s arguments its loop over the epochs goes by."""

    epochs: int
    rate: float
    schedule: schedules.Schedule
    patience: int | None
    min_delta: float
    checkpoint: Path | None
    checkpoint_every: int
    callback: Callable[[TrainingHistory], object] | None


class _Loop:
    """The loop over the epochs: record, early stopping, checkpoints, and an orderly end."""

    def __init__(self, trainer, plan, validation, monitor):
        self.trainer, self.plan, self.validation, self.monitor = trainer, plan, validation, monitor
        self.history = TrainingHistory(trainer.batches, baseline(trainer.network.loss, trainer.y))
        self.best = None  # the trainer's state after the best epoch, with early stopping
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
            "initial weights": _digest(trainer.parameters),
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
        self.save()

    def run(self):
        """Every epoch that is left; the history. After Ctrl-C the same end, then Interrupted."""
        history, plan = self.history, self.plan
        history.stopped, history.reason = "epochs", f"all {plan.epochs} epochs were done"
        try:
            while history.epochs < plan.epochs and not self.out_of_patience() and history.stopped == "epochs":
                self.epoch()
        except KeyboardInterrupt:
            self.undo_unfinished()
            self.keep_best()
            history.stopped = "interrupted"
            history.reason = f"interrupted after epoch {history.epochs} of {plan.epochs}"
        if plan.checkpoint is not None and (history.epochs % plan.checkpoint_every or history.stopped == "interrupted"):
            self.save()
        if self.best is not None:
            self.trainer.restore(self.best)
            history.best_epoch = self.best_epoch()
        if history.stopped == "interrupted":
            raise Interrupted(history)
        return history

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
        history.add(
            loss=run.loss / run.samples,
            accuracy=run.correct / run.samples if net.loss == "cross_entropy" else None,
            validation_loss=loss,
            validation_accuracy=accuracy,
            learning_rate=rate,
            seconds=seconds,
        )
        self.keep_best()
        if plan.checkpoint is not None and history.epochs % plan.checkpoint_every == 0:
            self.save()
        if plan.callback is not None:
            plan.callback(history)

    def keep_best(self):
        """With early stopping, keep the state if the last epoch was the best."""
        if self.plan.patience is not None and self.history.epochs == self.best_epoch() > 0:
            self.best = self.trainer.state()

    def best_epoch(self):
        """The epoch, from 1, after which no loss was better by more than ``min_delta``; 0 before the first."""
        best, found = np.inf, 0
        for epoch, loss in enumerate(self.history.validation_loss or self.history.loss, start=1):
            if loss < best - self.plan.min_delta:
                best, found = loss, epoch
        return found

    def out_of_patience(self):
        """Whether early stopping ends the run here; the history then says so."""
        history, patience = self.history, self.plan.patience
        if patience is None or history.epochs - self.best_epoch() < patience:
            return False
        history.stopped = "early stopping"
        history.reason = (
            f"no better loss for {patience} epochs; the network is as it was after epoch {self.best_epoch()}"
        )
        return True

    def save(self):
        arrays = self.trainer.state() | {f"best_{name}": array for name, array in (self.best or {}).items()}
        checkpoints.save(self.plan.checkpoint, self.settings, self.history.to_dict(), arrays)


def evaluate(net: MLP, X, y) -> tuple[float, float | None]:
    """Mean loss and, with labels, accuracy of a network on rows; the errors are those of ``net.loss_and_gradients``."""
    X = net.check_data(X)
    y = net.check_targets(y, len(X))
    loss, right = 0.0, 0
    for start in range(0, len(X), EVALUATED):
        rows = slice(start, start + EVALUATED)
        outputs = net.forward(X[rows])
        if not np.isfinite(outputs).all():
            return float("nan"), right / len(X)
        loss += SCALED[net.loss](outputs, y[rows])[0] * len(outputs)
        right += correct(net.loss, outputs, y[rows])
    return loss / len(X), right / len(X) if net.loss == "cross_entropy" else None


def split(net: MLP, X, y, wanted: dict, seed=0):
    """The training rows (X, y), and by name the rows held out of them, checked and in the network's dtype.

    ``wanted`` maps a name to None, to a share of the rows, or to rows of its own, (X, y).
    """
    X = net.check_data(X)
    y = net.check_targets(y, len(X))
    y = y.astype(np.int64) if net.loss == "cross_entropy" else y
    shares, held_out = {}, {}
    for name, value in wanted.items():
        if value is None:
            continue
        if isinstance(value, int | float | np.number):
            shares[name] = real_number(name, value, above=0.0)
            continue
        pair = listed(name, value)
        if len(pair) != 2:
            raise ValueError(f"{name} must be a share of the rows or a pair (X, y), got {len(pair)} things")
        held_out[name] = net.check_data(pair[0]), net.check_targets(pair[1], len(pair[0]))
    if sum(shares.values()) >= 1:
        raise ValueError(
            f"{' and '.join(shares)} must leave rows to train on, but hold out {sum(shares.values()):g} of them"
        )
    left = _mixed(net.loss, y, seed)
    for name, share in shares.items():
        count = round(share * len(X))
        if not 0 < count < len(left):
            raise ValueError(f"{name}={share:g} of {len(X)} rows is {count}: there must be a row on both sides")
        taken = np.linspace(0, len(left) - 1, count).round().astype(int)
        held_out[name] = X[left[taken]], y[left[taken]]
        left = np.delete(left, taken)
    left = np.sort(left)
    return (X[left], y[left]), held_out


def _mixed(loss, y, seed):
    """The rows in random order, those of a class side by side: every k-th of them is a fair share of each class."""
    rows = permutation(len(y), seed, SPLIT)
    return rows if loss == "mse" else rows[np.argsort(y[rows], kind="stable")]


def _check_rows(net, X, y, batch_size):
    if batch_size > len(X):
        raise ValueError(f"batch_size must be at most the {len(X)} training rows, got {batch_size}")
    if net.loss == "cross_entropy":
        missing = np.flatnonzero(np.bincount(y, minlength=net.sizes[-1]) == 0)
        if missing.size:
            raise ValueError(
                f"no training row has label {missing[0]}, but the network has {net.sizes[-1]} outputs, one per class"
            )


def _monitor(monitor, train):
    if monitor is False or monitor is None:
        return None
    if monitor is True:
        monitor = GradientMonitor()
    if not isinstance(monitor, GradientMonitor):
        raise TypeError(f"monitor must be a GradientMonitor, True or False, got {monitor!r}")
    return monitor if monitor.X is not None else monitor.watch(*train)


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


def _digest(*arrays):
    """A fingerprint of arrays and of pairs of them."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        for part in array if isinstance(array, tuple) else (array,):
            found.update(str((part.shape, part.dtype.str)).encode())
            found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()
