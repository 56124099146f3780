"""The checks that layers, losses, networks, profiles, initializers and theory must pass, as functions.

The tests run them on the package as it is; ``test_saboteurs_network.py`` shows that each of them fails on planted
mistakes. What a check compares with shares no code with the package.
"""

import math
from itertools import pairwise

import mpmath
import numpy as np
import oracle
from scipy import stats
from scipy.integrate import quad
from scipy.special import expit

from fastgrad import losses, measurement, slopes, theory
from fastgrad.activations import ACTIVATIONS, activation
from fastgrad.initializers import initializer
from fastgrad.network import MLP

LIMIT = {"float64": 1e-9, "float32": 5e-5}


# Gradients: complex-step derivatives of formulas written out here. They are analytic in z away from the kink, so
# that Im f(z + ih) / h is f'(z) to rounding (Squire and Trapp 1998).
def _of_complex(name):
    """phi(x + ih) = phi(x) + ih phi'(x), exact for the h taken here."""
    value, derivative = (np.vectorize(oracle.of_float(kind, name), otypes=[float]) for kind in ("value", "derivative"))
    return lambda z: value(z.real) + 1j * z.imag * derivative(z.real)


COMPLEX = {name: _of_complex(name) for name in ACTIVATIONS} | {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z.real > 0, z, 0),
    "leaky_relu": lambda z: np.where(z.real > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z.real > 0, z, np.exp(z) - 1),
}


def complex_loss(name, loss, parameters, X, y):
    """The loss from formulas of its own, for complex parameters."""
    h = X
    for weight, bias in parameters[:-1]:
        h = COMPLEX[name](h @ weight + bias)
    o = h @ parameters[-1][0] + parameters[-1][1]
    if loss == "mse":
        return np.mean((o - y) ** 2)
    return np.mean(np.log(np.exp(o).sum(axis=1)) - o[np.arange(len(y)), y])


def complex_step_gradients(name, loss, parameters, X, y):
    parameters = [[a.astype(np.complex128) for a in pair] for pair in parameters]
    gradients = []
    for pair in parameters:
        gradients.append([])
        for array in pair:
            gradient = np.empty(array.shape)
            for index in np.ndindex(array.shape):
                kept = array[index]
                array[index] += 1e-30j
                gradient[index] = complex_loss(name, loss, parameters, X, y).imag / 1e-30
                array[index] = kept
            gradients[-1].append(gradient)
    return complex_loss(name, loss, parameters, X, y).real, gradients


def assert_close(got, want, limit):
    """In norm, and every entry relative to the tensor's largest."""
    error = np.abs(got.astype(np.float64) - want)
    assert got.shape == want.shape
    assert np.linalg.norm(error) <= limit * np.linalg.norm(want)
    assert error.max() <= limit * np.abs(want).max()


def assert_all_close(got, want, limit):
    """Tensor by tensor of [(dweight, dbias), ...]."""
    for one, other in zip(got, want, strict=True):
        for g, w in zip(one, other, strict=True):
            assert_close(g, w, limit)


