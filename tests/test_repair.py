"""The remedy loop: what is wrong is changed, one thing at a time, and what comes of it is what is reported."""

import math

import numpy as np
import pytest

import fastgrad
from fastgrad import datasets, repair, training_report
from fastgrad.diagnosis import changed, diagnose_network

X, Y = (array[:600] for array in datasets.load("digits"))
OPTIONS = {"epochs": 8, "test": 0.25}


def net(activation, init, depth=15):
    return fastgrad.MLP([64, *[32] * depth, 10], activation, init)


@pytest.fixture(scope="module")
def repaired():
    return repair.repair(net("sigmoid", "xavier_normal"), X, Y, **OPTIONS)


def test_a_vanishing_network_is_repaired(repaired):
    first, last = repaired.attempts[0], repaired.final
    assert first.verdict == "vanishing"
    assert first.history.test_accuracy <= 0.2
    assert last.verdict == "healthy"
    assert last.history.test_accuracy >= 0.7
    assert first.chi < 0.1 < last.chi
    assert repaired.cost.epochs is None
    assert repaired.cost.accuracy_lost >= 0.5


def test_the_change_is_the_cure_that_learned_best_and_keeps_its_promise(repaired):
    change = repaired.changes[0]
    assert change.what == min(change.trials, key=change.trials.get)
    assert {cure.change for cure in change.diagnosis.cures} == set(change.trials)
    assert len(change.trials) >= 3
    assert abs(repaired.attempts[1].decades_lost - change.predicted_decades) <= 0.5


def test_the_networks_given_are_not_changed(repaired):
    before = net("sigmoid", "xavier_normal")
    assert all(np.array_equal(a, b) for a, b in zip(before.weights, repaired.attempts[0].network.weights, strict=True))
    assert not np.array_equal(before.weights[-1], repaired.attempts[0].trained.weights[-1])


def test_a_healthy_network_is_left_alone():
    found = repair.repair(net("relu", "he_normal", depth=2), X, Y, **OPTIONS)
    assert len(found.attempts) == 1
    assert found.cost is None
    assert found.final.verdict == "healthy"


def test_a_learning_rate_that_is_too_high_is_lowered():
    found = repair.repair(net("relu", "he_normal", 3), X, Y, optimizer="sgd", learning_rate=100.0, **OPTIONS)
    assert found.changes[0].what == "learning rate 10"
    assert found.changes[0].diagnosis is None
    assert [attempt.rate for attempt in found.attempts][:2] == [100.0, 10.0]


def test_every_change_can_be_applied():
    network = net("sigmoid", "xavier_normal")
    diagnosis = diagnose_network(network, X, Y)
    assert diagnosis.remedy == diagnosis.cures[0]
    for cure in diagnosis.cures:
        other = changed(network, cure)
        lost = other.gradient_profile(X[:64], Y[:64]).decades_lost
        assert abs(lost - cure.decades_lost_after) <= 1.5, cure.change
    with pytest.raises(ValueError, match="is no change of"):
        changed(net("relu", "he_normal"), diagnosis.remedy.__class__("init", "nothing", 9.0, 0.0, 0.0, "healthy"))


def test_the_report_says_what_was_found_and_done(repaired):
    lines = training_report.verdicts(repaired)
    assert lines[0].startswith("vanishing; delta falls by")
    assert any(line.startswith(f"Changed to {repaired.changes[0].what} and trained again: ") for line in lines)
    assert "never" in lines[-1]
    tables = training_report.tables(repaired)
    assert [len(row) for table in tables for rows in table.groups.values() for row in rows] == [
        len(table.columns) for table in tables for rows in table.groups.values() for _ in rows
    ]
    assert tables[-1].groups[""][0][0] == "as it was"
    assert math.isclose(float(tables[-1].groups[""][0][2]), repaired.attempts[0].decades_lost, abs_tol=0.005)


def test_ctrl_c_keeps_the_first_training(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    before = repair.attempt(net("sigmoid", "xavier_normal"), X, Y, **OPTIONS)
    monkeypatch.setattr(repair, "diagnose_network", interrupted)
    found = repair.repair(before.network, X, Y, before=before, **OPTIONS)
    assert found.interrupted
    assert found.attempts == (before,)
