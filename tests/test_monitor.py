"""The gradient monitor: its numbers are the profile's, from any library's network, and what is fed is pooled."""

import math

import numpy as np
import pytest

import fastgrad
from fastgrad import datasets
from fastgrad.models import parameters_of
from fastgrad.monitor import BUDGET, GradientMonitor, Reading

X, Y = (array[:200] for array in datasets.load("digits"))
RNG = np.random.default_rng(0)


def net(activation="tanh", **options):
    return fastgrad.MLP([64, 12, 12, 10], activation, "xavier_normal", dtype="float64", **options)


def same(reading, profile):
    for name in ("log10_delta", "log10_weight_gradient", "log10_signal", "saturated_fraction", "dead_fraction"):
        ours, theirs = getattr(reading, name), getattr(profile, name)
        assert np.abs(ours - theirs).max() <= 1e-9 * max(1.0, np.abs(theirs).max()), name


def test_a_reading_is_the_profile_of_the_window():
    network, monitor = net(), GradientMonitor(X, Y, window=50)
    rows = np.linspace(0, 199, 50).astype(int)
    reading = monitor.measure(7, network)
    same(reading, network.gradient_profile(X[rows], Y[rows]))
    assert (reading.step, reading.verdict) == (7, "healthy")
    assert monitor.verdict == "healthy"
    assert monitor.diagnosis is reading.diagnosis


def test_weights_of_any_library():
    network = net()
    expected = network.gradient_profile(X, Y)
    monitor = GradientMonitor(X, Y, activation="tanh", window=200)
    same(monitor.measure(0, (network.weights, network.biases)), expected)
    same(monitor.measure(0, (list(map(np.asfortranarray, network.weights)), network.biases)), expected)


def test_pytorch():
    torch = pytest.importorskip("torch")
    network = net()
    layers = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        layer = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        layer.weight.data, layer.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
        layers += [layer, torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    expected = network.gradient_profile(X, Y)
    same(GradientMonitor(X, Y, activation="tanh", window=200).measure(0, model), expected)

    # and fed with what autograd computes
    zs, h = [], torch.tensor(X)
    for layer in layers[:-1]:
        h = layer(h)
        if isinstance(layer, torch.nn.Linear):
            h.retain_grad()
            zs.append(h)
    torch.nn.functional.cross_entropy(h, torch.tensor(Y)).backward()
    reading = GradientMonitor().feed(
        0, [layer.weight.grad for layer in layers[::2]], deltas=[z.grad for z in zs], signals=zs
    )
    for name in ("log10_delta", "log10_weight_gradient", "log10_signal"):
        assert np.abs(getattr(reading, name) - getattr(expected, name)).max() <= 1e-9
    assert reading.verdict == "healthy"


@pytest.mark.parametrize("classes", [2, 10])
def test_scikit_learn(classes):
    sklearn = pytest.importorskip("sklearn.neural_network")
    import warnings

    y = Y % classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sklearn.MLPClassifier((12, 12), "logistic", max_iter=2, random_state=0).fit(X, y)
    weights, _, activation = parameters_of(model)
    assert activation.name == "sigmoid"
    reading = GradientMonitor(X, y, window=200).measure(0, model)
    # the gradient of the last layer's weights, by hand: h^T (p - onehot) / n
    h = X
    for w, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        h = 1 / (1 + np.exp(-(h @ w + b)))
    p = model.predict_proba(X)
    expected = h.T @ (p - np.eye(classes)[y]) / len(y)
    assert abs(reading.log10_weight_gradient[-1] - math.log10(np.sqrt(np.mean(expected**2)))) <= 1e-9
    assert weights[-1].shape == (12, classes)


class KerasLike:
    """A model with layers that have ``get_weights``, as Keras has them; one layer has none."""

    def __init__(self, network):
        pairs = zip(network.weights, network.biases, strict=True)
        self.layers = [type("Layer", (), {"get_weights": lambda self, p=pair: list(p)})() for pair in pairs]
        self.layers.insert(1, type("Dropout", (), {"get_weights": lambda self: []})())


def test_keras():
    network = net()
    same(
        GradientMonitor(X, Y, activation="tanh", window=200).measure(0, KerasLike(network)),
        network.gradient_profile(X, Y),
    )


def test_weight_decay_is_subtracted():
    gradients = [RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2))]
    weights = [RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2))]
    with_decay = [g + 0.5 * w for g, w in zip(gradients, weights, strict=True)]
    plain = GradientMonitor().feed(0, gradients)
    decayed = GradientMonitor().feed(0, with_decay, weights=weights, weight_decay=0.5)
    assert np.abs(plain.log10_weight_gradient - decayed.log10_weight_gradient).max() <= 1e-12
    assert plain.verdict is None


