"""What vanishing gradients lead to: trained networks, how soon and how well they learned, and what cures them."""

# Design: - One optimiser and one learning rate for all: what differs between two networks is their activation, their
#           initialisation, or both. A network that would learn with another rate is still said to stall at this one.
#         - The rank correlation is over kinds of network, not over trainings: seeds of one kind are no evidence of
#           their own.
#         - A network is good once it has ``TARGET`` of the best kind's final accuracy, on rows that are held out.

import math
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from fastgrad._notebook import Drawn
from fastgrad._validation import listed, needed, plain
from fastgrad.activations import Activation, activation
from fastgrad.initializers import Initializer, initializer
from fastgrad.measurement import mean_interval
from fastgrad.sweeps.trainings import Case, Training

TARGET = 0.9


@dataclass(frozen=True)
class Kind:
    """One kind of network over its seeds. Intervals are 95 %, Student's t, infinite with one seed.

    Attributes
    ----------
    activation : Activation
    init : Initializer
    seeds : tuple of int
    decades_lost, decades_lost_low, decades_lost_high : float
        Of delta, last hidden layer to the first, before the first step: mean over seeds and its interval.
    test_accuracy, test_accuracy_low, test_accuracy_high : float
        After the last epoch, on rows that were held out. An interval may reach beyond 0 or 1.
    accuracy_by_epoch : tuple of float
        The test accuracy after each epoch, mean over seeds; one that diverged stays as it was before.
    train_accuracy, loss : float
        Of the last epoch, means over seeds.
    epochs_to_target, seconds_to_target : float
        Until the test accuracy is at the target; median over seeds, inf where most never are.
    seconds : float
        Of the whole training, mean over seeds.
    reached, stalled : int
        Seeds that reached the target, and seeds whose loss stands still far from its minimum
        (``TrainingHistory.trend``).
    verdict : str
        The commonest before the first step.
    """

    activation: Activation
    init: Initializer
    seeds: tuple[int, ...]
    decades_lost: float
    decades_lost_low: float
    decades_lost_high: float
    test_accuracy: float
    test_accuracy_low: float
    test_accuracy_high: float
    accuracy_by_epoch: tuple[float, ...]
    train_accuracy: float
    loss: float
    epochs_to_target: float
    seconds_to_target: float
    seconds: float
    reached: int
    stalled: int
    verdict: str

    @property
    def label(self) -> str:
        """Activation and initialiser: ``tanh + xavier_normal``."""
        return f"{self.activation.label} + {self.init.label}"

    @property
    def test_accuracy_reach(self) -> float:
        """Half the 95 % interval of ``test_accuracy``; infinite with one seed."""
        return (self.test_accuracy_high - self.test_accuracy_low) / 2

    def to_dict(self) -> dict:
        """The kind as JSON holds it; activation and initialiser are their labels."""
        labels = {"activation": self.activation.label, "init": self.init.label}
        return plain({field.name: getattr(self, field.name) for field in fields(self)} | labels)


@dataclass(frozen=True)
class Remedy:
    """One change, and what it does to the networks that are not healthy: means over these kinds.

    ``cured`` of the ``tried`` are healthy before the first step once ``change`` is made.
    """

    change: str
    tried: int
    cured: int
    decades_lost_before: float
    decades_lost_after: float
    test_accuracy_before: float
    test_accuracy_after: float


