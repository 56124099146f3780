"""The remedy loop: what is wrong is changed, one thing at a time, and what comes of it is what is reported."""

import math

import numpy as np
import pytest

import fastgrad
from fastgrad import datasets
from fastgrad.diagnosis import changed, diagnose_network
from fastgrad.learning import repair
from fastgrad.report import training as training_report

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


@pytest.fixture(scope="module")
def made_worse():
    """All is learned in the first epoch, after which nothing moves: that reads as a learning rate that is too low,

    but ten times as much is far too much for the one epoch that counts.
    """
    options = {"epochs": 12, "test": 0.25, "learning_rate": 0.01, "schedule": lambda epoch: 1.0 if epoch < 1 else 1e-6}
    return repair.repair(net("relu", "he_normal", 3), X, Y, **options)


def test_a_change_for_the_worse_is_rejected_and_said(made_worse):
    first, *others = made_worse.attempts
    assert first.verdict == "learning rate too low"
    assert made_worse.changes[0].what == "learning rate 0.1"
    assert all(first.history.loss[-1] < 0.8 * other.history.loss[-1] for other in others)
    assert made_worse.final is first
    assert made_worse.rejected == made_worse.changes
    assert made_worse.cost is None  # there is no better twin
    lines = training_report.verdicts(made_worse)
    assert lines[-1].startswith("Rejected for a worse training loss: learning rate 0.1 (ends at ")
    assert lines[-1].endswith(f"remains ({first.history.loss[-1]:.4f}): learning rate too low.")
    epochs, _, before_and_after = training_report.tables(made_worse)
    assert float(epochs.groups[""][-1][1]) == round(first.history.loss[-1], 4)  # the best network's epochs
    verdicts = [row[-1] for row in before_and_after.groups[""]]
    assert verdicts[0] == first.verdict
    assert all(verdict.endswith("; rejected") for verdict in verdicts[1:])


def record(*losses, validation=(), test=()):
    """A Repair whose attempts ended with these losses on training, validation and test rows."""
    network, attempts = net("relu", "he_normal", 2), []
    for index, loss in enumerate(losses):
        held_out = [3.0, validation[index]] if validation else []
        history = fastgrad.TrainingHistory(10, 2.3, [3.0, loss], validation_loss=held_out)
        history.test_loss = test[index] if test else None
        attempts.append(repair.Attempt(network, network, 0.1, history, 1.0, 0.0))
    return repair.Repair(tuple(attempts), tuple(repair.Change(f"change {n}") for n in range(1, len(losses))))


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (record(1.0, 2.0), 0),
        (record(1.0, 0.5), 1),
        (record(1.0, 1.0), 0),  # no better: nothing speaks for the change
        (record(1.0, 3.0, 0.5), 2),  # worse on the way
        (record(1.0, 0.5, 0.7, 0.6), 1),
        (record(1.0, math.nan), 0),
        (record(math.nan, 1.0), 1),
        (record(1.0, 0.5, validation=(0.8, 0.9)), 0),  # what nobody trained on decides where there is any
        (record(1.0, 1.5, validation=(0.8, 0.7)), 1),
        (record(1.0, 0.5, test=(0.1, 9.0)), 1),  # and test rows never do
    ],
)
def test_the_best_attempt_is_what_remains(found, kept):
    assert found.attempts.index(found.final) == kept
    assert found.rejected == found.changes[kept:]
    assert training_report.outcomes(found) == ["changed"] * kept + ["kept"] + ["rejected"] * len(found.rejected)


def test_with_early_stopping_the_epoch_that_was_gone_back_to_counts():
    history = fastgrad.TrainingHistory(10, 2.3, [2.0, 0.5, 0.9], validation_loss=[2.0, 0.6, 0.7], best_epoch=2)
    assert history.reached == 0.6
    assert fastgrad.TrainingHistory(10, 2.3).reached == math.inf


def interrupt(*_):
    raise KeyboardInterrupt


def test_ctrl_c_between_trainings_carries_the_finished_ones(monkeypatch):
    before = repair.attempt(net("sigmoid", "xavier_normal"), X, Y, **OPTIONS)
    monkeypatch.setattr(repair, "diagnose_network", interrupt)
    with pytest.raises(fastgrad.Interrupted) as caught:
        repair.repair(before.network, X, Y, before=before, **OPTIONS)
    assert caught.value.repair.attempts == (before,)
    assert caught.value.history is before.history


@pytest.mark.parametrize("training", ["a trial", "a training"])
def test_ctrl_c_in_a_later_training_carries_the_finished_ones(training, monkeypatch):
    """The half-trained network is no attempt."""
    before = repair.attempt(net("sigmoid", "xavier_normal"), X, Y, **OPTIONS)
    fit, epochs = repair.fit, repair.TRIAL_EPOCHS if training == "a trial" else OPTIONS["epochs"]

    def interrupting(*arguments, **options):
        callback = {"callback": interrupt} if options["epochs"] == epochs else {}
        return fit(*arguments, **options | callback)

    monkeypatch.setattr(repair, "fit", interrupting)
    with pytest.raises(fastgrad.Interrupted) as caught:
        repair.repair(before.network, X, Y, before=before, **OPTIONS)
    assert caught.value.repair.attempts == (before,)
    assert caught.value.history.epochs == 1
    assert caught.value.history.stopped == "interrupted"


def test_ctrl_c_in_the_first_training_carries_its_history():
    with pytest.raises(fastgrad.Interrupted) as caught:
        repair.repair(net("relu", "he_normal", 2), X, Y, callback=interrupt, **OPTIONS)
    assert caught.value.repair is None
    assert caught.value.history.epochs == 1
