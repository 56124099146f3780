"""The detectors on records made by hand, on both sides of every limit, and the benchmark that judges them."""

from dataclasses import replace

import numpy as np
import pytest

from fastgrad import detectors
from fastgrad.bench import detection

CHECKS, LAYERS = 8, 4


def record(**changes):
    """A run in which nothing is wrong."""
    hidden = LAYERS - 1
    healthy = detectors.Record(
        loss=np.linspace(2.3, 0.1, CHECKS),
        accuracy=np.linspace(0.1, 0.98, CHECKS),
        baseline=2.3,
        classes=10,
        activation="relu",
        log10_delta=np.full((CHECKS, LAYERS), -3.0),
        gradient=np.full((CHECKS, LAYERS), 1e-3),
        zero_gradient=np.zeros((CHECKS, LAYERS)),
        update_ratio=np.full((CHECKS, LAYERS), 1e-3),
        dead=np.zeros((CHECKS, hidden)),
        closed=np.full((CHECKS, hidden), 0.5),
        large=np.zeros((CHECKS, hidden)),
        beyond_tanh=np.zeros((CHECKS, hidden)),
        activation_std=np.ones((CHECKS, hidden)),
        initial_variances=np.full(LAYERS, 0.01),
    )
    return replace(healthy, **changes)


STUCK = {"loss": np.full(CHECKS, 2.3), "accuracy": np.full(CHECKS, 0.1)}
DELTA = np.tile([-6.0, -5.0, -3.0, -2.0], (CHECKS, 1))  # three decades over the hidden layers


def gradients(first, last=1e-3):
    found = np.full((CHECKS, LAYERS), last)
    found[:, 0] = first
    return found


VANISHING, ANY = 0, 1


@pytest.mark.parametrize(
    ("name", "which", "run", "alarm"),
    [
        ("fastgrad", VANISHING, record(**STUCK, log10_delta=DELTA), 1),
        ("fastgrad", VANISHING, record(log10_delta=DELTA), 1),
        ("fastgrad", VANISHING, record(log10_delta=DELTA, loss=np.full(CHECKS, 1.0)), None),
        ("fastgrad", VANISHING, record(**STUCK, log10_delta=DELTA / 2), None),
        ("fastgrad", VANISHING, record(**STUCK, log10_delta=DELTA - 30), 1),
        ("fastgrad", VANISHING, record(**STUCK, log10_delta=np.tile([-np.inf, -np.inf, -3, -2], (CHECKS, 1))), 1),
        ("fastgrad", ANY, record(**STUCK), 5),
        ("fastgrad", ANY, record(loss=np.array([2.3, 2, np.nan, *[1] * 5])), 2),
        ("AUTOTRAINER", VANISHING, record(**STUCK, gradient=gradients(9e-7)), 0),
        ("AUTOTRAINER", VANISHING, record(gradient=gradients(9e-7)), 0),
        ("AUTOTRAINER", VANISHING, record(gradient=gradients(9e-7), accuracy=np.full(CHECKS, 0.7)), None),
        ("AUTOTRAINER", VANISHING, record(**STUCK, gradient=gradients(1.1e-6)), None),
        ("AUTOTRAINER", ANY, record(gradient=gradients(0.07)), 0),
        ("AUTOTRAINER", ANY, record(zero_gradient=np.full((CHECKS, LAYERS), 0.7)), 0),
        ("AUTOTRAINER", ANY, record(**STUCK), 4),
        ("DeepDiagnosis", VANISHING, record(gradient=gradients(0.9e-7)), 0),
        ("DeepDiagnosis", VANISHING, record(gradient=gradients(1.1e-7)), None),
        ("DeepDiagnosis", ANY, record(closed=np.full((CHECKS, 3), 0.7)), 0),
        ("DeepDiagnosis", ANY, record(update_ratio=np.full((CHECKS, LAYERS), 0.2)), 0),
        ("DeepDiagnosis", ANY, record(activation="tanh", large=np.full((CHECKS, 3), 0.6)), 0),
        ("TheDeepChecker", VANISHING, record(gradient=gradients(0.9e-6)), 0),
        ("TheDeepChecker", VANISHING, record(gradient=gradients(0.5 ** np.arange(CHECKS))), 5),
        ("TheDeepChecker", VANISHING, record(gradient=gradients(0.6 ** np.arange(CHECKS))), None),
        ("TheDeepChecker", ANY, record(loss=np.full(CHECKS, 3.0)), 0),
        ("TheDeepChecker", ANY, record(activation_std=np.full((CHECKS, 3), 0.4)), 0),
        ("SageMaker Debugger", VANISHING, record(gradient=gradients(0.9e-7)), 0),
        ("SageMaker Debugger", ANY, record(initial_variances=np.array([0.11, 0.01, 0.01, 0.01])), 0),
        ("SageMaker Debugger", ANY, record(dead=np.full((CHECKS, 3), 0.6)), 0),
    ],
)
def test_rules(name, which, run, alarm):
    assert detectors.first_alarm(detectors.DETECTORS[name][which], run) == alarm


