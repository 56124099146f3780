"""Repair: what the verdict on a training names is changed, and the network is trained again."""

# Design: - One change at a time, at most ROUNDS of them: gradients first, then a learning rate that proves wrong.
#         - What ``diagnose_network`` found to cure the gradients, by counterfactual, is tried for a few epochs, and
#           what learns best is trained in full: level gradients are needed, but a sigmoid network at its critical
#           gain has them and learns slowly. What theory promised of it is kept beside what then happened.
#         - Everything else stays as it was: data, split, seed, optimiser, epochs.
#         - A good verdict is not yet a repair. Attempts are compared by loss: on the validation rows where there are
#           any, which are not trained on; else on the training rows. Not by accuracy, which moves in steps of a row
#           and which targets do not have; never by the test rows, which would then no longer test. Each change goes on
#           from the one before, which may be worse on the way (a cured network wants another learning rate); what
#           remains in the end is the best attempt, and the changes after it are rejected.

import math
from dataclasses import dataclass, field, replace

import numpy as np

from fastgrad import theory
from fastgrad.counterfactual import changed
from fastgrad.diagnosis import Diagnosis, diagnose_network
from fastgrad.learning.fit import fit
from fastgrad.learning.history import Cost, Interrupted, TrainingHistory, cost_of_vanishing
from fastgrad.learning.monitor import GradientMonitor
from fastgrad.learning.optimizers import LEARNING_RATES, optimizer
from fastgrad.learning.trends import Trend
from fastgrad.network import MLP

TRIAL_EPOCHS = 2
ROUNDS = 3
RATE_CHANGE = 10.0  # what a learning rate that is too high is divided by, or multiplied if too low
BAD = ("vanishing", "exploding", "saturated", "dead", "learning rate too low", "learning rate too high")


@dataclass(frozen=True, eq=False)
class Attempt:
    """One network and its training.

    Attributes
    ----------
    network : MLP
        As it was drawn; ``trained`` has the weights of the end.
    trained : MLP
    rate : float
        The learning rate, before its schedule.
    history : TrainingHistory
    chi : float
        What theory says one layer leaves of \\|delta\\|^2, along the line fitted over the hidden layers.
    decades_lost : float
        As measured at the start.
    """

    network: MLP
    trained: MLP
    rate: float
    history: TrainingHistory
    chi: float
    decades_lost: float

    @property
    def trend(self) -> Trend:
        """That of the training loss, with its cause."""
        return self.history.trend

    @property
    def verdict(self) -> str:
        """The monitor's latest verdict; if that is healthy, the cause of the loss' plateau, or "healthy"."""
        latest = self.history.readings[-1].verdict if self.history.readings else None
        if latest not in (None, "healthy"):
            return latest
        return self.trend.cause if self.trend.cause in BAD else "healthy"


@dataclass(frozen=True, eq=False)
class Change:
    """What was changed between two attempts, why, and what theory predicted.

    Attributes
    ----------
    what : str
    diagnosis : Diagnosis or None
        Of the network as drawn, with causes and cures; None where the learning rate was changed.
    predicted_decades : float or None
        That the changed network loses, by theory.
    trials : dict of str to float
        The loss (``TrainingHistory.reached``) after ``TRIAL_EPOCHS`` epochs with each change that cures the
        gradients; inf where it diverged.
    """

    what: str
    diagnosis: Diagnosis | None = None
    predicted_decades: float | None = None
    trials: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Repair:
    """The attempts to train a network, and what was changed between them.

    Attributes
    ----------
    attempts : tuple of Attempt
        The network as it was, and after each change.
    changes : tuple of Change
        One between every two attempts.
    hopeless : Diagnosis or None
        That of the last attempt, if it is bad and nothing that was tried cures it.
    """

    attempts: tuple[Attempt, ...]
    changes: tuple[Change, ...] = ()
    hopeless: Diagnosis | None = None

    @property
    def final(self) -> Attempt:
        """The attempt to keep: that with the least ``history.reached``; of equals the first."""
        return min(self.attempts, key=lambda attempt: attempt.history.reached)

    @property
    def rejected(self) -> tuple[Change, ...]:
        """The changes after ``final``, which made the loss worse."""
        return self.changes[self.attempts.index(self.final) :]

    @property
    def cost(self) -> Cost | None:
        """What the fault costs, ``final`` being the healthy twin; None if no change was kept or nothing finished."""
        first, final = self.attempts[0].history, self.final.history
        return cost_of_vanishing(first, final) if final is not first and first.epochs and final.epochs else None


