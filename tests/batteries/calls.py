"""One small call of each public function: what the batteries repeat. A call is a function without arguments."""

import itertools
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

import fastgrad
from fastgrad import datasets, diagnosis, ffi, initializers, losses, measurement, slopes, testing, theory
from fastgrad.learning import trends

X = np.random.default_rng(0).standard_normal((8, 6))
LABELS = np.arange(8) % 3
WEIGHT, BIAS = np.full((6, 4), 0.1), np.zeros(4)


def of_numpy():
    """name: call, for all that needs NumPy and SciPy alone."""
    net = fastgrad.MLP([6, 5, 5, 3], seed=0)
    y, d = fastgrad.dense_forward(X, WEIGHT, BIAS, "tanh")
    profile = net.gradient_profile(X, LABELS)
    table, z, out = ffi.table(), np.linspace(-3, 3, 64), np.empty(64)
    monitor, steps = fastgrad.GradientMonitor(X, LABELS, max_readings=10), itertools.count()
    folder = Path(tempfile.mkdtemp(prefix="fastgrad-"))
    testing.assert_profile_matches(net, (X, LABELS), folder / "baseline.json", update=True)
    fastgrad.sweep(
        folder / "kept.db", activation="tanh", init="xavier_normal", width=4, depth=3, data="normal", seeds=2
    )
    outputs = net.forward(X)
    names = (*fastgrad.ACTIVATIONS, *(f"{name}_derivative" for name in fastgrad.ACTIVATIONS))
    calls = {name: partial(getattr(fastgrad, name), X) for name in names}
    calls |= {name: partial(getattr(initializers, name), (6, 5)) for name in fastgrad.INITIALIZERS}
    return calls | {
        "value_and_derivative": lambda: fastgrad.value_and_derivative("elu", X),
        "activation": lambda: fastgrad.activation("elu", alpha=0.5)(X),
        "Activation.derivative": lambda: fastgrad.activation("tanh").derivative(X),
        "activation, float16": lambda: fastgrad.tanh(X.astype(np.float16)),
        "activation, strided": lambda: fastgrad.tanh(X[::2, ::-1]),
        "activation, wrong": lambda: refused(fastgrad.tanh, "a"),
        "initializer": lambda: fastgrad.initializer("he_normal", mode="fan_out").draw((6, 5), rng=0),
        "dense_forward": lambda: fastgrad.dense_forward(X, WEIGHT, BIAS, "tanh"),
        "dense_backward": lambda: fastgrad.dense_backward(y, d, X, WEIGHT),
        "MLP": lambda: fastgrad.MLP([6, 5, 5, 3], seed=0),
        "MLP.forward": lambda: net.forward(X),
        "MLP.predict": lambda: net.predict(X),
        "MLP.score": lambda: net.score(X, LABELS),
        "MLP.loss_and_gradients": lambda: net.loss_and_gradients(X, LABELS),
        "MLP.loss_and_gradients, wrong": lambda: refused(net.loss_and_gradients, X, LABELS + 9),
        "MLP.gradient_profile": lambda: net.gradient_profile(X, LABELS),
        "GradientProfile.to_dict": lambda: profile.to_dict(),
        "diagnose": lambda: fastgrad.diagnose(profile),
        "GradientProfile.diagnosis": lambda: diagnosis.diagnose(net.gradient_profile(X, LABELS)),
        "measure": lambda: measurement.measure("tanh", "xavier_normal", depth=3, width=4, X=X, y=LABELS, seeds=(0, 1)),
        "fit": lambda: fastgrad.fit(fastgrad.MLP([6, 4, 3], seed=0), X, LABELS, epochs=1, batch_size=8),
        "optimizer": lambda: fastgrad.optimizer("adam"),
        "GradientMonitor": lambda: monitor.measure(next(steps), net),
        "trend": lambda: trends.trend(np.linspace(1, 0.5, 20)),
        "cross_entropy": lambda: losses.cross_entropy(outputs, LABELS),
        "mse": lambda: losses.mse(outputs, outputs),
        "decades_per_layer": lambda: slopes.decades_per_layer(profile.log10_delta),
        "theory.chi": lambda: theory.chi("tanh", weight_variance=1.0),
        "theory.predict": lambda: theory.predict("tanh", "xavier_normal", [6, 5, 5, 3], X),
        "theory.critical_gain": lambda: theory.critical_gain("tanh"),
        "datasets.load": lambda: datasets.load("wine"),
        "sweep": lambda: fastgrad.sweep(
            activation="tanh", init="xavier_normal", width=4, depth=3, data="normal", seeds=2
        ),
        "load": lambda: fastgrad.load(folder / "kept.db"),
        "ffi.table": lambda: ffi.table().value(1, 8, 64, z.ctypes.data, 0.0, out.ctypes.data),
        "ffi.draw": lambda: table.draw(
            1, 8, (np.arange(4, dtype=np.uint32)).ctypes.data, 0, 0, 1.0, 64, out.ctypes.data
        ),
        "ffi.low_level_callable": lambda: ffi.low_level_callable("elu", alpha=0.5),
        "assert_gradients_flow": lambda: testing.assert_gradients_flow(net, (X, LABELS)),
        "assert_profile_matches": lambda: testing.assert_profile_matches(net, (X, LABELS), folder / "baseline.json"),
    }


def of_others():
    """name: call, for PyTorch, JAX, Numba and scikit-learn."""
    import jax.numpy as jnp
    import numba
    import torch

    import fastgrad.jax
    import fastgrad.sklearn
    import fastgrad.torch as ours

    t = torch.randn(8, 6, requires_grad=True)
    layer, model = ours.Dense(6, 4, "tanh"), torch.nn.Sequential(ours.Dense(6, 5, "tanh"), torch.nn.Linear(5, 3))
    labels, j = torch.as_tensor(LABELS), jnp.asarray(X)
    watched = fastgrad.torch.watch(model, every=1)
    compiled = numba.njit(lambda x: fastgrad.tanh(x))
    tanh = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))

    def step():
        torch.nn.functional.cross_entropy(model(t), labels).backward()
        return watched.profile

    def watch():
        with fastgrad.torch.watch(tanh, every=1) as own:
            torch.nn.functional.cross_entropy(tanh(t), labels).backward()
            return own.profile

    def backward(function):
        return lambda: function(t).sum().backward()

    calls = {f"torch.{name}": backward(getattr(ours, name)) for name in fastgrad.ACTIVATIONS}
    return calls | {
        "torch.Dense": backward(layer),
        "torch, retained": lambda: torch.autograd.grad(ours.tanh(t).sum(), t, retain_graph=True),
        "torch, a watched step": step,
        "torch.watch": watch,
        "torch, without gradients": lambda: ours.tanh(t.detach()),
        "jax.tanh": lambda: fastgrad.jax.tanh(j),
        "numba": lambda: compiled(X),
        "sklearn.MLPClassifier": lambda: fastgrad.sklearn.MLPClassifier((4,), max_iter=1, solver="sgd").fit(X, LABELS),
    }


def refused(function, *arguments):
    """Call it, and let it raise what it raises for what is wrong."""
    try:
        function(*arguments)
    except (TypeError, ValueError):
        return
    raise AssertionError(f"{function} took what is wrong")
