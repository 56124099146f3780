"""A labelled benchmark of training runs, healthy and faulty, and how well each detector tells them apart."""

# Design: - The label is what happened: how much training accuracy runs of the same and of other networks end with. No
#           gradient, no loss, no theory and no limit of a detector is in it. A run's twin is the same run, rows and
#           their order included, with what levels gradients: ReLU units and He weights.
#               faulty:    the run ends at least ``SHORT`` below its twin at the twin's best learning rate;
#               vanishing: it does, and so does the same network at *its own* best learning rate, so that the rate is
#                          not what is wrong; nor do smaller weights help it: where its weights are larger than He's, so
#                          does the same network with He's (what explodes is cured by that, what vanishes is not).
#           Networks that vanish and learn all the same are thus not faulty, nor are they where the twin cannot learn.
#         - What the label cannot tell apart: a signal that dies on its way forward and gradients that die on their way
#           back. In the networks here they come together (theory.py: one chi rules both).
#         - ``TUNING`` and ``HELD_OUT`` share no data set and no seed, hence no weights and no order of the rows. Every
#           constant of ours was chosen on the first.
#         - Every run makes the same number of steps, so that a check means the same on every data set.

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from benchmarks.studies.detectors_rules import DETECTORS, Record, first_alarm
from fastgrad.datasets import load
from fastgrad.dense import affine_forward
from fastgrad.initializers import initializer
from fastgrad.learning.loop import Trainer
from fastgrad.learning.optimizers import optimizer
from fastgrad.losses import SCALED, baseline, correct
from fastgrad.network import MLP
from fastgrad.sweeps import pools


class Part(NamedTuple):
    """Data sets and seeds."""

    data: tuple[str, ...]
    seeds: tuple[int, ...]


# What ours was chosen on, and what it is judged on.
TUNING = Part(("breast_cancer", "wine"), (0, 1))
HELD_OUT = Part(("digits",), (2, 3, 4))
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")
INITS = {
    "xavier_normal": initializer("xavier_normal"),
    "he_normal": initializer("he_normal"),
    "torch_linear": initializer("torch_linear"),
    "normal": initializer("normal"),
    "large": initializer("xavier_normal", gain=4.0),
}
LARGER_THAN_HE = ("large",)
DEPTHS = (2, 8, 20)
RATES = {"sgd": (0.001, 0.01, 0.1, 1.0), "adam": (0.0001, 0.001, 0.01, 0.1)}
WIDTH, BATCH, WINDOW = 32, 32, 128
CHECKS, STEPS = 24, 25  # checks in a run after the first, and steps between them
SHORT = 0.2  # of accuracy
QUESTIONS = ("vanishing", "any fault")


@dataclass(frozen=True)
class Case:
    """One run: what is trained on what, how. ``seed`` is that of the weights and of the order of the rows."""

    data: str
    activation: str
    init: str
    depth: int
    optimizer: str
    learning_rate: float
    seed: int = 0

    @property
    def held_out(self) -> bool:
        """Whether nothing was chosen on its data set and seed."""
        return self.data in HELD_OUT.data

    @property
    def architecture(self) -> tuple:
        """What it has in common with runs at other rates and from other seeds."""
        return self.data, self.activation, self.init, self.depth


@dataclass(frozen=True)
class Outcome:
    """What a run is, and when each detector raised the alarm.

    Attributes
    ----------
    case : Case
    accuracy : float
        On all training rows, mean over the last three checks; 0 where the run diverged.
    own_best, twin_best : float
        That of the same network, and of its twin, each at its best learning rate for this optimiser.
    smaller_best : float
        That of the network with He's weights, at its best rate, where its own are larger; else ``own_best``.
    alarms : dict
        By detector: the first step with an alarm for vanishing gradients, and for any fault; None for none.
    """

    case: Case
    accuracy: float
    own_best: float
    twin_best: float
    smaller_best: float
    alarms: dict[str, tuple[int | None, int | None]]

    @property
    def faulty(self) -> bool:
        """Whether the run ends ``SHORT`` below its twin at the twin's best rate."""
        return self.accuracy <= self.twin_best - SHORT

    @property
    def vanishing(self) -> bool:
        """Whether it is faulty, and neither a learning rate nor smaller weights help the network."""
        return max(self.accuracy, self.own_best, self.smaller_best) <= self.twin_best - SHORT


