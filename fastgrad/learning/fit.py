"""``fit``: train a network on data, with a gradient monitor and checkpoints."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fastgrad import draws
from fastgrad._validation import boolean, file_path, positive_int, real_number, shown
from fastgrad.learning import optimizers, schedules
from fastgrad.learning.epochs import Loop, Plan, digest
from fastgrad.learning.held_out import evaluate, split
from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.loop import Trainer
from fastgrad.learning.monitor import GradientMonitor
from fastgrad.learning.optimizers import LEARNING_RATES, Optimizer
from fastgrad.network import MLP


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
    seed: draws.Seed = 0,
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
        ``"constant"``, ``"inverse_sqrt"``, ``"step"``, ``"cosine"``, ``"adaptive"`` (a fifth of what it was whenever
        ``patience`` runs out, until it is at 1e-6; the run stops only then), or a function of the epoch, from 0, that
        gives the factor of the learning rate.
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
        By how much less than every loss before it must be to count as better.
    monitor : GradientMonitor or bool
        Measures the gradients on training rows as it goes; True: a new one, which takes at most about 3 % of the time.
    checkpoint : str or Path, optional
        A file that holds the run after every ``checkpoint_every`` epochs and at the end.
    checkpoint_every : int
        Epochs from one writing of the checkpoint to the next.
    resume : bool
        Whether to go on from a checkpoint that is there when the run begins; otherwise it is written over.
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
    plan = Plan(
        epochs=positive_int("epochs", epochs),
        rate=real_number("learning_rate", rate, above=0.0),
        schedule=schedule,
        patience=None if patience is None else positive_int("patience", patience),
        min_delta=real_number("min_delta", min_delta, minimum=0.0),
        go_back=patience is not None,
        checkpoint=None if checkpoint is None else file_path("checkpoint", checkpoint),
        checkpoint_every=positive_int("checkpoint_every", checkpoint_every),
        callback=callback,
    )
    shuffle, resume = boolean("shuffle", shuffle), boolean("resume", resume)
    batch_size = positive_int("batch_size", batch_size)
    weight_decay = real_number("weight_decay", weight_decay, minimum=0.0)
    schedules.factor(schedule, 0, epochs)
    if schedule == "adaptive" and patience is None:
        raise ValueError("schedule 'adaptive' lowers the learning rate when patience runs out: give patience")
    draws.check_seed(seed)
    net.check_parameters()
    train, held_out = split(net, X, y, {"validation": validation, "test": test}, seed)
    rows, targets = train
    _check_rows(net, rows, targets, batch_size)
    monitor = _monitor(monitor, train)
    trainer = Trainer(net, rows, targets, rule, batch_size, weight_decay, shuffle, seed)
    loop = Loop(trainer, plan, held_out.get("validation"), monitor, held_out.get("test"))
    if plan.checkpoint is not None:
        loop.open(digest(*train, *held_out.values()), resume)
    history = loop.run()
    if "test" in held_out:
        history.test_loss, history.test_accuracy = evaluate(net, *held_out["test"])
    return history


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
        raise TypeError(f"monitor must be a GradientMonitor, True or False, got {shown(monitor)}")
    return monitor if monitor.X is not None else monitor.watch(*train)
