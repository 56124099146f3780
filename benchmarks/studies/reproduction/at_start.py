"""What shows in networks that have not been trained: laws of chi, layer Jacobians, speeds of the layers."""

from itertools import pairwise

import numpy as np

from benchmarks.studies.reproduction.findings import Curve, Reproduction, order, predicted, printed, within
from fastgrad import theory
from fastgrad.datasets import load
from fastgrad.dense import dense_forward
from fastgrad.measurement import measure
from fastgrad.network import MLP

WIDTH, SEEDS, BATCH = 256, 20, 64
BAND = f"95 % band, {SEEDS} networks"
SHRINKS = "their singular value, as printed, to the third power"


def chi_laws() -> Reproduction:
    """Constant, exponential and power laws of delta with depth, from mean-field theory, at width 256 over 20 seeds.

    Of the constants (1/2, 1, 1/6 for ReLU) and the powers (tanh's 1/l, ELU's 1/l^2) theory makes numbers at this depth.
    """
    X, y = (array[:BATCH] for array in load("digits"))
    findings, curves = [], []
    for phi, init, depth in (
        ("sigmoid", "xavier_normal", 20),
        ("relu", "xavier_normal", 30),
        ("relu", "he_normal", 30),
        ("relu", "torch_linear", 30),
        ("tanh", "he_normal", 30),
    ):
        measured = measure(phi, init, depth, WIDTH, X, y, seeds=range(SEEDS), n_out=10)
        prediction = _prediction(phi, init, depth, X)
        decades = (prediction.decades_per_layer, measured.decades_per_layer)
        chi, ours, low, high = (10 ** (-2 * d) for d in (*decades, *prediction.decades_per_layer_band(SEEDS)[::-1]))
        findings.append(predicted(f"chi of {phi}, {init}", chi, ours, low, high, BAND))
        curves += _curves(f"{phi} {init}", measured, prediction)
    for phi, power in (("tanh", 1), ("elu", 2)):
        depth = 100
        X = np.random.default_rng(0).standard_normal((BATCH, WIDTH))  # q = 1 in the first layer, as the factors want it
        measured = measure(phi, "xavier_normal", depth, WIDTH, X, y, seeds=range(SEEDS), n_out=10)
        prediction = _prediction(phi, "xavier_normal", depth, X)
        log10 = np.array([-prediction.decades_lost, -measured.decades_lost, *_band(prediction)])
        what = f"|delta_1/delta_l|^2 times l{'^2' if power == 2 else ''}, l = {depth}: {phi}, xavier_normal"
        factor, ours, low, high = 10 ** (2 * log10) * depth**power
        findings.append(predicted(what, factor, ours, low, high, BAND))
        curves += _curves(f"{phi} xavier_normal", measured, prediction)
    return Reproduction(
        "chi", "Laws of delta with depth", "mean-field theory as in Schoenholz et al. 2017",
        tuple(findings), tuple(curves), ("layer", "log10 of delta over the output's"),
    )  # fmt: skip


def _prediction(phi, init, depth, X):
    return theory.predict(phi, init, [X.shape[1], *[WIDTH] * depth, 10], X)


def _band(prediction):
    """Of the mean over the seeds of log10 of delta in the first hidden layer over the last's."""
    around = [end[0] - prediction.log10_delta_ratio[0] for end in prediction.mean_band(SEEDS)]
    return [offset - prediction.decades_lost for offset in around]


def _curves(label, measured, prediction):
    layers = range(1, len(measured.log10_delta) + 1)
    ours = measured.log10_delta - measured.log10_delta[-1]
    return Curve(label, layers, ours.tolist()), Curve("", layers, prediction.log10_delta_ratio.tolist(), dashed=True)


