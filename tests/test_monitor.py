"""The gradient monitor: its numbers are the profile's, from any library's network, and what is fed is pooled."""

import math

import numpy as np
import pytest

import fastgrad
from fastgrad import datasets
from fastgrad.learning.models import parameters_of
from fastgrad.learning.monitor import BUDGET, GradientMonitor
from fastgrad.learning.reading import Reading

try:
    import torch
    from torch import nn
except ImportError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="could not import 'torch'")

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
    pytest.importorskip("torch")
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
    with pytest.raises(ValueError, match="the activation of this MLPClassifier is sigmoid, not relu"):
        GradientMonitor(X, y, activation="relu").measure(0, model)
    # the gradient of the last layer's weights, by hand: h^T (p - onehot) / n
    h = X
    for w, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        h = 1 / (1 + np.exp(-(h @ w + b)))
    p = model.predict_proba(X)
    expected = h.T @ (p - np.eye(classes)[y]) / len(y)
    assert abs(reading.log10_weight_gradient[-1] - math.log10(np.sqrt(np.mean(expected**2)))) <= 1e-9
    assert weights[-1].shape == (12, classes)


def torch_twin(network, activation, **options):
    """The same network as a PyTorch model with this activation module between its layers."""
    layers = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        layer = torch_linear(weight, bias)
        layers += [layer, activation]
    return torch.nn.Sequential(*layers[:-1])


def torch_linear(weight, bias):
    layer = torch.nn.Linear(*weight.shape, dtype=torch.float64)
    layer.weight.data, layer.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
    return layer


TORCH = {
    "relu": ("relu", lambda: nn.ReLU(inplace=True)),
    "leaky_relu": (fastgrad.activation("leaky_relu", negative_slope=0.3), lambda: nn.LeakyReLU(0.3)),
    "elu": (fastgrad.activation("elu", alpha=0.5), lambda: nn.ELU(0.5)),
    "sigmoid": ("sigmoid", lambda: nn.Sigmoid()),
    "tanh": ("tanh", lambda: nn.Tanh()),
    "our elu": (fastgrad.activation("elu", alpha=0.5), lambda: fastgrad.torch.ELU(0.5)),
    "our tanh": ("tanh", lambda: fastgrad.torch.Tanh()),
}


@needs_torch
@pytest.mark.parametrize("name", TORCH)
def test_the_activation_of_a_pytorch_model_is_read(name):
    own, module = TORCH[name]
    network = fastgrad.MLP([64, 12, 12, 10], own, "he_normal", 0, "float64", bias_std=0.1)
    model = torch_twin(network, module())
    expected = network.gradient_profile(X, Y)
    reading = GradientMonitor(X, Y, window=200).measure(0, model)
    same(reading, expected)
    same(GradientMonitor(X, Y, window=200, activation=own).measure(0, model), expected)
    same(GradientMonitor(X, Y, window=200).measure(0, torch.compile(model, backend="eager")), expected)
    # and beside torch's own delta and dL/dW
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    torch.nn.functional.cross_entropy(model(torch.tensor(X)), torch.tensor(Y)).backward()
    true = [math.log10(float(weight.grad.square().mean().sqrt())) for weight in weights]
    np.testing.assert_allclose(reading.log10_weight_gradient, true, rtol=1e-9)
    other = "sigmoid" if name != "sigmoid" else "relu"
    with pytest.raises(ValueError, match=r"the activation of this Sequential is .*, not "):
        GradientMonitor(X, Y, activation=other).measure(0, model)


@needs_torch
def test_fused_layers_and_layers_in_front_that_change_nothing():
    network = net()
    fused = [fastgrad.torch.Dense(*weight.shape, "tanh", dtype=torch.float64) for weight in network.weights[:-1]]
    for layer, weight, bias in zip(fused, network.weights, network.biases, strict=False):
        layer.weight.data, layer.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
    model = nn.Sequential(
        nn.Flatten(), nn.Sequential(*fused), nn.Dropout(), torch_linear(network.weights[-1], network.biases[-1])
    )
    model[2].eval()
    same(GradientMonitor(X, Y, window=200).measure(0, model), network.gradient_profile(X, Y))


def functional(network, function, skip=False, twice=False):
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.two, self.one = (
                torch_linear(w, b) for w, b in reversed(list(zip(network.weights, network.biases, strict=True)))
            )

        def forward(self, x):
            x = function(self.one(x))
            y = function(self.two(x))
            y = function(self.two(y)) if twice else y
            return self.head(x + y if skip else y)

    return Functional()


@needs_torch
def test_functional_activations_are_taken_if_they_are_named_and_true():
    network = net()
    model = functional(network, torch.tanh)  # its modules are registered from the output to the input
    same(GradientMonitor(X, Y, activation="tanh", window=200).measure(0, model), network.gradient_profile(X, Y))


