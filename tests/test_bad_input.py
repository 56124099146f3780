"""Wrong calls, as users make them, and what each is told: the error's type and a fragment of its one line.

``python tests/test_bad_input.py`` prints the table, call by call.
"""

# Design: - A call is a string, so that the table prints as it reads; it sees the names of ``NAMES`` only.
#         - A good message names the argument, what was given and what is allowed, in one line. What NumPy's own
#           ufuncs say of operands stands as it is: they are NumPy's, with its types and words.

import sys
import warnings

import click.testing
import numpy as np
import pytest

import fastgrad
from fastgrad import datasets, diagnosis, ffi, initializers, losses, measurement, theory
from fastgrad.cli import commands
from fastgrad.learning import repair, trends
from fastgrad.sweeps import frames, plan, study
from fastgrad.sweeps import run as sweeps

X = np.random.default_rng(0).standard_normal((6, 4))
Y = np.arange(6) % 3
W, B = np.ones((4, 5)), np.ones(5)


def net(**options):
    return fastgrad.MLP([4, 5, 3], **options)


def replaced(which, layer, array):
    """A network with one of its arrays replaced."""
    changed = net()
    getattr(changed, which)[layer] = array
    return changed


def read_only(net):
    """Gradients that cannot be written to."""
    gradients = net.loss_and_gradients(X, Y)[1]
    for dweight, _ in gradients:
        dweight.flags.writeable = False
    return gradients


def with_arrays(**arrays):
    """A network whose lists of arrays are replaced."""
    changed = net()
    vars(changed).update(arrays)
    return changed


def holding(value, row=2):
    """X with this value in one row."""
    changed = X.copy()
    changed[row, 1] = value
    return changed


NAMES = {
    "np": np,
    "fastgrad": fastgrad,
    "initializers": initializers,
    "losses": losses,
    "theory": theory,
    "ffi": ffi,
    "diagnosis": diagnosis,
    "datasets": datasets,
    "study": study,
    "plan": plan,
    "sweeps": sweeps,
    "frames": frames,
    "measure": measurement.measure,
    "fit": fastgrad.fit,
    "trends": trends,
    "repair": repair,
    "MLP": fastgrad.MLP,
    "net": net,
    "replaced": replaced,
    "read_only": read_only,
    "with_arrays": with_arrays,
    "holding": holding,
    "LONG": ["a long name"] * 100,
    **{"X": X, "Y": Y, "W": W, "B": B},
}

