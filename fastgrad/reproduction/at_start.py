"""What shows in networks that have not been trained: laws of chi, layer Jacobians, speeds of the layers."""

from itertools import pairwise

import numpy as np

from fastgrad import theory
from fastgrad.datasets import load
from fastgrad.dense import dense_forward
from fastgrad.measurement import measure
from fastgrad.network import MLP
from fastgrad.reproduction.findings import Curve, Finding, Reproduction, above, near

WIDTH, SEEDS, BATCH = 256, 20, 64


def chi_laws() -> Reproduction:
    """Constant, exponential and power laws of delta with depth, from mean-field theory, at width 256 over 20 seeds."""
    X, y = (array[:BATCH] for array in load("digits"))
    findings, curves = [], []
    for phi, init, depth, chi in (
        ("sigmoid", "xavier_normal", 20, 0.0557207068),
        ("relu", "xavier_normal", 30, 1 / 2),
        ("relu", "he_normal", 30, 1.0),
        ("relu", "torch_linear", 30, 1 / 6),
        ("tanh", "he_normal", 30, 1.1055288204),
    ):
        measured = measure(phi, init, depth, WIDTH, X, y, seeds=range(SEEDS), n_out=10)
        findings.append(near(f"chi of {phi}, {init}", chi, 10 ** (-2 * measured.decades_per_layer), 0.03))
        curves += _measured_and_predicted(f"{phi} {init}", phi, init, depth, measured, X)
    for phi, power, factor in (("tanh", 1, 0.706), ("elu", 2, 8.0)):
        depth = 100
        X = np.random.default_rng(0).standard_normal((BATCH, WIDTH))  # q = 1 in the first layer, as the factors want it
        measured = measure(phi, "xavier_normal", depth, WIDTH, X, y, seeds=range(SEEDS), n_out=10)
        ours = 10 ** (-2 * measured.decades_lost) * depth**power
        what = f"|delta_1/delta_l|^2 times l{'^2' if power == 2 else ''}, l = {depth}: {phi}, xavier_normal"
        findings.append(near(what, factor, ours, 0.25))
        curves += _measured_and_predicted(f"{phi} xavier_normal", phi, "xavier_normal", depth, measured, X)
    return Reproduction(
        "chi", "Laws of delta with depth", "Schoenholz et al. 2017; closed forms and quadrature",
        tuple(findings), tuple(curves), ("layer", "log10 of delta over the output's"),
    )  # fmt: skip


def _measured_and_predicted(label, phi, init, depth, measured, X):
    predicted = theory.predict(phi, init, [X.shape[1], *[WIDTH] * depth, 10], X).log10_delta_ratio
    layers = range(1, depth + 2)
    ours = measured.log10_delta - measured.log10_delta[-1]
    return Curve(label, layers, ours.tolist()), Curve("", layers, predicted.tolist(), dashed=True)


def jacobians() -> Reproduction:
    """The average singular value of a tanh layer's Jacobian, and what of the gradients shrinks towards the input."""
    X, y = _pixels()
    findings, curves = [], []
    for name, theirs, tolerance in (("standard", 0.5, 0.1), ("normalised", 0.8, 0.1)):
        net = _glorot_network(name, [784, *[500] * 4, 10])
        ours = _mean_singular_value(net, X[:3])
        findings.append(
            Finding(f"mean singular value, {name} init", theirs, ours, theirs - tolerance, theirs + tolerance)
        )
        profile = net.gradient_profile(X[:300], y[:300])
        layers = range(1, net.depth + 1)
        curves.append(Curve(f"delta, {name}", layers, profile.log10_delta[:-1].tolist()))
        curves.append(Curve(f"dL/dW, {name}", layers, profile.log10_weight_gradient[:-1].tolist(), dashed=True))
        if name == "standard":
            shrinks = profile.log10_delta[3] - profile.log10_delta[0]
            stays = abs(profile.log10_weight_gradient[3] - profile.log10_weight_gradient[0])
            findings.append(above("delta shrinks, decades over 3 layers, standard init", shrinks, 0.3))
            findings.append(Finding("while dL/dW does not, decades", 0.0, float(stays), 0.0, 0.1))
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
        for layer, (their, our) in enumerate(zip(theirs, ours, strict=True), start=1):
            findings.append(near(f"{depth} hidden layers: layer {layer}", their, our, 0.5))
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