@dataclass(frozen=True, eq=False, repr=False)
class Consequences(Drawn):
    """Trainings of several kinds of network, and what follows from them.

    Attributes
    ----------
    trainings : tuple of Training
        In the order of the cases.
    kinds : tuple of Kind
    target : float
        The test accuracy at which a network counts as good.
    rank_correlation, p_value : float
        Spearman's, between the kinds' decades lost and their test accuracies; NaN with fewer than three kinds.
    """

    trainings: tuple[Training, ...]
    kinds: tuple[Kind, ...]
    target: float
    rank_correlation: float
    p_value: float

    def __repr__(self) -> str:
        found = f"{len(self.trainings)} trainings of {len(self.kinds)} kinds of network"
        return f"<Consequences of {found}: rank correlation {self.rank_correlation:.2f} (p = {self.p_value:.2g})>"

    @property
    def frame(self):
        """A pandas DataFrame of the kinds, a row each (needs pandas)."""
        return needed("pandas").DataFrame.from_records([kind.to_dict() for kind in self.kinds])

    def plot(self, **options):
        """Test accuracy after training against decades lost before it (needs matplotlib)."""
        from fastgrad.report import curves

        return curves.consequences_figure(self, **options)

    def report(self, folder: str | os.PathLike) -> Path:
        """Write a page, and its CSV and JSON, into a folder; return the page's path."""
        from fastgrad.report import consequences_page

        return consequences_page.write_folder(self, folder)

    @property
    def case(self) -> Case:
        """The first training's: what all of them have in common."""
        return self.trainings[0].case

    def of(self, kind: Kind) -> list[Training]:
        """The trainings of a kind."""
        return [one for one in self.trainings if (one.case.activation, one.case.init) == (kind.activation, kind.init)]

    @property
    def worst(self) -> Kind:
        """Of those that reach the least accuracy, in whole percent, the one that loses most decades."""
        return min(self.kinds, key=lambda kind: (round(kind.test_accuracy, 2), -kind.decades_lost))

    @property
    def best(self) -> Kind:
        """The one with the highest test accuracy; a healthy one, if there is one."""
        return max(self.kinds, key=lambda kind: (kind.verdict == "healthy", kind.test_accuracy))

    @property
    def example(self) -> Kind:
        """A healthy kind to look at: the most accurate of those whose first training has no fault, if there are any."""

        def order(kind):
            cause = self.of(kind)[0].history.trend.cause
            return kind.verdict == "healthy", cause in (None, "converged"), kind.test_accuracy

        return max(self.kinds, key=order)

    @cached_property
    def remedies(self) -> tuple[Remedy, ...]:
        """Each initialisation and each activation among the kinds, as a change to those that are not healthy."""
        found = {(kind.activation, kind.init): kind for kind in self.kinds}
        made = []
        for rule in dict.fromkeys(kind.init for kind in self.kinds):
            pairs = [(kind, found.get((kind.activation, rule))) for kind in self.kinds if kind.init != rule]
            made.append(_remedy(rule.label, pairs))
        for phi in dict.fromkeys(kind.activation for kind in self.kinds):
            pairs = [(kind, found.get((phi, kind.init))) for kind in self.kinds if kind.activation != phi]
            made.append(_remedy(phi.name if phi == activation(phi.name) else phi.label, pairs))
        return tuple(remedy for remedy in made if remedy is not None)

    @property
    def repaired_by_init(self) -> tuple[Kind, Kind] | None:
        """(before, after): of the initialisations that make a network healthy, the one that gains most accuracy."""
        return self._repaired("activation")

    @property
    def repaired_by_activation(self) -> tuple[Kind, Kind] | None:
        """(before, after): of the activations that make a network healthy, the one that gains most accuracy."""
        return self._repaired("init")

    def _repaired(self, same):
        pairs = [
            (kind, other) for kind in self.kinds for other in self.kinds
            if kind.verdict != "healthy" == other.verdict and getattr(kind, same) == getattr(other, same)
        ]  # fmt: skip
        return max(pairs, key=lambda pair: pair[1].test_accuracy - pair[0].test_accuracy, default=None)

    @property
    def shown(self) -> tuple[Training, ...]:
        """The trainings to look at while they learn: the worst kind, a healthy one, and two repairs."""
        pairs = (self.repaired_by_init or ()) + (self.repaired_by_activation or ())
        return tuple(self.of(kind)[0] for kind in dict.fromkeys((self.worst, self.example, *pairs)))

    def to_dict(self) -> dict:
        """What follows from the trainings, as JSON holds it; the curves are those of the held-out rows."""
        curves = [
            {"network": one.case.label, "seed": one.case.seed, "decades_lost": one.decades_lost,
             "test_accuracy": one.history.epoch_test_accuracy, "loss": one.history.loss}
            for one in self.trainings
        ]  # fmt: skip
        kept = "step", "log10_delta", "log10_update_ratio"
        readings = [
            {"network": one.case.label, "seed": one.case.seed} | {name: reading.to_dict()[name] for name in kept}
            for one in self.shown for reading in one.history.readings
        ]  # fmt: skip
        common = {name: value for name, value in self.case.to_dict().items() if name not in VARIED}
        return plain(
            {
                "training": common,
                "target": self.target,
                "rank_correlation": self.rank_correlation,
                "p_value": self.p_value,
                "kinds": [kind.to_dict() for kind in self.kinds],
                "remedies": [dict(vars(remedy)) for remedy in self.remedies],
                "curves": curves,
                "readings": readings,
            }
        )


VARIED = ("activation", "init", "seed")