def refused():
    network = net()
    plain = list(torch_twin(network, nn.Tanh()))
    half = nn.Linear(12, 12, dtype=torch.float64)

    class Twice(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    wrong = torch_twin(network, nn.Tanh())
    wrong[2].__class__ = Twice
    return {
        "functional": (functional(network, torch.tanh), None, r"between 'one' and 'two' is no module and so cannot"),
        "named wrongly": (functional(network, torch.relu), "sigmoid", "'one' and 'two' is no module and is not"),
        "residual": (functional(network, torch.tanh, skip=True), "tanh", "between 'two' and 'head' is no module"),
        "twice": (functional(network, torch.tanh, twice=True), "tanh", "'two' runs twice"),
        "batch norm": (
            nn.Sequential(*plain[:1], nn.BatchNorm1d(12, dtype=torch.float64), *plain[1:]), None, "'1', BatchNorm1d",
        ),
        "dropout": (nn.Sequential(*plain[:2], nn.Dropout(0.5), *plain[2:]), None, "'2' is dropout that is on"),
        "several": (nn.Sequential(*plain[:2], half, nn.ReLU(), *plain[2:]), None, r"activations \(relu, tanh\)"),
        "missing": (nn.Sequential(*plain[:2], half, *plain[2:]), None, "several activations"),
        "unknown": (nn.Sequential(*plain[:1], nn.GELU(), *plain[2:]), None, "'1', GELU"),
        "two in a row": (nn.Sequential(*plain[:2], nn.Tanh(), *plain[2:]), None, "'2' is an activation that does not"),
        "behind": (nn.Sequential(*plain, nn.Sigmoid()), None, "behind its last Linear layer"),
        "another product": (wrong, None, "'2' does not compute what Twice does"),
    }  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", refused() if torch else [])
def test_what_a_network_of_ours_has_not_is_refused_by_name(name):
    model, activation, says = refused()[name]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"{says}.*fastgrad.torch.watch can"):
        GradientMonitor(X, Y, activation=activation).measure(0, model)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())  # batch statistics too
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@needs_torch
def test_a_deep_network_is_not_refused_for_rounding_that_grows():
    network = fastgrad.MLP([64, *[64] * 100, 10], "tanh", fastgrad.initializer("xavier_normal", gain=4.0), 0, "float32")
    model = torch_twin(network, nn.Tanh()).float()
    assert GradientMonitor(X, Y).measure(0, model).verdict == GradientMonitor(X, Y).measure(0, network).verdict


def keras_layer(kind, arrays=(), **attributes):
    """A layer as Keras has them: its class, its name and ``get_weights``."""
    attributes |= {"name": kind.lower(), "get_weights": lambda self: list(arrays)}
    return type(kind, (), attributes)()


def function(name):
    return staticmethod(type("function", (), {"__name__": name})())


def keras_like(network, hidden="tanh", last="softmax", insert=()):
    names = [hidden] * (len(network.weights) - 1) + [last]
    parameters = zip(network.weights, network.biases, names, strict=True)
    layers = [keras_layer("Dense", (w, b), activation=function(name)) for w, b, name in parameters]
    layers[1:1] = insert
    return type("Sequential", (), {"layers": layers})()


def test_keras():
    network = net()
    expected = network.gradient_profile(X, Y)
    for model in (
        keras_like(network),
        keras_like(network, last="linear", insert=[keras_layer("Dropout")]),
        without_bias(keras_like(network)),
    ):
        same(GradientMonitor(X, Y, window=200).measure(0, model), expected)
    leaky = fastgrad.MLP([64, 12, 10], fastgrad.activation("leaky_relu", negative_slope=0.3), dtype="float64")
    model = keras_like(leaky, "linear", insert=[keras_layer("LeakyReLU", negative_slope=0.3)])
    same(GradientMonitor(X, Y, window=200).measure(0, model), leaky.gradient_profile(X, Y))


def without_bias(model):
    """The same, where a bias of 0 is left out."""
    weight, bias = model.layers[1].get_weights()
    assert not bias.any()
    model.layers[1] = keras_layer("Dense", (weight,), activation=model.layers[1].activation)
    return model


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"insert": [keras_layer("BatchNormalization", [np.ones(12)] * 4)]},
            "'batchnormalization', BatchNormalization",
        ),
        ({"hidden": "gelu"}, "'dense', Dense gelu"),
        ({"insert": [keras_layer("ELU", alpha=1.0)]}, "'elu' is an activation that does not follow"),
        ({"last": "sigmoid"}, "its outputs pass sigmoid"),
        ({"hidden": "softmax"}, "several activations"),
    ],
)
def test_keras_models_that_are_refused(options, says):
    with pytest.raises(ValueError, match=f"{says}.*feed"):
        GradientMonitor(X, Y).measure(0, keras_like(net(), **options))
    with pytest.raises(ValueError, match="the activation of this Sequential is tanh, not sigmoid"):
        GradientMonitor(X, Y, activation="sigmoid").measure(0, keras_like(net()))
    subclassed = keras_like(net())
    type(subclassed).__name__ = "Mine"
    with pytest.raises(ValueError, match="a subclassed model does not say"):
        GradientMonitor(X, Y).measure(0, subclassed)


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


def test_saturated_units_are_counted_over_the_rows_of_the_window():
    """By rows, not by calls: the last batch of an epoch is smaller."""
    monitor = GradientMonitor(activation="tanh", window=40)
    gradient = [np.ones((2, 4)), np.ones((4, 1))]
    closed, opened = np.full((10, 4), 0.001), np.full((30, 4), 0.5)
    closed[:, 0] = 0.02  # above a hundredth of tanh's largest derivative
    assert monitor.feed(0, gradient, derivatives=[closed]).saturated_fraction == [0.75]
    assert monitor.feed(1, gradient, derivatives=[opened]).saturated_fraction == [0.75 / 4]


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
