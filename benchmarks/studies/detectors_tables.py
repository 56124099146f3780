"""How well each detector did on the runs of :mod:`benchmarks.studies.detectors_runs`: scores, intervals, tables."""

# Design: - Runs of one architecture (data, activation, initialisation, depth) resemble each other, so that there is
#           less in them than in as many independent ones. Intervals are Clopper and Pearson's for the effective number
#           of runs, as Korn & Graubard 1998 have it ("Confidence intervals for proportions with small expected number
#           of positive counts estimated from survey data", Survey Methodology 24), architectures being the clusters.

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.studies.detectors_rules import DETECTORS
from benchmarks.studies.detectors_runs import HELD_OUT, QUESTIONS, SHORT, STEPS, TUNING, Outcome
from fastgrad.report.tables import Table

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Score:
    """How a detector did: the four counts, recall and precision with their intervals, and the mean delay in steps.

    NaN where there is nothing to take the share or the mean of.
    """

    detector: str
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    recall: float
    recall_interval: tuple[float, float]
    precision: float
    precision_interval: tuple[float, float]
    delay: float


def score(detector: str, question: str, outcomes: Iterable[Outcome]) -> Score:
    """One detector on one question over these runs."""
    index = QUESTIONS.index(question)
    runs = [(o.case.architecture, (o.vanishing, o.faulty)[index], o.alarms[detector][index]) for o in outcomes]
    raised = [(architecture, fault) for architecture, fault, step in runs if step is not None]
    faults = [(architecture, step is not None) for architecture, fault, step in runs if fault]
    hits = [step for _, fault, step in runs if fault and step is not None]
    false, missed = len(raised) - len(hits), len(faults) - len(hits)
    return Score(
        detector, len(hits), false, missed, len(runs) - len(hits) - false - missed,
        len(hits) / len(faults) if faults else math.nan, interval(faults),
        len(hits) / len(raised) if raised else math.nan, interval(raised),
        float(np.mean(hits)) if hits else math.nan,
    )  # fmt: skip


def interval(found: Iterable[tuple[object, bool]]) -> tuple[float, float]:
    """Two-sided ``CONFIDENCE`` interval of the share of True among pairs of (cluster, True or False).

    Clopper and Pearson's for the effective number of pairs (Korn & Graubard 1998): p (1 - p) over the variance that
    the clusters show, adjusted for their number, and at most the number of pairs; where p is 0 or 1 and shows no
    variance, the number of clusters. NaN of no pairs.
    """
    from scipy.stats import beta, t

    clusters = {}
    for cluster, hit in found:
        clusters.setdefault(cluster, []).append(hit)
    if not clusters:
        return math.nan, math.nan
    hits, sizes = (np.array([measure(hits) for hits in clusters.values()]) for measure in (sum, len))
    n, k, tail = sizes.sum(), len(sizes), (1 - CONFIDENCE) / 2
    p, effective = hits.sum() / n, float(k)
    if 0 < p < 1 and k > 1:
        variance = k / (k - 1) * np.sum((hits - p * sizes) ** 2) / n**2
        adjusted = (t.isf(tail, n - 1) / t.isf(tail, k - 1)) ** 2
        effective = float(min(n, p * (1 - p) / variance * adjusted)) if variance else float(n)
    right, wrong = p * effective, (1 - p) * effective
    low = beta.ppf(tail, right, wrong + 1) if right else 0.0
    high = beta.isf(tail, right + 1, wrong) if wrong else 1.0
    return float(low), float(high)