CALLS = {
    "functions": [
        ('fastgrad.tanh("a")', TypeError, "ufunc 'tanh' not supported for the input types"),
        ("fastgrad.sigmoid(None)", TypeError, "ufunc 'sigmoid' not supported for the input types"),
        ("fastgrad.tanh(1j)", TypeError, "ufunc 'tanh' not supported for the input types"),
        ("fastgrad.relu([1.0, 2.0], out=np.zeros(3))", ValueError, "could not be broadcast together"),
        ("fastgrad.relu([1.0], out=np.zeros(1, int))", TypeError, "Cannot cast ufunc 'relu' output"),
        ("fastgrad.elu(X, alpha=-1)", ValueError, "alpha must be between 0 and 2**100, got -1"),
        ("fastgrad.elu(X, alpha=np.nan)", ValueError, "alpha must be between 0 and 2**100, got nan"),
        ("fastgrad.elu(X, alpha='1')", TypeError, "alpha must be a real number, got '1'"),
        ("fastgrad.elu(X, alpha=True)", TypeError, "alpha must be a real number, got True"),
        ("fastgrad.elu(X, alpha=np.ones(4))", TypeError, "alpha must be a real number, got array([1., 1., 1., 1.])"),
        ("fastgrad.elu(X, alhpa=1)", TypeError, "unexpected keyword argument 'alhpa'"),
        ("fastgrad.leaky_relu(X, alpha=0.1)", TypeError, "unexpected keyword argument 'alpha'"),
        ("fastgrad.elu(X, out=(W, W))", ValueError, "The 'out' tuple must have exactly one entry per ufunc output"),
        ("fastgrad.value_and_derivative(np.array([]), X)", ValueError, "unknown activation array([], dtype=float64)"),
        ('fastgrad.value_and_derivative("tahn", X)', ValueError, "unknown activation 'tahn'; did you mean 'tanh'?"),
        ('fastgrad.value_and_derivative("tanh", X, out=X)', TypeError, "'out' must be a tuple of arrays"),
    ],
    "activations": [
        ('fastgrad.activation("ReLU")', ValueError, "unknown activation 'ReLU'; did you mean 'relu'?"),
        ('fastgrad.activation("swish")', ValueError, "known: sigmoid, tanh, relu, leaky_relu, elu"),
        ('fastgrad.activation(["relu"])', ValueError, "unknown activation ['relu']; did you mean 'relu'?"),
        ("fastgrad.activation(None)", ValueError, "unknown activation None; known: sigmoid"),
        (
            "fastgrad.activation(np.array([]))",
            ValueError,
            "unknown activation array([], dtype=float64); known: sigmoid",
        ),
        ("fastgrad.activation(LONG)", ValueError, "... (of type list); known: sigmoid"),
        ('fastgrad.activation("elu", alpha=LONG)', TypeError, "alpha must be a real number, got ['a long name',"),
        ('fastgrad.activation("relu")(X, backend=LONG)', ValueError, "... (of type list); known: compiled, numba"),
        ('fastgrad.activation("relu", alpha=1)', TypeError, "relu takes no parameter, got alpha"),
        ('fastgrad.activation("elu", negative_slope=1)', TypeError, "elu takes alpha, got negative_slope"),
        ('fastgrad.activation("tanh")(X * 1j, backend="numpy")', TypeError, "x must hold real numbers, got dtype comp"),
        ('fastgrad.activation("tanh")(X, backend="cuda")', ValueError, "unknown backend 'cuda'; known: compiled, num"),
    ],
    "initializers": [
        ('fastgrad.initializer("xavier_nromal")', ValueError, "did you mean 'xavier_normal'?"),
        ('fastgrad.initializer(["he_normal"])', ValueError, "unknown initializer ['he_normal']; did you mean 'he_no"),
        ('fastgrad.initializer("he_normal", gain=2)', TypeError, "he_normal takes negative_slope, mode, got gain"),
        ('fastgrad.initializer("he_normal", mode="fanin")', ValueError, "unknown fan mode 'fanin'; did you mean 'fan_"),
        ("initializers.xavier_normal((4, 5), gain=0)", ValueError, "gain must be greater than 0, got 0"),
        ("initializers.xavier_normal((4, 5), gain=1e300)", ValueError, "gain must be at most 2**500, got 1e+300"),
        ("initializers.xavier_normal((4, 5), gain=True)", TypeError, "gain must be a real number, got True"),
        ("initializers.he_normal((4, 5), negative_slope=1e300)", ValueError, "negative_slope must be at most 2**500"),
        ("initializers.normal((4, 5), std=-0.1)", ValueError, "std must be at least 0, got -0.1"),
        ("initializers.normal((4, 5), std=1e-300)", ValueError, "std must be at least 2**-500 or 0, got 1e-300"),
        ("initializers.normal((4, 5), std=1e100)", ValueError, "a standard deviation of 1e+100, which is too large f"),
        ("fastgrad.initializer(LONG)", ValueError, "... (of type list); known: xavier_normal"),
        (
            "fastgrad.initializer('he_normal', mode=np.array([]))",
            ValueError,
            "unknown fan mode array([], dtype=float64)",
        ),
        ("initializers.he_normal(LONG)", ValueError, "shape must be (fan_in, fan_out), got ['a long name',"),
        ("initializers.he_normal(5)", ValueError, "shape must be (fan_in, fan_out), got 5"),
        ("initializers.he_normal((4, 0))", ValueError, "fan_out must be at least 1, got 0"),
        ("initializers.he_normal((4, 5), dtype=int)", TypeError, "dtype must be float32 or float64, got <class 'int'>"),
        ('initializers.he_normal((4, 5), rng="0")', TypeError, "an integer, a numpy.random.SeedSequence, a Gen"),
        ("initializers.he_normal((4, 5), rng=-1)", ValueError, "a seed must be at least 0, got -1"),
        (
            "initializers.he_normal((4, 5), rng=np.arange(4))",
            TypeError,
            "a seed must be an integer, a numpy.random.Seed",
        ),
        (
            'fastgrad.initializer("he_normal").weight((4, 5), stream=-1)',
            ValueError,
            "stream must be an integer from 0 to",
        ),
        (
            'fastgrad.initializer("he_normal").weight((4, 5), workers=0)',
            ValueError,
            "workers must be at least 1, got 0",
        ),
    ],
    "dense": [
        ('fastgrad.dense_forward(1.0, W, B, "relu")', ValueError, "x must have shape (..., fan_in), got ()"),
        ('fastgrad.dense_forward(X, W.T, B, "relu")', ValueError, "weight must have shape (4, any), got (5, 4)"),
        ('fastgrad.dense_forward(X, W, 0, "relu")', ValueError, "bias must have shape (5,), got ()"),
        ('fastgrad.dense_forward(X, W, "relu")', TypeError, "bias must hold real numbers, got dtype <U4"),
        ('fastgrad.dense_forward([[1, 2], [3]], W, B, "relu")', ValueError, "x must be an array, got rows of unequal"),
        ('fastgrad.dense_forward(X, W, B, "relu", out=np.ones((6, 5)))', TypeError, "out must be two arrays, (y, d)"),
        ('fastgrad.dense_forward(X, W, B, "relu", out=5)', TypeError, "out must be two arrays, (y, d), got 1 of type"),
        (
            "fastgrad.dense_backward(X @ W, X @ W, X, W, out=(W, B))",
            TypeError,
            "out must be three arrays, (dx, dweight, ",
        ),
        (
            "fastgrad.dense_backward(X @ W, X @ W, X, W, out=(X, W, X))",
            ValueError,
            "out's dbias must have shape (5,), got",
        ),
        ('fastgrad.dense_forward(X, W, B, "relu", out=2 * (np.ones((6, 5)),))', ValueError, "must not overlap"),
        ("fastgrad.dense_backward(X @ W, X, X, W)", ValueError, "d must have shape (6, 5), got (6, 4)"),
    ],
    "network": [
        ("MLP([4, 3])", ValueError, "sizes must be [n_in, hidden ..., n_out] with a hidden layer, got [4, 3]"),
        ("MLP(4)", TypeError, "sizes must be [n_in, hidden ..., n_out], got 4"),
        ("MLP({4, 5, 3})", TypeError, "sizes must be [n_in, hidden ..., n_out], got {3, 4, 5}"),
        ("MLP([4, 0, 3])", ValueError, "sizes[1] must be at least 1, got 0"),
        ("MLP([4, 5, 1])", ValueError, "the cross-entropy needs at least 2 outputs, one per class, got 1"),
        ('net(backend="compield")', ValueError, "unknown backend 'compield'; did you mean 'compiled'?"),
        ('net(loss="crossentropy")', ValueError, "did you mean 'cross_entropy'?"),
        ("net(activation=np.array([]))", ValueError, "unknown activation array([], dtype=float64); known: sigmoid"),
        ("net(backend=LONG)", ValueError, "... (of type list); known: compiled, numba, numpy"),
        ("net(init=LONG)", ValueError, "... (of type list); known: xavier_normal"),
        ("net(loss=np.array([]))", ValueError, "unknown loss array([], dtype=float64); known: cross_entropy, mse"),
        ("net(seed=LONG)", TypeError, "a seed must be an integer or a numpy.random.SeedSequence, got ['a long name',"),
        ("net(dtype=LONG)", TypeError, "dtype must be float32 or float64, got ['a long name',"),
        ('net(dtype="float16")', TypeError, "dtype must be float32 or float64, got 'float16'"),
        ("net(seed=1.5)", TypeError, "a seed must be an integer or a numpy.random.SeedSequence, got 1.5"),
        ("net(bias_std=True)", TypeError, "bias_std must be a real number, got True"),
        (
            "net(bias_std=1e100).predict(X)",
            ValueError,
            "biases have a standard deviation of 1e+100, which is too large",
        ),
        ("net().predict(X[0])", ValueError, "X must have shape (any, 4), got (4,)"),
        ("net().predict(X[:, :3])", ValueError, "X must have shape (any, 4), got (6, 3)"),
        ("net().predict(X[:0])", ValueError, "X is an empty batch: it has no rows"),
        ("net().predict([[1, 2], [3]])", ValueError, "X must be an array, got rows of unequal length"),
        ("net().predict(None)", TypeError, "X must be an array, got None"),
        ("net().predict(X * 1j)", TypeError, "X must hold real numbers, got dtype complex128"),
        ("net().predict(X.astype(str))", TypeError, "X must hold real numbers, got dtype <U"),
        ("net().predict(X.astype(object))", TypeError, "X must hold real numbers, got dtype object"),
        ("net().predict(holding(np.nan))", ValueError, "X must be finite in float32, but row 2 holds NaN or infinity"),
        ("net().predict(holding(1e300))", ValueError, "X must be finite in float32, but row 2 holds NaN or infinity"),
        (
            "net().gradient_profile(X, Y, recompute=X)",
            TypeError,
            "recompute must be True or False, got array([[",
        ),
        (
            'net(backend="numpy").gradient_profile(X, Y, recompute=True)',
            ValueError,
            "recompute needs the compiled backend",
        ),
        ("net().loss_and_gradients(X, None)", TypeError, "y must be an array, got None"),
        ("net().loss_and_gradients(X, Y[:5])", ValueError, "y must have shape (6,), one label per row of the batch"),
        ("net().loss_and_gradients(X, Y[:, None])", ValueError, "one label per row of the batch, got (6, 1)"),
        ("net().loss_and_gradients(X, Y + 1)", ValueError, "y must hold labels from 0 to 2, but row 2 holds 3"),
        ("net().loss_and_gradients(X, Y - 1)", ValueError, "y must hold labels from 0 to 2, but row 0 holds -1"),
        ("net().loss_and_gradients(X, Y * 1.0)", TypeError, "y must hold integer labels for the cross-entropy, got"),
        ("net().loss_and_gradients(X, np.eye(3)[Y])", TypeError, "y must hold integer labels for the cross-entropy"),
        ('net(loss="mse").loss_and_gradients(X, Y)', ValueError, "y must have shape (6, 3), a column f"),
        ("net().loss_and_gradients(X, Y, out=W)", ValueError, "out must hold a pair (dweight, dbias) per layer"),
        (
            "net().loss_and_gradients(X, Y, out=[(W, B)])",
            ValueError,
            "a dweight of out for each of the 2 layers, go",
        ),
        ("net().loss_and_gradients(X, Y, out=[(W, B)] * 2)", TypeError, "dweight of out must be float32, got float64"),
        (
            "net().loss_and_gradients(X, Y, out=read_only(net()))",
            ValueError,
            "out must hold C-contiguous, aligned",
        ),
        ("net().gradient_profile(X[:0], Y[:0])", ValueError, "X is an empty batch: it has no rows"),
        (
            'replaced("weights", 0, W.T).predict(X)',
            ValueError,
            "layer 1: the weight must have shape (4, 5), got (5, 4)",
        ),
        (
            'replaced("weights", 1, W).loss_and_gradients(X, Y)',
            ValueError,
            "layer 2: the weight must have shape (5, 3)",
        ),
        (
            'replaced("weights", 0, W.T).gradient_profile(X, Y)',
            ValueError,
            "layer 1: the weight must have shape (4, 5)",
        ),
        ('replaced("weights", 0, W).predict(X)', TypeError, "layer 1: the weight must be float32, got float64"),
        ('replaced("weights", 0, W.tolist()).predict(X)', TypeError, "layer 1: the weight must be an array, got list"),
        (
            'replaced("biases", 0, np.ones((6, 5))).predict(X)',
            ValueError,
            "layer 1: the bias must have shape (5,), got",
        ),
        ("with_arrays(weights=[W]).predict(X)", ValueError, "there must be a weight for each of the 2 layers, got 1"),
        ("with_arrays(weights=3).predict(X)", TypeError, "weight must be several values, got 3"),
        (
            'replaced("biases", 1, np.full(3, np.inf, "f")).gradient_profile(X, Y)',
            ValueError,
            "layer 2: biases must be",
        ),
    ],
    "losses": [
        ("losses.cross_entropy([1.0, 2.0], [0, 1])", ValueError, "outputs must have shape (any, any), got (2,)"),
        ("losses.cross_entropy([[1, 2], [3]], [0, 0])", ValueError, "outputs must be an array, got rows of unequal"),
        ("losses.cross_entropy([[1, 2]], [2])", ValueError, "labels must hold labels from 0 to 1, but row 0 holds 2"),
        ("losses.cross_entropy([[1, 2]], None)", TypeError, "labels must be an array, got None"),
        ("losses.mse([[1, 2]], [1, 2])", ValueError, "targets must have shape (1, 2), got (2,)"),
        ("losses.mse([[1, 2]], [[1, np.nan]])", ValueError, "targets must be finite in float64, but row 0 holds NaN"),
    ],
    "measure": [
        ('measure("relu", "he_normal", 0, 8, X, Y)', ValueError, "depth must be at least 1, got 0"),
        ('measure("relu", "he_normal", 2, 8.0, X, Y)', TypeError, "width must be an integer, got 8.0"),
        (
            'measure("relu", "he_normal", 2, 8, X, Y, seeds=5)',
            TypeError,
            "seeds must be several values, got 5; for one",
        ),
        (
            'measure("relu", "he_normal", 2, 8, X, Y, seeds=[])',
            ValueError,
            "seeds must name at least one seed, got none",
        ),
        (
            'measure("relu", "he_normal", 2, 8, X, Y, seeds=[1, 2, 1])',
            ValueError,
            "seeds must differ, but 1 is there tw",
        ),
        ('measure("relu", "he_normal", 2, 8, X[0], Y)', ValueError, "X must have shape (any, any), got (4,)"),
        (
            'measure("relu", "he_normal", 2, 8, X[:, :0], Y)',
            ValueError,
            "X must have at least one feature, got shape (6,",
        ),
        ('measure("relu", "he_normal", 2, 8, X, None)', TypeError, "y must be an array, got None"),
        ('measure("relu", "he_normal", 2, 8, X, Y, n_out=2)', ValueError, "y must hold labels from 0 to 1, but row 2"),
        ('measure("relu", "he_normal", 2, 8, X, Y, n_out=2.5)', TypeError, "n_out must be an integer, got 2.5"),
    ],
    "theory": [
        ('theory.chi("rleu", weight_variance=1)', ValueError, "unknown activation 'rleu'; did you mean 'relu'?"),
        ('theory.chi("relu", weight_variance=-1)', ValueError, "weight_variance must be at least 0, got -1"),
        ('theory.chi("relu", weight_variance=1, q=-1)', ValueError, "q must be finite and at least 0, got -1.0"),
        ('theory.q_map("relu", 1j, weight_variance=1)', TypeError, "q must hold real numbers, got dtype complex128"),
        ('theory.q_map("relu", "1", weight_variance=1)', TypeError, "q must hold real numbers, got dtype <U1"),
        ('theory.predict("relu", "he_normal", 5)', TypeError, "sizes must be [n_in, hidden ..., n_out], got 5"),
        ('theory.predict("relu", "he_normal", [4, 3])', ValueError, "with a hidden layer, got [4, 3]"),
        (
            'theory.predict("relu", "he_normal", [4, 5, 3], q0=[])',
            ValueError,
            "q0 must be one number or one per sample",
        ),
        ('theory.predict("relu", "he_normal", [4, 5, 3], q0=W)', ValueError, "one per sample, got shape (4, 5)"),
        ('theory.predict("relu", "he_normal", [4, 5, 3], X, q0=1)', ValueError, "give X or q0, not both"),
        (
            'theory.predict("relu", "he_normal", [4, 5, 3], 1e200 * X)',
            ValueError,
            "the mean square of X must be finite",
        ),
        ('theory.predict("relu", "he_normal", [4, 5, 3]).mean_band(0)', ValueError, "seeds must be at least 1, got 0"),
    ],
    "diagnosis, datasets, study": [
        (
            "diagnosis.diagnose(net())",
            TypeError,
            "profile must be a GradientProfile, as network.gradient_profile(X, y)",
        ),
        ("diagnosis.diagnose_network(net(), X, Y[:3])", ValueError, "y must have shape (6,), one label per row"),
        (
            'datasets.load("digit")',
            ValueError,
            "unknown data set 'digit'; did you mean 'digits'? known: digits, mnist5000",
        ),
        ("datasets.load(np.array([]))", ValueError, "unknown data set array([], dtype=float64); known: digits"),
        ('study.Cell("relu", "he_normal", 0)', ValueError, "depth must be at least 1, got 0"),
        ('study.Cell("relu", "he_normal", 3, seeds=5)', TypeError, "seeds must be several values, got 5; for one give"),
        ('study.Cell("relu", "he_normal", 3, seeds=(0.5,))', TypeError, "a seed must be an integer or a numpy.random"),
        ('study.Cell("relu", "he_normal", 3, seeds=(0, 0))', ValueError, "seeds must differ, but 0 is there twice"),
        ('study.Cell("relu", "he_normal", 3, dtype="float16")', ValueError, "unknown dtype 'float16'; did you mean"),
        ('study.Cell("rleu", "he_normal", 3)', ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
        (
            'study.grid("relu", ["he_normal"], [3])',
            TypeError,
            "activations must be several values, got 'relu'; for one",
        ),
        ('study.grid(["relu"], ["he_normal"], 3)', TypeError, "depths must be several values, got 3; for one give [3]"),
        ("sweeps.run_study([3])", TypeError, "cells must be Cell records, got 3"),
        (
            'sweeps.run_study([study.Cell("relu", "he_normal", 3, batch=9999)])',
            ValueError,
            "batch must be at most the 179",
        ),
        ('study.Cell("relu", "he_normal", 3, bias_std=-1)', ValueError, "bias_std must be at least 0, got -1"),
        ("fastgrad.sigmiod", AttributeError, "module 'fastgrad' has no attribute 'sigmiod'"),
    ],
    "training": [
        ("fit(net(), holding(np.nan), Y)", ValueError, "X must be finite in float32, but row 2 holds NaN or infinity"),
        ("fit(net(loss='mse'), X, holding(np.nan)[:, :3])", ValueError, "y must be finite in float32, but row 2 holds"),
        ("fit(net(), X, Y * 1.0)", TypeError, "y must hold integer labels for the cross-entropy, got dtype float64"),
        (
            "fit(net(), X, Y % 2, batch_size=2)",
            ValueError,
            "no training row has label 2, but the network has 3 outputs",
        ),
        ("fit(net(), X[:1], Y[:1])", ValueError, "batch_size must be at most the 1 training rows, got 32"),
        ("fit(net(), X[:, :0], Y)", ValueError, "X must have shape (any, 4), got (6, 0)"),
        ("fit(net(), X, Y, batch_size=7)", ValueError, "batch_size must be at most the 6 training rows, got 7"),
        ("fit(net(), X, Y, learning_rate=-0.1)", ValueError, "learning_rate must be greater than 0, got -0.1"),
        ("fit(net(), X, Y, learning_rate='fast')", TypeError, "learning_rate must be a real number, got 'fast'"),
        ("fit(net(), X, Y, epochs=0)", ValueError, "epochs must be at least 1, got 0"),
        ("fit(net(), X, Y, optimizer='adma')", ValueError, "unknown optimizer 'adma'; did you mean 'adam'?"),
        ("fit(net(), X, Y, schedule='cosin')", ValueError, "unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("fit(net(), X, Y, schedule=lambda e: -1.0)", ValueError, "schedule(0) must be at least 0, got -1.0"),
        ("fit(net(), X, Y, weight_decay=-1)", ValueError, "weight_decay must be at least 0, got -1"),
        ("fit(net(), X, Y, validation=1.5)", ValueError, "validation must leave rows to train on, but hold out 1.5 of"),
        (
            "fit(net(), X, Y, validation=0.01)",
            ValueError,
            "validation=0.01 of 6 rows is 0: there must be a row on both",
        ),
        ("fit(net(), X, Y, test=(X,))", ValueError, "test must be a share of the rows or a pair (X, y), got 1 things"),
        ("fit(net(), X, Y, test=(X, Y[:3]))", ValueError, "y must have shape (6,), one label per row of the batch"),
        ("fit(net(), X, Y, patience=0)", ValueError, "patience must be at least 1, got 0"),
        ("fit(net(), X, Y, seed=-1)", ValueError, "a seed must be at least 0, got -1"),
        (
            "fit(net(), X, Y, batch_size=6, monitor=3)",
            TypeError,
            "monitor must be a GradientMonitor, True or False, got",
        ),
        ("fit(net(), X, Y, batch_size=6, checkpoint=3)", TypeError, "checkpoint must be the path of a file, got 3"),
        ("fit(net(), X, Y, batch_size=6, shuffle=X)", TypeError, "shuffle must be True or False, got array([["),
        ("fit(net(), X, Y, batch_size=6, resume='no')", TypeError, "resume must be True or False, got 'no'"),
        (
            "fit(net(), X, Y, optimizer=np.array([]))",
            ValueError,
            "unknown optimizer array([], dtype=float64); known: sgd",
        ),
        ("fit('net', X, Y)", TypeError, "net must be an MLP, got str"),
        ("fastgrad.optimizer('sgd', momentum=0.9)", TypeError, "sgd takes no option, got momentum"),
        ("fastgrad.optimizer('adam', beta_1=1.0)", ValueError, "beta_1 must be below 1, got 1.0"),
        ("fastgrad.optimizer('adam', epsilon=0)", ValueError, "epsilon must be greater than 0, got 0"),
        ("fastgrad.GradientMonitor(X)", TypeError, "X and y must be given together, got one of them"),
        ("fastgrad.GradientMonitor(X, Y[:2])", ValueError, "X and y must have as many rows, got 6 and 2"),
        ("fastgrad.GradientMonitor([], set())", ValueError, "X and y must have as many rows, got 0 and a single value"),
        ("fastgrad.GradientMonitor(every=0)", ValueError, "every must be at least 1, got 0"),
        (
            "fastgrad.GradientMonitor().measure(0, net())",
            ValueError,
            "there are no rows to measure on: give X and y to",
        ),
        (
            "fastgrad.GradientMonitor(X, Y).measure(0, ([W], [B]))",
            ValueError,
            "the network does not say its activation",
        ),
        (
            "fastgrad.GradientMonitor(X, Y).measure(0, 3)",
            TypeError,
            "network must be an MLP, (weights, biases) or a model",
        ),
        (
            "fastgrad.GradientMonitor().feed(0, [])",
            ValueError,
            "weight_gradients must hold an array per layer, got none",
        ),
        (
            "fastgrad.GradientMonitor().feed(0, [W], deltas=[X, X])",
            ValueError,
            "deltas must hold 1 arrays, one per layer",
        ),
        ("fastgrad.GradientMonitor().feed(0, [W], weight_decay=1)", ValueError, "weight_decay needs the weights: give"),
        (
            "fastgrad.GradientMonitor().feed(0, [W * np.nan])",
            ValueError,
            "weight_gradients of layer 1 must hold finite",
        ),
        ("trends.trend([1.0, np.nan])", ValueError, "losses must be a list of finite numbers, none below 0"),
        (
            "trends.trend([1.0, 0.5], plateau=0.5)",
            ValueError,
            "plateau and slow must be 0 < plateau < slow < 1, got 0.5",
        ),
        (
            "repair.repair(net(), X, Y, checkpoint='run')",
            ValueError,
            "repair trains several networks: checkpoint must be",
        ),
    ],
    "embedding": [
        ('ffi.low_level_callable("tahn")', ValueError, "unknown activation 'tahn'; did you mean 'tanh'?"),
        ('ffi.low_level_callable("tanh", "slope")', ValueError, "unknown kind 'slope'; known: value, derivative"),
        ('ffi.low_level_callable("elu", alpha=-1)', ValueError, "alpha must be between 0 and 2**100, got -1"),
        ('ffi.low_level_callable("relu", alpha=1)', TypeError, "relu takes no parameter, got alpha"),
    ],
    "sweeps": [
        ("plan.grid(depht=3)", ValueError, "unknown axis 'depht'; did you mean 'depth'?"),
        ("plan.grid(depth=0)", ValueError, "depth must be at least 1, got 0"),
        ("plan.grid(gain=[1, np.nan])", ValueError, "gain must be finite, got nan"),
        ('plan.grid(init="he_normal", gain=2)', ValueError, "gain does not apply to he_normal"),
        ("plan.grid(depth=[])", ValueError, "depth must have at least one value, got none"),
        ('plan.grid(gain={"from": 1})', ValueError, "gain as a table takes start, stop and num, got from"),
        ('plan.grid(seeds="5")', TypeError, "seeds must be an integer, got '5'"),
        ("plan.read(3)", TypeError, "a plan is the path of a TOML file, a mapping of axes or several of them, got 3"),
        ("plan.read([])", ValueError, "the plan has no grid"),
        ('plan.read({"batch": 9999})', ValueError, "batch must be at most the 1797 rows of 'digits', got 9999"),
        (
            'plan.read({"depth": range(1, 10**4), "width": range(1, 10**4), "seeds": [[0], [1]]})',
            ValueError,
            "years on one core; at most",
        ),
        ('fastgrad.sweep("a.db")', TypeError, "give a plan or the axes of a grid, one of the two"),
        ('fastgrad.sweep("a.db", depth=3, workers=0)', ValueError, "workers must be at least 1, got"),
        ('fastgrad.sweep("/proc/fastgrad/a.db", depth=3)', OSError, "cannot make the folder of /proc/fastgrad/a.db"),
        ("fastgrad.load()", TypeError, "load needs the path of a store"),
        ('fastgrad.load("/none.db")', OSError, "there is no store /none.db"),
        (
            'frames.export(["/none.db"], "a.txt")',
            ValueError,
            "the file must end in .parquet, .csv, .nc, or say the for",
        ),
        (
            'frames.export(["/none.db"], "a.csv", "xls")',
            ValueError,
            "unknown format 'xls'; known: parquet, csv, netcdf",
        ),
    ],
}
ROWS = [row for rows in CALLS.values() for row in rows]

COMMANDS = {
    "decay --activation rleu": "unknown activation 'rleu'; did you mean 'relu'?",
    "decay --init xavier_norml": "unknown initializer 'xavier_norml'; did you mean 'xavier_normal'?",
    "decay --depth 0": "Invalid value for '--depth' / '-d': 0 is not in the range x>=1",
    "decay --width ten": "Invalid value for '--width': 'ten' is not a valid integer",
    "decay --seeds -1": "Invalid value for '--seeds': -1",
    "decay --batch 5000": "batch must be at most the 1797 rows of 'digits', got 5000",
    "decay --data mnist": "unknown data set 'mnist'; did you mean 'mnist5000'? known: digits",
    "decay --dtype float16": "'float16' is not one of 'float32', 'float64'",
    "decay --backend cuda": "unknown backend 'cuda'; known: compiled, numba, numpy",
    "decay --activation elu --alpha -1": "alpha must be between 0 and 2**100, got -1.0",
    "decay --activation relu --alpha 1": "alpha does not apply to relu",
    "decay --init xavier_normal --gain 1e300": "gain must be at most 2**500, got 1e+300",
    "decay --init normal --std 1e100 --depth 2 --data normal": "which is too large for float32",
    "decay --init normal --std nan": "std must be finite, got nan",
    "decay --dpeth 3": "No such option",
    "decay tanh": "Got unexpected extra argument (tanh)",
    "run --workers 0": "Invalid value for '--workers': 0",
    "train --activation rleu": "unknown activation 'rleu'; did you mean 'relu'?",
    "train --data minst5000": "unknown data set 'minst5000'; did you mean 'mnist5000'?",
    "train --batch 5000": "batch_size must be at most the 1438 training rows, got 5000",
    "train --learning-rate -1": "learning_rate must be greater than 0, got -1.0",
    "train --epochs 0": "Invalid value for '--epochs': 0 is not in the range x>=1",
    "train --optimizer adma": "unknown optimizer 'adma'; did you mean 'adam'?",
    "train --validation 0.9": "validation and test must leave rows to train on, but hold out 1.1 of them",
    "train --repair --checkpoint run.npz": "--checkpoint keeps one run, but --repair trains several",
    "train --checkpoint /missing/run.npz": "--checkpoint: there is no folder /missing",
    "speed training --network 3": "--network must be 2 whole numbers as in 3,64, got '3'",
    "speed training --peer keras": "unknown peer 'keras'",
    "config": "give one of --cflags, --libs, --library-dir, --include-dir",
    "config --cflgas": "unrecognized arguments: --cflgas",
    "sweep none.toml a.db": "File 'none.toml' does not exist",
    "export none.db a.csv": "there is no store none.db",
    "export a.db": "Missing argument 'STORE...'",
    "report none.db": "there is no store none.db",
    "report": "Missing argument 'STORE...'",
    "publish --config none.json": "there is no configuration of asv at none.json; --config says where it is",
    "publish --config /": "there is no configuration of asv at /; --config says where it is",
    "publish main": "Got unexpected extra argument (main)",
    "rnu": "No such command 'rnu'",
    "gate main": "Missing argument 'HEAD'",
    "gate nobranch HEAD --allow-dirty": "unknown revision 'nobranch'",
    "gate main HEAD --suite nowhere": "there is no asv.conf.json in nowhere",
    "gate main HEAD --budget soon": "is no duration, such as 90s or 5m",
    "gate main HEAD --strcit": "No such option",
}


def outcome(call):
    """The error that a call ends in, None if there is none."""
    try:
        eval(call, dict(NAMES))
    except Exception as error:
        return error
    return None


def command(line):
    """Exit code, stdout and stderr of a command line."""
    result = click.testing.CliRunner().invoke(commands, line.split())
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(("call", "kind", "fragment"), ROWS, ids=[row[0] for row in ROWS])
def test_wrong_call(call, kind, fragment):
    error = outcome(call)
    assert isinstance(error, kind), f"{call}: {error!r}"
    assert fragment in str(error)
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) <= 320  # the longest list of known names


@pytest.mark.parametrize(("line", "fragment"), COMMANDS.items(), ids=COMMANDS)
def test_wrong_command(line, fragment):
    code, out, err = command(line)
    assert (code, out) == (2, "")
    assert fragment in err
    assert len(err.splitlines()) == 1
    assert err.startswith("fastgrad: ")


def test_no_row_stands_twice():
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("call", ["net().predict(X)", "net().gradient_profile(X[:1], Y[:1])", "fastgrad.elu(X, 1)"])
def test_right_calls_end_in_no_error(call):
    """The table would be worth nothing if ``outcome`` failed on everything."""
    assert outcome(call) is None


def print_table(out=sys.stdout):
    """Every wrong call and its answer."""
    for section, rows in CALLS.items():
        print(f"# {section}", file=out)
        for call, _, _ in rows:
            error = outcome(call)
            print(f"{call}\n    {type(error).__name__}: {error}", file=out)
    print("# commands", file=out)
    for line in COMMANDS:
        code, _, err = command(line)
        print(f"$ fastgrad {line}\n    {code} {err.strip()}", file=out)


def test_the_table_prints(capsys):
    print_table(sys.stdout)
    printed = capsys.readouterr().out
    assert printed.count("\n    ") == len(ROWS) + len(COMMANDS)
    assert "None" not in [line.split(":")[0].strip() for line in printed.splitlines()]


if __name__ == "__main__":
    warnings.simplefilter("error")
    print_table()