def cases(quick: bool = False) -> list[Case]:
    """The runs of the benchmark; ``quick``: of the first seeds, two activations, two initialisations, two depths."""
    phis, inits, depths = (
        (("sigmoid", "relu"), ("xavier_normal", "he_normal"), (2, 20)) if quick else (ACTIVATIONS, tuple(INITS), DEPTHS)
    )
    return [
        Case(data, phi, init, depth, rule, rate, seed)
        for part in (HELD_OUT, TUNING)
        for data, phi, init, depth, rule, seed in product(
            part.data, phis, inits, depths, RATES, part.seeds[:1] if quick else part.seeds
        )
        for rate in RATES[rule]
    ]


def at_all_rates(case: Case, **changes) -> list[Case]:
    """The same run at each learning rate for its optimiser, with these changes."""
    return [replace(case, learning_rate=rate, **changes) for rate in RATES[case.optimizer]]


def twins(case: Case) -> list[Case]:
    """Its twin, what levels gradients, at each learning rate."""
    return at_all_rates(case, activation="relu", init="he_normal")


def smaller(case: Case) -> list[Case]:
    """The network with He's weights at each rate; where its own are no larger, as it is."""
    return at_all_rates(case, **({"init": "he_normal"} if case.init in LARGER_THAN_HE else {}))


@cache
def _rows(data):
    return load(data)


def network(case: Case) -> MLP:
    """The network that a case trains."""
    X, y = _rows(case.data)
    sizes = [X.shape[1], *[WIDTH] * case.depth, int(y.max()) + 1]
    return MLP(sizes, case.activation, INITS[case.init], case.seed)