def data(loss, n_in=3, n_out=3, batch=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((batch, n_in)).astype(np.float32)  # exact in both dtypes
    y = rng.integers(0, n_out, batch) if loss == "cross_entropy" else rng.integers(-4, 4, (batch, n_out)) / 4
    return X, y


def gradients(name, loss, dtype, backend, sizes=(3, 5, 4, 3)):
    """Loss and every gradient of a network are those of a complex step."""
    net = MLP(sizes, name, "xavier_normal", seed=1, dtype=dtype, loss=loss, bias_std=0.3, backend=backend)
    X, y = data(loss, sizes[0], sizes[-1])
    value, found = net.loss_and_gradients(X, y)
    parameters = list(zip(net.weights, net.biases, strict=True))
    want, want_gradients = complex_step_gradients(name, loss, parameters, X.astype(np.float64), y)
    assert abs(value / want - 1) <= LIMIT[dtype]
    assert_all_close(found, want_gradients, LIMIT[dtype])
    assert all(g.dtype == dtype for pair in found for g in pair)


# Losses: mpmath.
def exact_cross_entropy(outputs, labels, exponent=0):
    """Loss and delta by mpmath; outputs are taken exactly."""
    with mpmath.workdps(400):
        loss, delta = mpmath.mpf(0), []
        for row, label in zip(outputs.tolist(), labels.tolist(), strict=True):
            o = [mpmath.mpf(v) * mpmath.mpf(2) ** exponent for v in row]
            top = max(o)
            e = [mpmath.exp(v - top) for v in o]
            total = mpmath.fsum(e)
            loss += mpmath.log(total) - (o[label] - top)
            others = mpmath.fsum(v for j, v in enumerate(e) if j != label)
            delta.append([(-others if j == label else v) / total / len(outputs) for j, v in enumerate(e)])
        return loss / len(outputs), delta


def exact_mse(outputs, targets, exponent=0):
    with mpmath.workdps(60):
        r = [
            [mpmath.mpf(o) * mpmath.mpf(2) ** exponent - mpmath.mpf(t) for o, t in zip(row, goal, strict=True)]
            for row, goal in zip(outputs.tolist(), targets.tolist(), strict=True)
        ]
        loss = mpmath.fsum(v**2 for row in r for v in row) / outputs.size
        return loss, [[2 * v / outputs.size for v in row] for row in r]


def assert_delta_close(delta, k, exact, limit):
    """Every entry that is not below 2^-100 of the largest, relative to itself."""
    with mpmath.workdps(60):
        largest = max(abs(v) for row in exact for v in row)
        for got, want in zip(np.ravel(delta).tolist(), (v for row in exact for v in row), strict=True):
            error = abs(mpmath.mpf(got) * mpmath.mpf(2) ** k - want)
            assert error <= limit * abs(want) + mpmath.mpf(2) ** -100 * largest


def cross_entropy_close(outputs, labels):
    """Loss and delta of these outputs are mpmath's, also where exponentials overflow or the softmax rounds to 1."""
    outputs, labels = np.array(outputs), np.array(labels)
    loss, delta, k = losses.SCALED["cross_entropy"](outputs, labels)
    exact_loss, exact = exact_cross_entropy(outputs, labels)
    assert abs(loss / exact_loss - 1) <= 1e-13
    assert_delta_close(delta, k, exact, 1e-11)


# Profiles: forward and backward in 40 digits with mpmath's unbounded exponents.
MP = {name: tuple(oracle.at_default(kind, name) for kind in ("value", "derivative")) for name in ACTIVATIONS}


def product(a, b):
    columns = list(zip(*b, strict=True))
    return [[mpmath.fdot(row, column) for column in columns] for row in a]


def log10_rms(a):
    values = [v for row in a for v in row]
    return float(mpmath.log10(mpmath.fsum(values, squared=True) / len(values)) / 2)


def exact_profile(net, X, y):
    """log10 RMS of delta, dL/dW and z per layer."""
    with mpmath.workdps(40):
        phi, slope = MP[net.activation.name]
        weights = [[[mpmath.mpf(v) for v in row] for row in w.tolist()] for w in net.weights]
        h = [[mpmath.mpf(v) for v in row] for row in X.tolist()]
        hs, zs = [h], []
        for weight, bias in zip(weights, net.biases, strict=True):
            z = [[v + b for v, b in zip(row, bias.tolist(), strict=True)] for row in product(hs[-1], weight)]
            zs.append(z)
            hs.append([[phi(v) for v in row] for row in z])
        delta = []
        for row, target in zip(zs[-1], y.tolist(), strict=True):
            if net.loss == "mse":
                delta.append([2 * (v - t) / (len(X) * len(row)) for v, t in zip(row, target, strict=True)])
                continue
            e = [mpmath.exp(v - max(row)) for v in row]
            others = mpmath.fsum(v for j, v in enumerate(e) if j != target)
            delta.append([(-others if j == target else v) / mpmath.fsum(e) / len(X) for j, v in enumerate(e)])
        log_delta, log_weight = [], []
        for layer in reversed(range(len(weights))):
            log_delta.insert(0, log10_rms(delta))
            log_weight.insert(0, log10_rms(product(list(zip(*hs[layer], strict=True)), delta)))
            if layer:
                dh = product(delta, list(zip(*weights[layer], strict=True)))
                rows = zip(dh, zs[layer - 1], strict=True)
                delta = [[g * slope(v) for g, v in zip(*row, strict=True)] for row in rows]
        return np.array(log_delta), np.array(log_weight), np.array([log10_rms(z) for z in zs])


def profile_close(net, X, y):
    """The profile is mpmath's, in decades: 1e-9 in float64, 1e-3 in float32, where 1e-7 per layer adds up."""
    profile = net.gradient_profile(X, y)
    limit = {"float64": 1e-9, "float32": 1e-3}[net.dtype.name]
    got = profile.log10_delta, profile.log10_weight_gradient, profile.log10_signal
    for g, w in zip(got, exact_profile(net, X, y), strict=True):
        assert np.abs(g - w).max() <= limit
    return profile


def deep_profile(activation, init, depth, **options):
    """:func:`profile_close` of narrow networks whose numbers leave the float range."""
    net = MLP([5, *[10] * depth, 3], activation, init, 1, backend="numpy", **options)
    rng = np.random.default_rng(0)
    profile_close(net, rng.standard_normal((3, 5)).astype(np.float32), rng.integers(0, 3, 3))


def saturated_profile():
    """tanh at z = 12, where y is 1 in float32 and the derivative 1.5e-10."""
    net = MLP([5, 10, 10, 10, 3], "tanh", "xavier_normal", backend="numpy")
    net.biases[1][:] = 12.0
    rng = np.random.default_rng(0)
    profile_close(net, rng.standard_normal((3, 5)).astype(np.float32), rng.integers(0, 3, 3))


def raw_profile(name, backend, dtype="float64"):
    """Every number of a profile by float64 NumPy and formulas of this file, as it is and not relative to a layer.

    No two widths are alike, nor is one the batch; of the third hidden layer four units are dead, or far in a tail.
    """
    sizes, batch = (4, 9, 7, 11, 5, 3), 6
    net = MLP(sizes, name, "he_normal", seed=5, dtype=dtype, bias_std=0.5, backend=backend)
    net.biases[2][:4] = -40.0
    X, y = data("cross_entropy", sizes[0], sizes[-1], batch)
    profile = net.gradient_profile(X, y)
    slope = np.vectorize(SLOPE[name], otypes=[float])
    hs, zs = [X.astype(np.float64)], []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        zs.append(hs[-1] @ weight + bias)
        hs.append(np.vectorize(PHI[name], otypes=[float])(zs[-1]))
    p = np.exp(zs[-1]) / np.exp(zs[-1]).sum(axis=1, keepdims=True)
    deltas = [(p - np.eye(sizes[-1])[y]) / batch]
    for layer in range(len(zs) - 1, 0, -1):
        deltas.insert(0, deltas[0] @ net.weights[layer].T.astype(np.float64) * slope(zs[layer - 1]))
    gradients = [h.T @ delta for h, delta in zip(hs, deltas, strict=False)]
    limit = {"float64": 1e-12, "float32": 2e-5}[dtype]
    for found, true in (
        (profile.log10_delta, deltas),
        (profile.log10_weight_gradient, gradients),
        (profile.log10_signal, zs),
    ):
        assert np.abs(found - [0.5 * np.log10(np.mean(a**2)) for a in true]).max() <= limit
    bound, curved = activation(name).derivative_bound, activation(name).facts.saturates != "never"
    saturated = [np.mean(slope(z) < bound / 100) if curved else 0.0 for z in zs[:-1]]
    dead = [np.mean((slope(z) == 0).all(axis=0)) for z in zs[:-1]]
    assert np.abs(profile.saturated_fraction - saturated).max() <= 1e-15
    assert np.abs(profile.dead_fraction - dead).max() <= 1e-15
    assert (saturated[2] if curved else dead[2] if name == "relu" else 1) >= 4 / 11


def slope_of_hidden_layers():
    """Least squares over the hidden layers only: the output layer's delta is the loss's, not the depth's."""
    bent = np.array([-3.0, -2.5, -1.0, -2.0, 5.0])
    assert abs(slopes.decades_per_layer(bent) / np.polyfit(range(4), bent[:-1], 1)[0] - 1) <= 1e-14
    assert slopes.decades_per_layer(np.array([-8.0, -6.0, -4.0, -2.0, -1.0])) == 2.0


def means_over_seeds():
    """Means of logarithms, their standard errors, and Student's interval, from profiles measured one by one."""
    X, y = data("cross_entropy", 20, 10, 16)
    measured = measurement.measure("tanh", "he_normal", 7, 16, X, y, seeds=range(6), n_out=10, backend="numpy")
    profiles = [
        MLP([20, *[16] * 7, 10], "tanh", "he_normal", seed=s, backend="numpy").gradient_profile(X, y) for s in range(6)
    ]
    for name in ("log10_delta", "log10_weight_gradient", "log10_signal", "saturated_fraction", "dead_fraction"):
        values = np.array([getattr(p, name) for p in profiles])
        assert np.array_equal(getattr(measured, name), values.mean(axis=0))
        if name.startswith("log10"):
            assert np.abs(getattr(measured, f"{name}_sem") / stats.sem(values, axis=0) - 1).max() <= 1e-12
    slopes = [p.decades_per_layer for p in profiles]
    want = stats.t.interval(0.95, 5, np.mean(slopes), stats.sem(slopes))
    assert np.abs(np.array(measured.decades_per_layer_interval) / want - 1).max() <= 1e-12
    assert abs(measured.decades_per_layer / np.mean(slopes) - 1) <= 1e-14
    assert abs(measured.decades_lost / np.mean([p.decades_lost for p in profiles]) - 1) <= 1e-14


# Initializers: the draws themselves.
SHAPE = (300, 700)
# Variance of each rule at its defaults, written out here from the papers and the frameworks' sources.
VARIANCE = {
    "xavier_normal": 2 / 1000,
    "xavier_uniform": 2 / 1000,
    "he_normal": 2 / 300,
    "he_uniform": 2 / 300,
    "lecun_normal": 1 / 300,
    "keras_he_normal": 2 / 300,
    "keras_glorot_normal": 2 / 1000,
    "keras_dense": 2 / 1000,
    "torch_linear": 1 / 900,
    "normal": 0.01**2,
}
# Kurtosis of the three distributions; truncated at 2 sigma: E z^4 / (E z^2)^2 on (-2, 2).
PHI_2 = math.exp(-2) / math.sqrt(2 * math.pi)
MASS = math.erf(math.sqrt(2))
SECOND = 1 - 4 * PHI_2 / MASS
FOURTH = 3 * SECOND - 16 * PHI_2 / MASS
KURTOSIS = {"normal": 3.0, "uniform": 1.8, "truncated": FOURTH / SECOND**2}
DISTRIBUTION = {
    **dict.fromkeys(("xavier_normal", "he_normal", "normal"), "normal"),
    **dict.fromkeys(("xavier_uniform", "he_uniform", "torch_linear", "keras_dense"), "uniform"),
    **dict.fromkeys(("lecun_normal", "keras_he_normal", "keras_glorot_normal"), "truncated"),
}


def initial_weights(name, dtype):
    """210,000 draws: the variance has a relative standard error of sqrt((kurtosis - 1) / n) <= 0.31 %."""
    rule = initializer(name)
    weight = rule.weight(SHAPE, rng=1, dtype=dtype)
    assert weight.shape == SHAPE
    assert weight.dtype == dtype
    n, kurtosis, variance = weight.size, KURTOSIS[DISTRIBUTION[name]], VARIANCE[name]
    assert abs(rule.weight_variance(*SHAPE) / variance - 1) <= 1e-14
    w = weight.astype(np.float64)
    assert abs(w.mean()) <= 5 * math.sqrt(variance / n)
    assert abs(np.mean(w**2) / variance - 1) <= 5 * math.sqrt((kurtosis - 1) / n)
    assert abs(np.mean(w**4) / np.mean(w**2) ** 2 / kurtosis - 1) <= 0.03


def layers_differ():
    """Every layer has a stream of its own, and weights and biases have too."""
    net = MLP([6, 6, 6, 6], init="he_normal", bias_std=1.0, seed=3, backend="numpy")
    drawn = [a.ravel()[:6].astype(np.float64) for a in (*net.weights, *net.biases)]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert abs(one @ other) <= 0.999 * np.linalg.norm(one) * np.linalg.norm(other)


# Theory: adaptive quadrature of one float at a time, cut where a factor changes its scale.
PHI = {name: oracle.of_float("value", name) for name in ACTIVATIONS} | {
    "sigmoid": lambda x: expit(x),
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
}
SLOPE = {name: oracle.of_float("derivative", name) for name in ACTIVATIONS} | {
    "sigmoid": lambda x: expit(x) * expit(-x),
    "tanh": lambda x: 1 / math.cosh(x) ** 2 if abs(x) < 300 else 0.0,
    "relu": lambda x: 1.0 if x > 0 else 0.0,
    "leaky_relu": lambda x: 1.0 if x > 0 else 0.01,
    "elu": lambda x: 1.0 if x > 0 else math.exp(x),
}


def mean(f, q):
    """E f(x), x ~ Normal(0, q), by adaptive quadrature."""
    s = math.sqrt(q)
    cuts = {0, 0.01, 0.1, 0.5, 1.5, 3, 5, 7, 10, *(c / s for c in (0.5, 1, 2, 4, 8, 16, 32))}

    def both_sides(z):
        return (f(s * z) + f(-s * z)) * math.exp(-z * z / 2)

    parts = pairwise(sorted(c for c in cuts if c <= 10))
    total = math.fsum(quad(both_sides, *part, epsabs=0, epsrel=1e-13, limit=200)[0] for part in parts)
    return total / math.sqrt(2 * math.pi)


def relative(got, want):
    return abs(got / want - 1)


def theory_of_one_layer(name, q=0.7):
    """The q map and chi are their defining integrals."""
    phi, slope = PHI[name], SLOPE[name]
    variances = {"weight_variance": 1.7, "bias_variance": 0.2}
    assert relative(theory.q_map(name, q, **variances), 1.7 * mean(lambda x: phi(x) ** 2, q) + 0.2) <= 1e-12
    assert relative(theory.chi(name, q=q, **variances), 1.7 * mean(lambda x: slope(x) ** 2, q)) <= 1e-12


def theory_of_two_layers(name="tanh"):
    """Layers that are not square, by hand: forwards with N_l, backwards with N_(l+1), each its own variance."""
    widths, q1 = [7, 40, 90, 3], 0.8 / 3 + 1 / 21
    q2 = mean(lambda x: PHI[name](x) ** 2, q1) / 3 + 1 / 120
    last = 3 / (3 * 90) * mean(lambda x: SLOPE[name](x) ** 2, q2)
    first = 90 / (3 * 40) * mean(lambda x: SLOPE[name](x) ** 2, q1) * last
    found = 10 ** (2 * theory.predict(name, "torch_linear", widths, q0=0.8).log10_delta_ratio)
    assert (relative(found, np.array([first, last, 1.0])) <= 1e-12).all()


def layers_that_are_not_square(init="he_normal"):
    """Widths 64-300-150-300-...: the mean over 20 networks lies in theory's band at each layer, both sides of it."""
    sizes, rng = [64, *[300, 150] * 6, 10], np.random.default_rng(0)
    X, y = rng.standard_normal((16, 64)), rng.integers(0, 10, 16)
    profiles = [MLP(sizes, "tanh", init, seed).gradient_profile(X, y).log10_delta for seed in range(20)]
    low, high = theory.predict("tanh", init, sizes, X).mean_band(20)
    found = np.mean(profiles, axis=0)
    found -= found[-1]
    assert ((low[:-1] <= found[:-1]) & (found[:-1] <= high[:-1])).all()