COLUMNS = ("detector", "found", "false", "missed", "quiet", "recall", "precision", "delay")
NOTE = (
    f"A run's twin is the same run with ReLU units and He weights. Any fault: a run ends at least {SHORT} of training "
    "accuracy below its twin at the twin's best learning rate. Vanishing: so does the same network at its own best "
    "rate, and with He's weights where its own are larger. No gradient and no loss is in these labels. Found and "
    "missed: of the runs that have the fault; false (alarms) and quiet: of those that have not. Behind recall and "
    f"precision: {CONFIDENCE:.0%} intervals, two-sided, for runs that resemble each other within an architecture. "
    f"Delay: steps until the alarm, mean over the faults found; checks are {STEPS} steps apart, the first before the "
    "first step. ! marks where another detector does better than ours. Loss only: the loss at step 100 is above 0.8 "
    "of that of constant outputs, which says that something is wrong and not what."
)


def tables(outcomes: list[Outcome]) -> list[Table]:
    """A confusion table for each question, on the held-out runs and on those that ours was set on."""
    found = []
    for question in QUESTIONS:
        for held_out, part in ((True, "held out"), (False, "those on which ours was set")):
            runs = [outcome for outcome in outcomes if outcome.case.held_out == held_out]
            scores = [score(name, question, runs) for name in DETECTORS]
            used = HELD_OUT if held_out else TUNING
            seeds = f"seeds {used.seeds[0]} to {used.seeds[-1]}"
            title = f"{question}: {len(runs)} runs, {part} ({', '.join(used.data)}; {seeds})"
            found.append(Table(title, COLUMNS, {"": [_row(s, scores[0]) for s in scores]}))
    return found


# What is in the table, and whether more of it is better.
MEASURES = {
    "true_positive": True,
    "false_positive": False,
    "false_negative": False,
    "true_negative": True,
    "recall": True,
    "precision": True,
    "delay": False,
}
SHARES = ("recall", "precision")


def _row(score, ours):
    return score.detector, *(
        _text(score, measure) + (" !" if _better(score, ours, measure) else "") for measure in MEASURES
    )


def _better(score, ours, measure):
    theirs, mine = getattr(score, measure), getattr(ours, measure)
    return theirs > mine if MEASURES[measure] else theirs < mine


def _text(score, measure):
    value = getattr(score, measure)
    if measure in SHARES:
        low, high = getattr(score, f"{measure}_interval")
        return "none" if math.isnan(value) else f"{value:.2f} ({low:.2f}-{high:.2f})"
    return "none" if math.isnan(value) else f"{value:.0f}"


def verdicts(outcomes: list[Outcome]) -> list[str]:
    """Where ours is beaten on the held-out runs, how it stands beside the loss alone, what its false alarms are."""
    runs = [outcome for outcome in outcomes if outcome.case.held_out]
    lines = []
    for question in QUESTIONS:
        scores = {name: score(name, question, runs) for name in DETECTORS}
        ours = scores.pop("fastgrad")
        beaten = [
            f"{name} ({measure} {getattr(other, measure):.2f} against {getattr(ours, measure):.2f})"
            for name, other in scores.items()
            for measure in SHARES
            if _better(other, ours, measure)
        ]
        found = f"beaten by {'; '.join(beaten)}" if beaten else "beaten by none in recall or precision"
        lines.append(f"{question}, held out: ours is {found}. {_beside_the_loss(ours, scores['loss only'])}")
    false = [outcome for outcome in runs if outcome.alarms["fastgrad"][0] is not None and not outcome.vanishing]
    lines.append(
        f"Of our {len(false)} false alarms of vanishing, {sum(outcome.faulty for outcome in false)} are in runs with "
        "another fault: at another learning rate, or with smaller weights, the network learns."
    )
    return lines


def _beside_the_loss(ours, loss):
    """In plain words, whether ours beats the rule that looks at the loss alone."""
    better, worse = ([m for m in SHARES if _better(a, b, m)] for a, b in ((ours, loss), (loss, ours)))
    if worse:
        but = f", though ours is better in {better[0]}" if better else ""
        return f"It does not beat the loss alone, which is better in {' and '.join(worse)}{but}."
    return f"It beats the loss alone in {' and '.join(better)}." if better else "It does as well as the loss alone."