def run(case: Case) -> tuple[Record, float]:
    """Train, measuring before the first step and after every ``STEPS``; the record, and ``Outcome.accuracy``."""
    X, y = _rows(case.data)
    net = network(case)
    X = net.check_data(X)
    window = np.linspace(0, len(X) - 1, WINDOW).astype(int)
    trainer = Trainer(net, X, y, optimizer(case.optimizer), BATCH, 0.0, True, case.seed)
    order = np.concatenate([trainer.order(epoch) for epoch in range(-(-(CHECKS + 1) * STEPS // trainer.batches))])
    checks, ends, finite = [], [], True
    variances = np.array([w.var() for w in net.weights])
    for at in range(0, (CHECKS + 1) * STEPS, STEPS):
        finite = finite and bool(np.isfinite(trainer.parameters).all() and np.abs(trainer.parameters).max() < 2.0**60)
        if not finite:
            checks.append(checks[-1] | {"loss": np.nan})
            ends.append(0.0)
            continue
        found = _measured(net, X[window], y[window])
        ends.append(_accuracy(net, X, y) if at >= (CHECKS - 2) * STEPS else math.nan)
        before = [w.copy() for w in net.weights]
        finite = trainer.run(order, case.learning_rate, at, at + 1).finite
        steps = zip(net.weights, before, strict=True)
        found["update_ratio"] = np.array([_rms(w - b) / _rms(b) for w, b in steps])
        checks.append(found)
        finite = finite and trainer.run(order, case.learning_rate, at + 1, at + STEPS).finite
    measured = {name: np.array([check[name] for check in checks]) for name in checks[0]}
    record = Record(
        **measured, step=STEPS * np.arange(CHECKS + 1), baseline=baseline("cross_entropy", y[window]),
        classes=net.sizes[-1], activation=case.activation, initial_variances=variances,
    )  # fmt: skip
    return record, float(np.mean(ends[-3:]))


def _outputs(net, X):
    h = X
    for weight, bias in zip(net.weights[:-1], net.biases[:-1], strict=True):
        h = net.activation(affine_forward(h, weight, bias))
    return affine_forward(h, net.weights[-1], net.biases[-1])


@np.errstate(over="ignore", invalid="ignore")
def _accuracy(net, X, y):
    return correct("cross_entropy", _outputs(net, X), y) / len(y)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _measured(net, X, y):
    """One check of a run, without the update ratio."""
    profile, (_, gradients) = net.gradient_profile(X, y), net.loss_and_gradients(X, y)
    h, hidden = X, []
    for weight, bias in zip(net.weights[:-1], net.biases[:-1], strict=True):
        z = affine_forward(h, weight, bias)
        h = net.activation(z)
        hidden.append(((h <= 0).mean(), (np.abs(z) >= 5).mean(), (np.abs(z) > 9.4999).mean(), h.std()))
    outputs = affine_forward(h, net.weights[-1], net.biases[-1])
    closed, large, beyond, spread = np.array(hidden).T
    return {
        "loss": SCALED["cross_entropy"](outputs, y)[0],
        "accuracy": correct("cross_entropy", outputs, y) / len(y),
        "log10_delta": profile.log10_delta,
        "gradient": np.array([np.abs(dw).mean(dtype=np.float64) for dw, _ in gradients]),
        "zero_gradient": np.array([(dw == 0).mean() for dw, _ in gradients]),
        "dead": profile.dead_fraction,
        "closed": closed,
        "large": large,
        "beyond_tanh": beyond,
        "activation_std": spread,
    }


def _rms(array):
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def judged(case: Case) -> tuple[float, dict[str, tuple[int | None, int | None]]]:
    """How a run ended and what each detector said: ``Outcome.accuracy`` and ``Outcome.alarms``."""
    record, accuracy = run(case)

    def first_step(rule):
        check = first_alarm(rule, record)
        return None if check is None else int(record.step[check])

    return accuracy, {name: (first_step(vanishing), first_step(any_)) for name, (vanishing, any_) in DETECTORS.items()}


def run_benchmark(
    grid: Iterable[Case], progress: Callable[[int, int, str], None] = lambda *_: None, workers: int = 1
) -> Iterator[Outcome]:
    """The outcome of every case; first all are run, since a label needs the others that the case is compared with.

    ``workers``: processes; the outcomes do not depend on it.
    """
    grid = list(grid)
    todo = list(dict.fromkeys(other for case in grid for other in compared_with(case)))
    accuracy, alarms = {}, {}
    with ExitStack() as stack:
        for done, (case, found) in enumerate(zip(todo, _results(todo, workers, stack), strict=True)):
            accuracy[case], alarms[case] = found
            progress(done + 1, len(todo), f"{case.data}, {case.activation} + {case.init}, depth {case.depth}")
    for case in grid:
        own, twin, less = (max(accuracy[other] for other in among(case)) for among in (at_all_rates, twins, smaller))
        yield Outcome(case, accuracy[case], own, twin, less, alarms[case])


def compared_with(case: Case) -> list[Case]:
    """The runs that its label needs, itself first."""
    return [case, *at_all_rates(case), *twins(case), *smaller(case)]


def _results(todo, workers, stack):
    """What :func:`judged` says of each, in order."""
    if workers == 1:
        return map(judged, todo)
    pool = pools.processes(workers)
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool.map(judged, todo, chunksize=min(16, -(-len(todo) // workers)))


def to_rows(outcomes: list[Outcome]) -> list[dict]:
    """Plain data for JSON: every run with its labels and alarms."""
    return [asdict(outcome) | {"vanishing": outcome.vanishing, "faulty": outcome.faulty} for outcome in outcomes]