@pytest.mark.parametrize("name", detectors.DETECTORS)
def test_nothing_is_raised_where_nothing_is_wrong(name):
    for rule in detectors.DETECTORS[name]:
        assert detectors.first_alarm(rule, record()) is None


def test_the_benchmark_is_large_balanced_and_names_what_is_held_out():
    grid = detection.cases()
    assert len(grid) == len(set(grid)) >= 300
    assert sum(case.data in detection.HELD_OUT for case in grid) * 3 == len(grid)


def outcome(vanishing, alarm, accuracy=0.1):
    case = detection.Case("digits", "relu", "he_normal", 2, "sgd", 0.1)
    alarms = dict.fromkeys(detectors.DETECTORS, (alarm, None))
    return detection.Outcome(case, 0.0, accuracy, 1.0, vanishing, vanishing, alarms)


def test_scores_count():
    runs = [outcome(True, 2), outcome(True, 4), outcome(True, None), outcome(False, 0), *[outcome(False, None)] * 6]
    found = detection.score("fastgrad", "vanishing", runs)
    assert (found.true_positive, found.false_positive, found.false_negative, found.true_negative) == (2, 1, 1, 6)
    assert found.recall == found.precision == pytest.approx(2 / 3)
    assert found.delay == 3 * detection.STEPS
    nothing = detection.score("fastgrad", "any fault", [outcome(False, None)])
    assert np.isnan(nothing.recall)
    assert np.isnan(nothing.precision)


def test_losing_cells_are_marked():
    runs = [outcome(True, 1), outcome(False, None)]
    runs[0].alarms["fastgrad"] = (None, None)
    table = detection.tables(runs)[0]
    assert table.groups[""][0][5] == "0.00"
    assert table.groups[""][1][5] == "1.00 !"
    assert "beaten by AUTOTRAINER (recall 1.00 against 0.00)" in detection.verdicts(runs)[0]


def test_labels_and_alarms_of_real_runs():
    pick = detection.Case
    vanishing = pick("wine", "sigmoid", "xavier_normal", 20, "adam", 0.001)
    healthy = pick("wine", "relu", "he_normal", 2, "adam", 0.001)
    too_slow = pick("wine", "relu", "he_normal", 20, "sgd", 1e-7)
    found = {o.case: o for o in detection.run_benchmark([vanishing, healthy, too_slow])}
    assert (found[vanishing].vanishing, found[vanishing].faulty) == (True, True)
    assert found[vanishing].decades >= 2
    assert (found[healthy].vanishing, found[healthy].faulty) == (False, False)
    assert (found[too_slow].vanishing, found[too_slow].faulty) == (False, True)
    assert found[vanishing].alarms["fastgrad"] == (1, 1)
    assert found[healthy].alarms["fastgrad"] == (None, None)
    assert found[too_slow].alarms["fastgrad"][0] is None
    assert found[too_slow].alarms["fastgrad"][1] is not None
    again = {o.case: o for o in detection.run_benchmark([vanishing, healthy, too_slow])}
    assert again == found