def test_units_are_dead_only_if_nothing_passes_in_the_whole_window():
    monitor = GradientMonitor(activation="relu", window=20)
    gradient = [np.ones((2, 4)), np.ones((4, 1))]
    first, second = np.zeros((10, 4)), np.zeros((10, 4))
    first[:, 0], second[:, 1] = 1.0, 1.0  # unit 0 is open in the first ten rows, unit 1 in the next ten
    assert monitor.feed(0, gradient, derivatives=[first]).dead_fraction == [0.75]
    assert monitor.feed(1, gradient, derivatives=[second]).dead_fraction == [0.5]
    assert monitor.feed(2, gradient, derivatives=[second]).dead_fraction == [0.75]  # the first ten have left the window


def test_update_ratio_of_a_step():
    network = net()
    monitor = GradientMonitor(X, Y)
    monitor.measure(0, network)
    after = [w * (1 + 1e-3) for w in network.weights]
    assert np.abs(monitor.note_step(network.weights, after).log10_update_ratio + 3).max() <= 1e-9
    assert np.isneginf(monitor.note_step(network.weights, network.weights).log10_update_ratio).all()
    reading = GradientMonitor().feed(0, after, weights=network.weights, updates=[1e-4 * w for w in network.weights])
    assert np.abs(reading.log10_update_ratio + 4).max() <= 1e-9


def test_vanishing_is_seen_before_the_first_step():
    network = fastgrad.MLP([64, *[16] * 20, 10], "sigmoid", "xavier_normal")
    history = fastgrad.fit(network, X, Y, epochs=1)
    assert history.readings[0].step == 0
    assert history.readings[0].verdict == "vanishing"
    assert "delta falls by" in history.readings[0].diagnosis.evidence


def test_readings_come_as_often_as_the_budget_allows():
    monitor = GradientMonitor()
    for batch in (8, 32, 128):
        second = monitor.next_due(1, batch, 10_000)
        third = monitor.next_due(second + 1, batch, 10_000)
        assert second == 2 * (third - second)  # it pays for the first too
        assert monitor.window / batch <= BUDGET * (third - second)
        assert monitor.next_due(0, batch, 10_000) == 0
    assert [GradientMonitor(every=5).next_due(step, 32, 10_000) for step in (0, 1, 5, 6)] == [0, 5, 5, 10]
    assert [step for step in range(1100) if monitor.due(step)] == [0, 500, 1000]
    few = GradientMonitor(X, Y, max_readings=2)
    for step in range(4):
        few.measure(step, net())
    assert [reading.step for reading in few.readings] == [2, 3]


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_reading_knows_how_much_of_the_loss_is_left(loss):
    network = net(loss=loss)
    targets = Y if loss == "cross_entropy" else np.eye(10)[Y]
    shares = np.bincount(Y) / len(Y)
    constant = -np.sum(shares * np.log(shares)) if loss == "cross_entropy" else np.mean(shares * (1 - shares))
    reading = GradientMonitor(X, targets, window=200).measure(0, network)
    expected = network.loss_and_gradients(X, targets)[0] / constant
    assert abs(reading.relative_loss - expected) <= 1e-9 * expected
    assert Reading.from_dict(reading.to_dict()).relative_loss == reading.relative_loss
    assert Reading.from_dict(reading.to_dict() | {"relative_loss": None}).relative_loss is None


def test_the_alarm_asks_for_five_readings_and_ends():
    stuck, well = fastgrad.MLP([64, *[16] * 20, 10], "sigmoid", "xavier_normal"), fastgrad.MLP([64, 16, 16, 10])
    monitor, alarms = GradientMonitor(X, Y), []
    for step, network in enumerate([stuck] * 6 + [well] + [stuck] * 5):
        monitor.measure(step, network)
        alarms.append(monitor.alarm)
    assert alarms == [False] * 4 + [True] * 2 + [False] * 5 + [True]
    assert not GradientMonitor(X, Y).alarm


def test_no_alarm_where_the_loss_is_not_known():
    gradients, deltas = (
        [np.ones((2, 4)), np.ones((4, 4)), np.ones((4, 1))],
        [np.ones((2, 4)) * 1e-5, *[np.ones((2, 4))] * 2],
    )
    monitor = GradientMonitor()
    for step in range(6):
        assert monitor.feed(step, gradients, deltas=deltas).verdict == "vanishing"
        assert monitor.alarm is False
    alike = GradientMonitor(X, np.zeros(200, int))  # rows of one class: constant outputs have no loss
    for step in range(6):
        alike.measure(step, fastgrad.MLP([64, *[16] * 20, 10], "sigmoid", "xavier_normal"))
    assert math.isnan(alike.readings[-1].relative_loss)
    assert alike.alarm is False


def test_the_alarm_of_a_run_that_goes_on_from_a_checkpoint(tmp_path):
    options = {"epochs": 2, "monitor": GradientMonitor(every=1), "checkpoint": tmp_path / "run.npz"}
    fastgrad.fit(fastgrad.MLP([64, *[16] * 20, 10], "sigmoid", "xavier_normal"), X, Y, **options)
    assert options["monitor"].alarm is True
    again = GradientMonitor(every=1)
    fastgrad.fit(fastgrad.MLP([64, *[16] * 20, 10], "sigmoid", "xavier_normal"), X, Y, **options | {"monitor": again})
    assert again.alarm is True