def jacobians() -> Reproduction:
    """The average singular value of a tanh layer's Jacobian, and what of the gradients shrinks towards the input."""
    X, y = _pixels()
    findings, curves = [], []
    for name, theirs in (("standard", 0.5), ("normalised", 0.8)):
        net = _glorot_network(name, [784, *[500] * 4, 10])
        ours = _mean_singular_value(net, X[:3])
        findings.append(printed(f"mean singular value, {name} init", theirs, ours, 1))
        profile = net.gradient_profile(X[:300], y[:300])
        layers = range(1, net.depth + 1)
        curves.append(Curve(f"delta, {name}", layers, profile.log10_delta[:-1].tolist()))
        curves.append(Curve(f"dL/dW, {name}", layers, profile.log10_weight_gradient[:-1].tolist(), dashed=True))
        if name == "standard":
            shrinks = profile.log10_delta[3] - profile.log10_delta[0]
            stays = profile.log10_weight_gradient[3] - profile.log10_weight_gradient[0]
            # The mean singular value of a random square matrix is 8/(3 pi) of their root mean square.
            low, high = (-3 * np.log10(singular * 3 * np.pi / 8) for singular in (theirs + 0.05, theirs - 0.05))
            findings.append(order("delta shrinks, decades over 3 layers, standard init", shrinks, low, high, SHRINKS))
            findings.append(order("while dL/dW does not, decades", stays, -0.1, 0.1, "a factor of 1.26 in all"))
    return Reproduction(
        "jacobians", "Jacobians of tanh layers; delta shrinks, dL/dW does not",
        "Glorot & Bengio 2010, section 4.2.1, figure 8",
        tuple(findings), tuple(curves), ("layer", "log10 of root mean square"),
    )  # fmt: skip


def _pixels():
    """MNIST images as numbers from 0 to 1, and labels."""
    X, y = load("mnist5000")
    return (X - X.min()) / (X.max() - X.min()), y


def _glorot_network(name, sizes, seed=0):
    """tanh with their standard initialisation, U(+-1/sqrt n) and no biases, or the normalised one."""
    if name == "normalised":
        return MLP(sizes, "tanh", "xavier_uniform", seed)
    net = MLP(sizes, "tanh", "torch_linear", seed)
    net.biases = [np.zeros_like(bias) for bias in net.biases]
    return net


def _mean_singular_value(net, X):
    """Of dh_(l+1)/dh_l, over the hidden layers but the first, for each of a few samples."""
    h, values = X.astype(net.dtype), []
    for layer, (weight, bias) in enumerate(zip(net.weights[:-1], net.biases[:-1], strict=True)):
        h, d = dense_forward(h, weight, bias, net.activation)
        if layer:
            values += [np.linalg.svd(weight * slope, compute_uv=False).mean() for slope in d]
    return float(np.mean(values))


# |mean dC/db| of each hidden layer at the start, 784-30^k-10.
NIELSEN = {2: (0.0657, 0.3092), 3: (0.01184, 0.05997, 0.28314), 4: (0.00298, 0.01708, 0.06954, 0.28514)}
NIELSEN_SEEDS = 20


def layer_speeds() -> Reproduction:
    """How fast each hidden layer of a sigmoid network learns at the start; theirs is one draw, ours a mean of logs."""
    X, y = _pixels()
    findings, curves = [], []
    for depth, theirs in NIELSEN.items():
        draws = np.array([_nielsen_speeds(X[:1000], y[:1000], depth, seed) for seed in range(NIELSEN_SEEDS)])
        ours = 10 ** np.log10(draws).mean(axis=0)
        scatter = 10 ** np.log10(draws).std(axis=0, ddof=1)
        for layer, (their, our, factor) in enumerate(zip(theirs, ours, scatter, strict=True), start=1):
            reason = f"one draw (its standard deviation: {factor:.2f})"
            findings.append(within(f"{depth} hidden layers: layer {layer}", their, our, 1.5, reason))
        layers = range(1, depth + 1)
        curves.append(Curve(f"{depth} hidden layers", layers, np.log10(ours).tolist()))
        curves.append(Curve("", layers, np.log10(theirs).tolist(), dashed=True))
    return Reproduction(
        "speeds", "Earlier layers learn more slowly", "Nielsen, Neural networks and deep learning, chapter 5",
        tuple(findings), tuple(curves), ("layer", "log10 of |mean dC/db|"),
    )  # fmt: skip


def _nielsen_speeds(X, y, depth, seed):
    """His network: sigmoids in every layer, cross-entropy per output, weights N(0, 1/fan_in), biases N(0, 1)."""
    rng = np.random.default_rng(seed)
    sizes = [X.shape[1], *[30] * depth, 10]
    weights = [rng.standard_normal(shape) / np.sqrt(shape[0]) for shape in pairwise(sizes)]
    h, slopes = X, []
    for weight in weights:
        h, d = dense_forward(h, weight, rng.standard_normal(weight.shape[1]), "sigmoid")
        slopes.append(d)
    delta, speeds = h - np.eye(10)[y], []
    for weight, d in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        delta = (delta @ weight.T) * d
        speeds.append(float(np.linalg.norm(delta.mean(axis=0))))
    return speeds[::-1]
