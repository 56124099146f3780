"""From verdict to remedy to proof: what training says is wrong is changed, and the network is trained again."""

# Design: - The remedy is the one that ``diagnose_network`` found by counterfactual before anything was trained again,
#           and its prediction is kept beside what then happened.
#         - Everything else stays as it was: data, split, seed, optimiser, epochs.

from dataclasses import dataclass

import numpy as np

from fastgrad import theory
from fastgrad.diagnosis import Diagnosis, changed, diagnose_network
from fastgrad.history import Cost, TrainingHistory, cost_of_vanishing
from fastgrad.network import MLP
from fastgrad.trends import Trend
from fastgrad.training import fit

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
    learning_rate : float or None
        None: the optimiser's own.
    history : TrainingHistory
    chi : float
        What theory says one layer leaves of \\|delta\\|^2, the geometric mean over the hidden layers.
    decades_lost : float
        As measured at the start.
    """

    network: MLP
    trained: MLP
    learning_rate: float | None
    history: TrainingHistory
    chi: float
    decades_lost: float

    @property
    def trend(self) -> Trend:
        """That of the training loss, with its cause."""
        return self.history.trend

    @property
    def verdict(self) -> str:
        """What is wrong, or "healthy": the monitor's latest word, else what the loss stands still for."""
        latest = self.history.readings[-1].verdict if self.history.readings else None
        if latest not in (None, "healthy"):
            return latest
        return self.trend.cause if self.trend.cause in BAD else "healthy"


@dataclass(frozen=True, eq=False)
class Repair:
    """What was wrong, what was changed, what was promised, and what came of it.

    Attributes
    ----------
    before : Attempt
    diagnosis : Diagnosis or None
        Of the network as drawn, with causes and remedy; None where the gradients are healthy.
    change : str or None
        In words; None if there was nothing to change or no remedy is known.
    predicted_decades : float or None
        That the changed network loses, by theory.
    after : Attempt or None
    cost : Cost or None
        What the fault costs, the changed network being the healthy twin.
    """

    before: Attempt
    diagnosis: Diagnosis | None = None
    change: str | None = None
    predicted_decades: float | None = None
    after: Attempt | None = None
    cost: Cost | None = None

    @property
    def final(self) -> Attempt:
        """The last attempt."""
        return self.after or self.before


def attempt(net: MLP, X, y, *, learning_rate: float | None = None, **options) -> Attempt:
    """Train a copy of the network, as :func:`fastgrad.fit` does with these options; errors as there."""
    trained = twin(net)
    history = fit(trained, X, y, learning_rate=learning_rate, **options)
    predicted = theory.predict_network(net, np.asarray(X, np.float64))
    chi = 10.0 ** (-2 * predicted.decades_lost / max(net.depth - 1, 1))
    lost = history.readings[0].diagnosis.decades_lost if history.readings else float("nan")
    return Attempt(net, trained, learning_rate, history, chi, lost)


def repair(net: MLP, X, y, *, learning_rate: float | None = None, before: Attempt | None = None, **options) -> Repair:
    """Train a network; if the verdict on that is bad, change what the diagnosis says, train again, and compare.

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

    Raises
    ------
    ValueError, TypeError
        As :func:`fastgrad.fit`; also if there is a checkpoint, which could be of one of the two runs only.
    """
    if options.get("checkpoint") is not None:
        raise ValueError("repair trains two networks: checkpoint must be None")
    before = before or attempt(net, X, y, learning_rate=learning_rate, **options)
    verdict = before.verdict
    if verdict == "healthy":
        return Repair(before)
    if verdict.startswith("learning rate"):
        rate = before.history.learning_rate[0] if before.history.learning_rate else _rate(learning_rate, options)
        rate = rate / RATE_CHANGE if verdict.endswith("high") else rate * RATE_CHANGE
        after = attempt(net, X, y, learning_rate=rate, **options)
        return Repair(before, None, f"learning rate {rate:g}", None, after, _cost(before, after))
    diagnosis = diagnose_network(net, X, y)
    if diagnosis.remedy is None:
        return Repair(before, diagnosis)
    after = attempt(changed(net, diagnosis.remedy), X, y, learning_rate=learning_rate, **options)
    change, predicted = diagnosis.remedy.change, diagnosis.remedy.predicted_after
    return Repair(before, diagnosis, change, predicted, after, _cost(before, after))


def _cost(before, after):
    """None where one of the two has no finished epoch."""
    whole = before.history.epochs and after.history.epochs
    return cost_of_vanishing(before.history, after.history) if whole else None


def _rate(learning_rate, options):
    from fastgrad.optimizers import LEARNING_RATES, optimizer

    return learning_rate or LEARNING_RATES[optimizer(options.get("optimizer", "adam")).name]


def twin(net: MLP) -> MLP:
    """A network of the same description and with copies of the same weights."""
    other = MLP(net.sizes, net.activation, net.initializer, net.seed, net.dtype, net.loss, net.bias_std, net.backend)
    other.weights, other.biases = [w.copy() for w in net.weights], [b.copy() for b in net.biases]
    return other
