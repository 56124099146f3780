"""``fit``: the same numbers by hand, by every backend, by seed, and whether it is stopped and resumed or not."""

import json
import math

import numpy as np
import pytest

import fastgrad
from fastgrad import datasets
from fastgrad._validation import strict_json
from fastgrad.learning import schedules
from fastgrad.learning.held_out import split
from fastgrad.learning.loop import Trainer
from fastgrad.learning.optimizers import OPTIMIZERS, optimizer
from fastgrad.learning.stopping import EarlyStopping
from fastgrad.losses import baseline

X, Y = (array[:300] for array in datasets.load("digits"))
RNG = np.random.default_rng(0)


def net(depth=2, activation="tanh", init="xavier_normal", **options):
    return fastgrad.MLP([64, *[16] * depth, 10], activation, init, **options)


def flat(network):
    return np.concatenate([array.ravel() for array in (*network.weights, *network.biases)])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_epoch_by_hand(name):
    """The gradients of every batch by the network's own method, the steps in plain NumPy."""
    ours, hand = net(dtype="float64"), net(dtype="float64")
    history = fastgrad.fit(
        ours, X, Y, epochs=2, batch_size=40, optimizer=name, learning_rate=0.02, weight_decay=0.01, monitor=False
    )
    rule, step = optimizer(name), 0
    arrays = [*hand.weights, *hand.biases]
    kept = [[np.zeros_like(array) for _ in range(rule.kept)] for array in arrays]
    order = Trainer(net(), X, Y, rule, 40, 0.0, True, 0).order
    for epoch in range(2):
        total = 0.0
        for start in range(0, 300, 40):
            rows = order(epoch)[start : start + 40]
            loss, gradients = hand.loss_and_gradients(X[rows], Y[rows])
            total += loss * len(rows)
            step += 1
            flat_gradients = [dw for dw, _ in gradients] + [db for _, db in gradients]
            for i, (array, gradient) in enumerate(zip(arrays, flat_gradients, strict=True)):
                rule.update(array, gradient, kept[i], 0.02, 0.01 if array.ndim == 2 else 0.0, step)
        assert abs(history.loss[epoch] / (total / 300) - 1) <= 1e-12
    assert np.linalg.norm(flat(ours) - flat(hand)) <= 1e-12 * np.linalg.norm(flat(hand))


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_backends_agree(backend, loss):
    pytest.importorskip("numba") if backend == "numba" else None
    y = Y if loss == "cross_entropy" else np.eye(10)[Y]
    runs = []
    for which in ("compiled", backend):
        network = net(dtype="float64", loss=loss, backend=which)
        runs.append((fastgrad.fit(network, X, y, epochs=3, batch_size=32, weight_decay=0.1), flat(network)))
    (a, w), (b, v) = runs
    assert np.linalg.norm(w - v) <= 1e-9 * np.linalg.norm(v)
    assert np.abs(np.array(a.loss) / b.loss - 1).max() <= 1e-10
    assert a.accuracy == b.accuracy
    assert [r.step for r in a.readings] == [r.step for r in b.readings]
    assert bool(a.accuracy) == (loss == "cross_entropy")


def test_every_epoch_takes_the_rows_in_an_order_of_its_own():
    first, second = (Trainer(net(), X, Y, optimizer("sgd"), 40, 0.0, True, seed) for seed in (0, 1))
    orders = [first.order(0), first.order(1), first.order(2), second.order(0)]
    assert all(np.array_equal(np.sort(order), np.arange(300)) for order in orders)
    assert len({order.tobytes() for order in orders}) == 4
    assert np.array_equal(first.order(1), orders[1])  # whatever was asked for before: a resumed run has it again
    in_place = Trainer(net(), X, Y, optimizer("sgd"), 40, 0.0, False, 0)
    assert np.array_equal(in_place.order(1), np.arange(300))


def test_the_seed_decides_everything():
    runs = [net(), net(), net()]
    for network, seed in zip(runs, (3, 3, 4), strict=True):
        fastgrad.fit(network, X, Y, epochs=2, seed=seed, validation=0.1)
    assert np.array_equal(flat(runs[0]), flat(runs[1]))
    assert not np.array_equal(flat(runs[0]), flat(runs[2]))


def test_the_monitor_changes_nothing():
    with_it, without = net(), net()
    monitor = fastgrad.GradientMonitor(every=3)
    history = fastgrad.fit(with_it, X, Y, epochs=2, monitor=monitor)
    fastgrad.fit(without, X, Y, epochs=2, monitor=False)
    assert np.array_equal(flat(with_it), flat(without))
    assert [reading.step for reading in history.readings] == list(range(0, 20, 3))
    assert history.readings is monitor.readings
    assert all(reading.log10_update_ratio is not None for reading in history.readings)


