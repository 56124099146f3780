"""A labelled benchmark of training runs, healthy and faulty, and how well each detector tells them apart."""

# Design: - The label comes from what the detectors do not see: theory's prediction for the network as drawn, and how
#           the run ended beside its healthy twin, the same run with ReLU and He weights.
#               vanishing: theory says that delta loses ``DECADES`` or more from the last hidden layer to the first, and
#                          the run ends with at least ``SHORT`` less training accuracy than its twin;
#               faulty:    the run ends with at least ``SHORT`` less than the best run of its data set and depth.
#           A network whose delta vanishes but which learns all the same is not faulty, and neither is it called
#           vanishing where its twin does not learn either (a wrong learning rate).
#         - Our detector's two limits were chosen on the data sets that are not held out.
#         - Every run makes the same number of steps, so that a check means the same on every data set.

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product

import numpy as np

from fastgrad import theory
from fastgrad.bench.tables import Table
from fastgrad.datasets import load
from fastgrad.dense import affine_forward
from fastgrad.detectors import DETECTORS, Record, first_alarm
from fastgrad.diagnosis import DECADES
from fastgrad.losses import SCALED, correct
from fastgrad.network import MLP
from fastgrad.optimizers import optimizer
from fastgrad.trainer import Trainer
from fastgrad.training import baseline

DATA = ("breast_cancer", "wine", "digits")
HELD_OUT = ("digits",)
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")
INITS = ("xavier_normal", "he_normal", "torch_linear", "normal")
DEPTHS = (2, 8, 20)
RATES = (("sgd", 0.1), ("sgd", 0.001), ("adam", 0.001), ("adam", 0.1))
WIDTH, BATCH, WINDOW = 32, 32, 128
CHECKS, STEPS = 15, 40  # checks in a run, and steps between them
SHORT = 0.2  # of accuracy
QUESTIONS = ("vanishing", "any fault")


@dataclass(frozen=True)
class Case:
    """One run: what is trained on what, how."""

    data: str
    activation: str
    init: str
    depth: int
    optimizer: str
    learning_rate: float
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a run is, and when each detector raised the alarm.

    ``alarms[name]`` holds the first check of the alarm for vanishing gradients and for any fault, None for none.
    """

    case: Case
    decades: float
    accuracy: float
    twin_accuracy: float
    vanishing: bool
    faulty: bool
    alarms: dict[str, tuple[int | None, int | None]]

    @property
    def held_out(self) -> bool:
        """Whether nothing was chosen on its data set."""
        return self.case.data in HELD_OUT


def cases(quick: bool = False) -> list[Case]:
    """The runs of the benchmark; ``quick``: every seventh of them."""
    grid = [
        Case(data, phi, init, depth, *rate)
        for data, phi, init, depth, rate in product(DATA, ACTIVATIONS, INITS, DEPTHS, RATES)
    ]
    return grid[::7] if quick else grid


@cache
def _rows(data):
    return load(data)


def network(case: Case) -> MLP:
    """The network that a case trains."""
    X, y = _rows(case.data)
    sizes = [X.shape[1], *[WIDTH] * case.depth, int(y.max()) + 1]
    return MLP(sizes, case.activation, case.init, case.seed)


def run(case: Case) -> Record:
    """Train, and measure before the first step and after every ``STEPS``."""
    X, y = _rows(case.data)
    net = network(case)
    X = net.check_data(X)
    window = np.linspace(0, len(X) - 1, WINDOW).astype(int)
    trainer = Trainer(net, X, y, optimizer(case.optimizer), BATCH, 0.0, True, case.seed)
    order = np.concatenate([trainer.order(epoch) for epoch in range(-(-CHECKS * STEPS // trainer.batches) + 1)])
    checks, variances, finite = [], np.array([w.var() for w in net.weights]), True
    for check in range(CHECKS + 1):
        finite = finite and bool(np.isfinite(trainer.parameters).all() and np.abs(trainer.parameters).max() < 2.0**60)
        if not finite:
            checks.append(checks[-1] | {"loss": np.nan})
            continue
        found = _measured(net, X[window], y[window])
        before = [w.copy() for w in net.weights]
        at = check * STEPS
        finite = trainer.run(order, case.learning_rate, at, at + 1).finite
        steps = zip(net.weights, before, strict=True)
        found["update_ratio"] = np.array([_rms(w - b) / _rms(b) for w, b in steps])
        checks.append(found)
        finite = finite and trainer.run(order, case.learning_rate, at + 1, at + STEPS).finite
    measured = {name: np.array([check[name] for check in checks]) for name in checks[0]}
    return Record(
        **measured, baseline=baseline("cross_entropy", y), classes=net.sizes[-1], activation=case.activation,
        initial_variances=variances,
    )  # fmt: skip


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


def run_benchmark(
    grid: Iterable[Case], progress: Callable[[int, int, str], None] = lambda *_: None
) -> Iterator[Outcome]:
    """The outcome of every case; first all are run, since a label needs the run's twin and the best of its kind."""
    grid = list(grid)
    twins = {case: Case(case.data, "relu", "he_normal", *_rest(case)) for case in grid}
    todo = list(dict.fromkeys([*grid, *twins.values()]))
    ends, alarms = {}, {}
    for done, case in enumerate(todo):
        progress(done, len(todo), f"{case.data}, {case.activation} + {case.init}, depth {case.depth}")
        record = run(case)
        ends[case] = float(record.accuracy[-3:].mean()) if np.isfinite(record.loss[-1]) else 0.0
        alarms[case] = {name: tuple(first_alarm(rule, record) for rule in rules) for name, rules in DETECTORS.items()}
    best = {}
    for case, accuracy in ends.items():
        key = case.data, case.depth
        best[key] = max(best.get(key, 0.0), accuracy)
    for case in grid:
        lost = theory.predict_network(network(case), _rows(case.data)[0]).decades_lost
        accuracy, twin = ends[case], ends[twins[case]]
        vanishing = lost >= DECADES and accuracy <= twin - SHORT
        faulty = accuracy <= best[case.data, case.depth] - SHORT
        yield Outcome(case, float(lost), accuracy, twin, vanishing, faulty, alarms[case])  # type: ignore[arg-type]


