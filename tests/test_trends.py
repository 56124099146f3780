"""Trends of losses: what a person would call falling, slow or a plateau, through noise and spikes; and the cause."""

import math

import numpy as np
import pytest

from fastgrad.diagnosis import judge
from fastgrad.learning import trends
from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.reading import Reading

EPOCHS = np.arange(40)
FLAT = np.full(40, 2.3)


def noisy(losses, scatter, seed=0):
    return losses * np.exp(scatter * np.random.default_rng(seed).standard_normal(len(losses)))


FALLING = 2.0 * 0.95**EPOCHS
SPIKE = FALLING.copy()
SPIKE[32] *= 20
AFTER_SPIKE = np.concatenate(
    [FALLING[:30], 10 * FALLING[0] * 0.95 ** np.arange(10)]
)  # down steadily, never below before


@pytest.mark.parametrize(
    ("name", "losses", "kind"),
    [
        ("a steady decrease", FALLING, "falling"),
        ("with noise", noisy(FALLING, 0.02), "falling"),
        ("with a spike", SPIKE, "falling"),
        ("after a spike that set it back", AFTER_SPIKE, "falling"),
        ("at any scale", 1e-9 * FALLING, "falling"),
        ("a constant", np.full(40, 2.3), "plateau"),
        ("a noisy constant", noisy(np.full(40, 2.3), 0.01), "plateau"),
        ("a plateau with a spike", np.where(EPOCHS == 35, 40.0, 2.3), "plateau"),
        ("significant but nothing", 2.3 - 1e-6 * EPOCHS, "plateau"),
        ("a slow decrease", 2.3 * 0.995**EPOCHS, "slow"),
        ("a rise", 2.3 * 1.05**EPOCHS, "rising"),
        ("exactly 0", np.zeros(40), "plateau"),
        ("five epochs that fall", FALLING[:5], "too short"),
        ("five epochs that stand", FLAT[:5], "too short"),
        ("six epochs that fall", FALLING[:6], "falling"),
        ("a fall with one step up", [1.6, 0.6, 0.3, 0.32, 0.15, 0.1], "unclear"),
        ("more noise than fall", noisy(2.3 * 0.98**EPOCHS, 0.5), "unclear"),
    ],
)
def test_kinds(name, losses, kind):
    assert trends.trend(losses).kind == kind, name


def test_rules_that_compare_with_the_best_loss_call_a_decrease_after_a_spike_a_plateau():
    """The saboteur: what ReduceLROnPlateau and its likes do with the series that ours reads rightly."""

    def no_better_for(losses, patience):
        return len(losses) - 1 - int(np.argmin(losses)) >= patience

    assert no_better_for(AFTER_SPIKE, 10)
    assert trends.trend(AFTER_SPIKE).kind == "falling"


def test_false_plateaus_and_missed_ones_are_rare_in_noise():
    seeds = range(200)
    wrong = sum(trends.trend(noisy(FALLING, 0.03, seed)).kind != "falling" for seed in seeds)
    missed = sum(trends.trend(noisy(np.full(40, 2.3), 0.03, seed)).kind == "falling" for seed in seeds)
    assert wrong <= 4
    assert missed <= 4


@pytest.mark.parametrize("epochs", range(2, 12))
def test_too_short_is_where_scipys_test_cannot_be_significant(epochs):
    from scipy.stats import kendalltau

    least = kendalltau(np.arange(epochs), -np.arange(epochs)).pvalue
    kind = trends.trend(2.0 * 0.5 ** np.arange(epochs)).kind
    assert kind == ("too short" if least >= trends.SIGNIFICANCE else "falling")


def test_a_fall_through_noise_is_never_called_a_standstill():
    """By a tenth an epoch through 15 % of scatter, over as few epochs as can be: shown or unclear, nothing else."""
    kinds = [trends.trend(noisy(2.0 * 0.9 ** np.arange(8), 0.15, seed)).kind for seed in range(300)]
    assert set(kinds) == {"falling", "unclear"}
    assert 60 <= kinds.count("falling") <= 240