@pytest.mark.parametrize(
    "options",
    [{"optimizer": name} for name in OPTIMIZERS]
    + [{"patience": 2, "learning_rate": 0.02}, {"patience": 1, "learning_rate": 0.02, "schedule": "adaptive"}],
)
def test_resumed_is_uninterrupted(options, tmp_path):
    path, whole, stopped, resumed = tmp_path / "run.npz", net(), net(), net()
    options |= {"validation": 0.2, "weight_decay": 1e-3, "monitor": True}
    reference = fastgrad.fit(whole, X, Y, epochs=7, **options)
    fastgrad.fit(stopped, X, Y, epochs=3, checkpoint=path, checkpoint_every=2, **options)
    history = fastgrad.fit(resumed, X, Y, epochs=7, checkpoint=path, **options)
    assert np.array_equal(flat(whole), flat(resumed))
    for name in ("loss", "accuracy", "validation_loss", "stopped", "best_epoch", "learning_rate"):
        assert getattr(history, name) == getattr(reference, name)
    for a, b in zip(history.readings, reference.readings, strict=True):
        assert a.to_dict() == b.to_dict()


def test_ctrl_c_between_epochs_keeps_them(tmp_path):
    def stop(history):
        if history.epochs == 2:
            raise KeyboardInterrupt

    path, whole, network, resumed = tmp_path / "run.npz", net(), net(), net()
    with pytest.raises(fastgrad.Interrupted) as caught:
        fastgrad.fit(network, X, Y, epochs=5, callback=stop, checkpoint=path, checkpoint_every=5)
    history = caught.value.history
    assert (history.stopped, history.epochs) == ("interrupted", 2)
    fastgrad.fit(whole, X, Y, epochs=2)
    assert np.array_equal(flat(whole), flat(network))
    fastgrad.fit(resumed, X, Y, epochs=5, checkpoint=path)
    fastgrad.fit(again := net(), X, Y, epochs=5)
    assert np.array_equal(flat(resumed), flat(again))


def test_ctrl_c_within_an_epoch_undoes_it(monkeypatch):
    run, calls = Trainer.run, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return run(self, *arguments)

    monkeypatch.setattr(Trainer, "run", interrupted)
    network, whole = net(), net()
    with pytest.raises(fastgrad.Interrupted) as caught:
        fastgrad.fit(network, X, Y, epochs=5, monitor=fastgrad.GradientMonitor(every=4))
    history = caught.value.history
    monkeypatch.undo()
    assert history.stopped == "interrupted"
    assert 0 < history.epochs < 5
    reference = fastgrad.fit(whole, X, Y, epochs=history.epochs, monitor=fastgrad.GradientMonitor(every=4))
    assert np.array_equal(flat(whole), flat(network))
    assert len(reference.readings) == len(history.readings)


def test_a_diverging_run_stops_with_the_reason():
    network = net(activation="relu", init="he_normal", loss="mse")
    targets = np.eye(10)[Y]
    history = fastgrad.fit(network, X, targets, epochs=5, optimizer="sgd", learning_rate=1e4)
    assert history.stopped == "diverged"
    at = f"no longer finite in epoch {history.epochs + 1}, after "
    assert at in history.reason
    assert f"the network is as it was after epoch {history.epochs}" in history.reason
    assert "learning rate of 10000" in history.reason
    assert np.isfinite(flat(network)).all()
    assert np.isfinite(history.loss).all()
    assert history.trend.cause in ("learning rate too high", "exploding")


def test_early_stopping_returns_to_the_best_epoch():
    network, best = net(), net()
    noise = RNG.integers(0, 10, 60)
    history = fastgrad.fit(network, X, Y, epochs=60, patience=3, validation=(X[:60], noise), learning_rate=0.01)
    assert history.stopped == "early stopping"
    assert history.epochs == history.best_epoch + 3
    assert history.best_epoch == int(np.argmin(history.validation_loss)) + 1
    fastgrad.fit(best, X, Y, epochs=history.best_epoch, validation=(X[:60], noise), learning_rate=0.01)
    assert np.array_equal(flat(network), flat(best))


def waited(losses, **options):
    """What early stopping waits, epoch by epoch, and the best epoch."""
    stopping, found = EarlyStopping(**{"patience": 3} | options), []
    for loss in losses:
        stopping.add(loss)
        found.append(stopping.waited)
    return found, stopping.best_epoch


def test_what_early_stopping_counts():
    assert waited([3.0, 2.0, 2.0, 2.5, 1.9]) == ([0, 0, 1, 2, 0], 5)
    assert waited([3.0, 2.75, 2.5, 2.25], min_delta=0.5) == ([0, 1, 2, 3], 4)  # none is half better than all before
    assert waited([3.0, 2.75, 2.0, 1.9], min_delta=0.5) == ([0, 1, 0, 1], 4)
    assert waited([math.nan, 2.0, math.nan, math.inf]) == ([1, 0, 1, 2], 2)
    assert waited([2.0] * 5, patience=None) == ([0, 1, 2, 3, 4], 1)
    assert waited([2.0] * 8, reductions=1) == ([0, 1, 2, 0, 1, 2, 3, 4], 1)