def attempt(net: MLP, X, y, *, learning_rate: float | None = None, **options) -> Attempt:
    """Train a copy of the network, as :func:`fastgrad.fit` does with these options; errors as there.

    Without a monitor, one measures about once per epoch.
    """
    trained = net.with_parameters(net.weights, net.biases)
    options.setdefault("monitor", GradientMonitor(every=max(1, len(X) // options.get("batch_size", 32))))
    rate = learning_rate or LEARNING_RATES[optimizer(options.get("optimizer", "adam")).name]
    history = fit(trained, X, y, learning_rate=rate if learning_rate is None else learning_rate, **options)
    predicted = theory.predict_network(net, np.asarray(X, np.float64))
    chi = 10.0 ** (-2 * predicted.decades_per_layer) if net.depth > 1 else 1.0
    measured = history.readings[0].diagnosis if history.readings else None
    return Attempt(net, trained, rate, history, chi, math.nan if measured is None else measured.decades_lost)


def repair(net: MLP, X, y, *, learning_rate: float | None = None, before: Attempt | None = None, **options) -> Repair:
    """Train a network; while the verdict on that is bad, change what the diagnosis says and train again.

    Parameters
    ----------
    net : MLP
        As drawn; it is not changed.
    X, y, learning_rate, **options
        As for :func:`fastgrad.fit`; not a checkpoint. The monitor must not be switched off.
    before : Attempt, optional
        The first training, if it has been done with these options.

    Returns
    -------
    Repair
        Of at most ``ROUNDS`` changes; those that made it worse are ``rejected``, and ``final`` is the best attempt.

    Raises
    ------
    Interrupted
        On Ctrl-C; its ``repair`` has the trainings that were finished, or is None if none was.
    ValueError
        If there is a checkpoint, which could be of one of the runs only; and as :func:`fastgrad.fit`, whose TypeErrors
        are raised too.
    """
    if options.get("checkpoint") is not None:
        raise ValueError("repair trains several networks: checkpoint must be None")
    found = Repair((before or attempt(net, X, y, learning_rate=learning_rate, **options),))
    try:
        while found.attempts[-1].verdict != "healthy" and len(found.changes) < ROUNDS and found.hopeless is None:
            found = _one_change_more(found, X, y, options)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(getattr(interrupt, "history", found.attempts[-1].history), found) from None
    return found


def _one_change_more(found, X, y, options):
    """A change, and the training after it; or the diagnosis that there is none to make."""
    last = found.attempts[-1]
    if last.verdict.startswith("learning rate"):
        rate = last.rate / RATE_CHANGE if last.verdict.endswith("high") else last.rate * RATE_CHANGE
        change, network = Change(f"learning rate {rate:g}"), last.network
    else:
        rate, diagnosis = last.rate, diagnose_network(last.network, X, y)
        if not diagnosis.cures:
            return replace(found, hopeless=diagnosis)
        change, network = _best(last, diagnosis, X, y, options)
    tried = attempt(network, X, y, learning_rate=rate, **options)
    return Repair((*found.attempts, tried), (*found.changes, change))


def _best(last, diagnosis, X, y, options):
    """The cure that learns best in a trial, and its network; of equals the first, the most nearly level."""
    networks = {cure: changed(last.network, cure) for cure in diagnosis.cures}
    trials = {cure: _trial(net.like(), X, y, learning_rate=last.rate, **options) for cure, net in networks.items()}
    best = min(trials, key=trials.__getitem__)
    losses = {cure.change: loss for cure, loss in trials.items()}
    return Change(best.change, diagnosis, best.predicted_after, losses), networks[best]


def _trial(net, X, y, **options):
    """The loss after a few epochs."""
    history = fit(net, X, y, **options | {"epochs": TRIAL_EPOCHS, "monitor": False, "callback": None})
    return math.inf if history.stopped == "diverged" else history.reached