@pytest.mark.parametrize("scatter", [0.02, 0.1, 0.5])
def test_the_noise_is_that_of_independent_errors_on_any_smooth_curve(scatter):
    for curve in (FLAT, FALLING, 2.0 / (1 + EPOCHS)):
        found = np.median([trends.trend(noisy(curve, scatter, seed), window=40).noise for seed in range(200)])
        assert 0.9 <= found / scatter <= 1.15
    assert trends.trend(FLATTENS).noise < trends.NOISY


def test_the_slope_is_theil_and_sens():
    from scipy.stats import theilslopes

    losses = noisy(FALLING, 0.1)
    assert abs(trends.trend(losses, window=20).slope / theilslopes(np.log(losses[-20:])).slope - 1) <= 1e-12


def reading(lost=0.0, dead=0.0, ratio=-3.0, step=0):
    """A reading of four hidden layers whose delta falls by so many decades."""
    log10_delta = np.append(np.linspace(-3 - lost, -3, 4), -2.0)
    closed = np.full(4, dead)
    return Reading(
        step, log10_delta, log10_delta, log10_update_ratio=np.full(5, ratio), saturated_fraction=np.zeros(4),
        dead_fraction=closed, diagnosis=judge(log10_delta, np.zeros(4), closed),
    )  # fmt: skip


def history(losses, accuracy=0.1, stopped="epochs", **options):
    return TrainingHistory(
        10, math.log(10), list(losses), [accuracy] * len(losses),
        stopped=stopped, reason="why", readings=[reading(**options)],
    )  # fmt: skip


# Steeply, then hardly: no noise at all, but far from any straight line.
FLATTENS = 2.3 * np.exp(-np.append([0.0, 1.5, 2.5, 3.0], 3.2 + 1e-3 * np.arange(6)))

# At a standstill just above the loss from which a network has converged, but for the last epoch.
NEARLY = np.append(np.full(39, 1 + 1e-4), 1 - 1e-4) * trends.CONVERGED_LOSS * math.log(10)


@pytest.mark.parametrize(
    ("run", "cause"),
    [
        (history(NEARLY), "converged"),
        (history(NEARLY[:-1]), "unknown"),
        (history(FALLING), None),
        (history(FALLING, lost=9), None),
        (history(FLAT, lost=9), "vanishing"),
        (history(FLAT, lost=-9), "exploding"),
        (history(FLAT, dead=1.0), "dead"),
        (history(FLAT, accuracy=1.0), "converged"),
        (history(FLAT * 0.01), "converged"),
        (history(FLAT, ratio=-7), "learning rate too low"),
        (history(FLAT, ratio=-0.5), "learning rate too high"),
        (history(noisy(FLAT, 0.5)), "learning rate too high"),
        (history(FLAT[:5], ratio=-0.5), None),
        (history(FLAT[:5], ratio=-7), None),
        (history(noisy(FALLING[:5], 0.5)), None),
        (history([1.6, 0.6, 0.3, 0.32, 0.15, 0.1]), None),
        (history(FALLING, ratio=-0.5), None),
        (history(FLAT), "unknown"),
        (history([], stopped="diverged"), "learning rate too high"),
        (history([], stopped="diverged", lost=-9), "exploding"),
    ],
)
def test_causes(run, cause):
    assert run.trend.cause == cause
    assert bool(run.trend.evidence) == (cause is not None)


def test_one_large_step_is_no_cause():
    """The update ratio is that of the epochs the trend is over, not of the one reading that came last."""
    run = history(FLAT)
    run.readings = [reading(step=40 * n, ratio=-3.0) for n in range(10)] + [reading(step=399, ratio=-0.5)]
    assert run.trend.cause == "unknown"
    run.readings[5:] = [reading(step=320 + n, ratio=-0.5) for n in range(5)]
    assert run.trend.cause == "learning rate too high"