def _rest(case):
    return case.depth, case.optimizer, case.learning_rate, case.seed


@dataclass(frozen=True)
class Score:
    """How a detector did: the four counts, recall and precision (NaN of nothing), and the mean delay in steps."""

    detector: str
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    recall: float
    precision: float
    delay: float


def score(detector: str, question: str, outcomes: Iterable[Outcome]) -> Score:
    """One detector on one question over these runs."""
    index = QUESTIONS.index(question)
    pairs = [((o.vanishing, o.faulty)[index], o.alarms[detector][index]) for o in outcomes]
    hits = [alarm for fault, alarm in pairs if fault and alarm is not None]
    false = sum(not fault and alarm is not None for fault, alarm in pairs)
    missed = sum(fault and alarm is None for fault, alarm in pairs)
    return Score(
        detector, len(hits), false, missed, len(pairs) - len(hits) - false - missed,
        len(hits) / (len(hits) + missed) if hits or missed else float("nan"),
        len(hits) / (len(hits) + false) if hits or false else float("nan"),
        STEPS * float(np.mean(hits)) if hits else float("nan"),
    )  # fmt: skip


COLUMNS = ("detector", "found", "false alarms", "missed", "quiet", "recall", "precision", "delay")
NOTE = (
    "Found and missed: of the runs that have the fault; false alarms and quiet: of those that have not. Delay: steps "
    "until the alarm, mean over the faults found; checks are 40 steps apart, the first before the first step. ! marks "
    "where another detector does better than ours. Vanishing: theory predicts two decades or more, and the run ends "
    "0.2 of accuracy short of its twin with ReLU and He weights. Any fault: it ends that short of the best of its kind."
)


def tables(outcomes: list[Outcome]) -> list[Table]:
    """A confusion table for each question, on the held-out runs and on the others."""
    found = []
    for question in QUESTIONS:
        for held_out in (True, False):
            runs = [outcome for outcome in outcomes if outcome.held_out == held_out]
            scores = [score(name, question, runs) for name in DETECTORS]
            part = f"held out ({', '.join(HELD_OUT)})" if held_out else "the others, on which ours was set"
            rows = [_row(s, scores[0]) for s in scores]
            found.append(Table(f"{question}: {len(runs)} runs, {part}", COLUMNS, {"": rows}))
    return found


def _row(score, ours):
    counts = (score.true_positive, score.false_positive, score.false_negative, score.true_negative)
    better = (score.recall > ours.recall, score.precision > ours.precision)
    shares = (f"{value:.2f}" if value == value else "none" for value in (score.recall, score.precision))
    marked = (text + (" !" if mark else "") for text, mark in zip(shares, better, strict=True))
    return (score.detector, *map(str, counts), *marked, "none" if score.delay != score.delay else f"{score.delay:.0f}")


def verdicts(outcomes: list[Outcome]) -> list[str]:
    """Where ours is beaten on the held-out runs, by whom, and what our false alarms are."""
    runs = [outcome for outcome in outcomes if outcome.held_out]
    lines = []
    for question in QUESTIONS:
        ours, *others = (score(name, question, runs) for name in DETECTORS)
        beaten = [
            f"{other.detector} ({measure} {getattr(other, measure):.2f} against {getattr(ours, measure):.2f})"
            for other in others
            for measure in ("recall", "precision")
            if getattr(other, measure) > getattr(ours, measure)
        ]
        found = f"beaten by {'; '.join(beaten)}" if beaten else "beaten by none in recall or precision"
        lines.append(f"{question}, held out: ours is {found}.")
    false = [outcome for outcome in runs if outcome.alarms["fastgrad"][0] is not None and not outcome.vanishing]
    theirs = sum(outcome.decades >= DECADES and outcome.accuracy > outcome.twin_accuracy - SHORT for outcome in false)
    lines.append(
        f"Of our {len(false)} false alarms of vanishing, {theirs} are in networks that vanish by theory too, but end "
        "no worse than their twins."
    )
    return lines


def to_rows(outcomes: list[Outcome]) -> list[dict]:
    """Plain data for JSON: every run with its label and alarms."""
    return [asdict(outcome) for outcome in outcomes]
