"""What follows from a record of training: time to a target, gap, cost of vanishing; and it survives JSON."""

import json
import math

import pytest

import fastgrad
from fastgrad import datasets
from fastgrad._validation import plain
from fastgrad.learning.history import TrainingHistory, cost_of_vanishing


def history(accuracy, **options):
    return TrainingHistory(
        10, math.log(10), [1 - a for a in accuracy], list(accuracy), seconds=[0.5] * len(accuracy), **options
    )


GOOD, BAD = history([0.5, 0.8, 0.95, 1.0], test_accuracy=0.9), history([0.1, 0.1, 0.2, 0.5], test_accuracy=0.4)


def test_epochs_and_seconds_to_a_target():
    assert GOOD.epochs_to(0.8) == 2
    assert GOOD.epochs_to(0.9) == 3
    assert GOOD.seconds_to(0.9) == 1.5
    assert GOOD.epochs_to(0.2, "loss") == 2
    assert BAD.epochs_to(0.6) is None
    assert BAD.seconds_to(0.6) is None
    assert GOOD.epochs == 4


def test_gap():
    assert GOOD.generalisation_gap == pytest.approx(0.1)
    assert history([0.9], validation_accuracy=[0.7]).generalisation_gap == pytest.approx(0.2)
    assert history([0.9]).generalisation_gap is None
    assert history([]).generalisation_gap is None


def test_cost_of_vanishing():
    cost = cost_of_vanishing(BAD, GOOD)
    assert (cost.target, cost.epochs, cost.twin_epochs) == (0.9, None, 3)
    assert cost.epochs_lost == math.inf
    assert cost.accuracy_lost == pytest.approx(0.5)
    cost = cost_of_vanishing(BAD, GOOD, target=0.5)
    assert (cost.epochs, cost.twin_epochs, cost.epochs_lost, cost.seconds_lost) == (4, 1, 3, 1.5)
    assert math.isnan(cost_of_vanishing(GOOD, BAD, target=2.0).epochs_lost)


def test_without_labels_the_cost_goes_by_the_loss():
    """Nine tenths of the way from the baseline, 2, to the twin's best, .2."""
    bad, twin = (
        TrainingHistory(10, 2.0, losses, seconds=[0.5] * 4) for losses in ([2.0, 1.9, 1.5, 0.3], [1.0, 0.6, 0.3, 0.2])
    )
    cost = cost_of_vanishing(bad, twin)
    assert cost.target == pytest.approx(0.38)
    assert (cost.epochs, cost.twin_epochs, cost.epochs_lost, cost.seconds_lost) == (4, 3, 1, 0.5)
    assert cost.accuracy_lost is None


def test_a_real_run_survives_json():
    X, y = (array[:200] for array in datasets.load("digits"))
    net = fastgrad.MLP([64, 8, 8, 10], "sigmoid", "xavier_normal")
    run = fastgrad.fit(net, X, y, epochs=3, validation=0.2, monitor=fastgrad.GradientMonitor(every=5))
    again = TrainingHistory.from_dict(json.loads(json.dumps(plain(run.to_dict()), allow_nan=False)))
    assert again.to_dict() == run.to_dict()
    assert again.readings[1].verdict == run.readings[1].verdict
    assert len(run.readings) == 3


def test_the_lists_of_a_history_as_a_frame():
    history = fastgrad.fit(fastgrad.MLP([64, 8, 10], seed=0), *datasets.load("digits"), epochs=3, test=0.2)
    frame = history.frame
    assert list(frame.index) == [1, 2, 3]
    assert frame["loss"].tolist() == history.loss
    assert frame["epoch_test_accuracy"].tolist() == history.epoch_test_accuracy
    assert "validation_loss" not in frame