def test_an_adaptive_rate_is_lowered_before_the_run_is_stopped():
    """Nothing is better by 9, so that every second epoch lowers the rate, down to a millionth."""
    history = fastgrad.fit(
        net(), X, Y, epochs=99, schedule="adaptive", patience=2, min_delta=9.0, optimizer="sgd", learning_rate=1e-3
    )
    fifths = [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert history.learning_rate == pytest.approx([1e-3 / 5**n for n in fifths])
    assert history.learning_rate[-1] < schedules.LOWEST_RATE < history.learning_rate[-3]
    assert history.stopped == "early stopping"
    with pytest.raises(ValueError, match="give patience"):
        fastgrad.fit(net(), X, Y, schedule="adaptive")


def test_splits_are_disjoint_fair_and_repeatable():
    (X1, y1), held = split(net(dtype="float64"), X, Y, {"validation": 0.1, "test": 0.2}, seed=1)
    sizes = len(y1), len(held["validation"][1]), len(held["test"][1])
    assert sizes == (210, 30, 60)
    rows = {row.tobytes() for part in (X1, held["validation"][0], held["test"][0]) for row in part}
    assert len(rows) == len({row.tobytes() for row in X})
    for label in range(10):
        share = np.mean(held["test"][1] == label) - np.mean(label == Y)
        assert abs(share) <= 2 / 60
    again = split(net(dtype="float64"), X, Y, {"validation": 0.1, "test": 0.2}, seed=1)
    assert np.array_equal(again[1]["test"][0], held["test"][0])


def test_test_rows_are_judged_at_the_end():
    network = net()
    history = fastgrad.fit(network, X, Y, epochs=10, learning_rate=0.01, test=(X[200:], Y[200:]))
    outputs = network.forward(X[200:])
    assert history.test_accuracy == np.mean(outputs.argmax(axis=1) == Y[200:])
    loss, _ = network.loss_and_gradients(X[200:], Y[200:])
    assert abs(history.test_loss / loss - 1) <= 1e-6
    assert history.generalisation_gap == history.accuracy[-1] - history.test_accuracy
    assert history.accuracy[-1] >= 0.9


def test_schedules():
    factors = {name: [schedules.factor(name, epoch, 8) for epoch in range(8)] for name in schedules.SCHEDULES}
    assert factors["constant"] == [1.0] * 8
    assert factors["step"] == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert factors["inverse_sqrt"] == pytest.approx([1 / math.sqrt(n) for n in range(1, 9)])
    assert factors["cosine"][0] == 1
    assert factors["cosine"][4] == pytest.approx(0.5)
    history = fastgrad.fit(net(), X, Y, epochs=3, schedule=lambda epoch: 1 / 2**epoch, learning_rate=0.1)
    assert history.learning_rate == [0.1, 0.05, 0.025]


@pytest.mark.parametrize("batch", [1, 7, 64, 300])
def test_any_batch_fits(batch):
    history = fastgrad.fit(net(), X, Y, epochs=1, batch_size=batch, monitor=False)
    assert history.steps_per_epoch == -(-300 // batch)
    assert math.isfinite(history.loss[0])


def test_the_baseline_is_the_loss_of_constant_outputs():
    shares = np.bincount(Y) / len(Y)
    constant = np.tile(np.log(shares), (len(Y), 1))
    assert abs(baseline("cross_entropy", Y) / fastgrad.losses.cross_entropy(constant, Y)[0] - 1) <= 1e-12
    targets = RNG.standard_normal((50, 3))
    constant = np.tile(targets.mean(axis=0), (50, 1))
    assert abs(baseline("mse", targets) / fastgrad.losses.mse(constant, targets)[0] - 1) <= 1e-12


def test_ctrl_c_after_the_best_epoch_keeps_it():
    """Between an epoch's record and its callback nothing of it may be missing."""
    network, reference = net(), net()

    def stop(history):
        if history.epochs == 3:
            raise KeyboardInterrupt

    with pytest.raises(fastgrad.Interrupted) as caught:
        fastgrad.fit(network, X, Y, epochs=9, patience=2, validation=0.2, callback=stop)
    history = caught.value.history
    assert (history.stopped, history.epochs, history.best_epoch) == ("interrupted", 3, 3)
    fastgrad.fit(reference, X, Y, epochs=3, validation=0.2)
    assert np.array_equal(flat(network), flat(reference))


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.uint64])
def test_labels_of_any_integer_type(kind):
    ours, reference = net(), net()
    fastgrad.fit(ours, X, Y.astype(kind), epochs=1)
    fastgrad.fit(reference, X, Y, epochs=1)
    assert np.array_equal(flat(ours), flat(reference))


def test_a_history_with_numbers_that_json_has_not_comes_back_as_it_was():
    history = fastgrad.fit(net(), X, Y, epochs=2)
    history.loss[:] = [math.inf, -math.inf]
    history.learning_rate[1] = math.nan
    again = fastgrad.TrainingHistory.from_dict(json.loads(strict_json(history.to_dict())))
    assert again.loss == [math.inf, -math.inf]
    assert math.isnan(again.learning_rate[1])
    assert again.accuracy == history.accuracy


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_frame_has_a_row_for_each_epoch_counted_from_1(epochs):
    pytest.importorskip("pandas")
    frame = fastgrad.fit(net(), X, Y, epochs=epochs).frame
    assert list(frame.index) == list(range(1, epochs + 1))