def cases(
    activations: Iterable[str | Activation], inits: Iterable[str | Initializer], seeds: int = 3, **common
) -> list[Case]:
    """Every activation with every initialiser and seeds 0, 1, ..., each once; ``common`` are fields of Case."""
    phis = map(activation, listed("activations", activations))
    rules = list(map(initializer, listed("inits", inits)))
    return list(
        dict.fromkeys(Case(phi, rule, seed, **common) for phi in phis for rule in rules for seed in range(seeds))
    )


def consequences(trainings: Sequence[Training]) -> Consequences:
    """What follows from trainings that differ in activation, initialiser and seed alone.

    ValueError if there are none, or they differ in something else.
    """
    common = [tuple(v for name, v in vars(training.case).items() if name not in VARIED) for training in trainings]
    if len(set(common)) > 1:
        raise ValueError("trainings must differ in activation, initialiser and seed alone")
    groups: dict[tuple, list[Training]] = {}
    for training in trainings:
        groups.setdefault((training.case.activation, training.case.init), []).append(training)
    if not groups:
        raise ValueError("trainings must hold at least one, got none")
    target = TARGET * max(float(np.mean([one.test_accuracy for one in group])) for group in groups.values())
    kinds = tuple(_kind(group, target) for group in groups.values())
    correlation, p_value = _spearman([kind.decades_lost for kind in kinds], [kind.test_accuracy for kind in kinds])
    return Consequences(tuple(trainings), kinds, target, correlation, p_value)


def _kind(group, target):
    case = group[0].case
    histories = [one.history for one in group]
    epochs = [history.epochs_to(target, "epoch_test_accuracy") for history in histories]
    seconds = [history.seconds_to(target, "epoch_test_accuracy") for history in histories]
    lost, lost_low, lost_high = _interval([one.decades_lost for one in group])
    accuracy, low, high = _interval([one.test_accuracy for one in group])
    trends = [history.trend for history in histories]
    return Kind(
        activation=case.activation,
        init=case.init,
        seeds=tuple(one.case.seed for one in group),
        decades_lost=lost,
        decades_lost_low=lost_low,
        decades_lost_high=lost_high,
        test_accuracy=accuracy,
        test_accuracy_low=low,
        test_accuracy_high=high,
        accuracy_by_epoch=tuple(np.mean([_filled(one, case.epochs) for one in group], axis=0).tolist()),
        train_accuracy=statistics.fmean(_last(history.accuracy) for history in histories),
        loss=statistics.fmean(_last(history.loss) for history in histories),
        epochs_to_target=_median(epochs),
        seconds_to_target=_median(seconds),
        seconds=statistics.fmean(sum(history.seconds) for history in histories),
        reached=sum(epoch is not None for epoch in epochs),
        stalled=sum(trend.standing and trend.cause != "converged" for trend in trends),
        verdict=Counter(history.readings[0].verdict for history in histories).most_common(1)[0][0],
    )


def _remedy(change, pairs):
    """None where no network that is not healthy can be changed so."""
    ill = [(kind, other) for kind, other in pairs if other is not None and kind.verdict != "healthy"]
    if not ill:
        return None
    before, after = zip(*ill, strict=True)
    return Remedy(
        change=change,
        tried=len(ill),
        cured=sum(kind.verdict == "healthy" for kind in after),
        decades_lost_before=statistics.fmean(kind.decades_lost for kind in before),
        decades_lost_after=statistics.fmean(kind.decades_lost for kind in after),
        test_accuracy_before=statistics.fmean(kind.test_accuracy for kind in before),
        test_accuracy_after=statistics.fmean(kind.test_accuracy for kind in after),
    )


def _filled(training, epochs):
    """The test accuracy after each of so many epochs: after those that were done, the last one."""
    done = training.history.epoch_test_accuracy
    return [*done, *[training.test_accuracy] * (epochs - len(done))]


def _interval(values):
    mean, low, high = (float(value) for value in mean_interval(np.array(values)))
    return mean, low, high


def _median(values):
    return float(statistics.median_high([math.inf if value is None else value for value in values]))


def _last(values):
    return values[-1] if values else math.nan


def _spearman(lost, accuracy):
    if len(lost) < 3:
        return math.nan, math.nan
    from scipy.stats import spearmanr  # a second to load

    if len(set(lost)) == 1 or len(set(accuracy)) == 1:  # ranks that are all alike correlate with nothing
        return math.nan, math.nan
    found = spearmanr(lost, accuracy, nan_policy="omit")
    return float(found.statistic), float(found.pvalue)
