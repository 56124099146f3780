"""What shows when networks are trained: who learns, who stalls, and who ends better."""

from typing import Any

import numpy as np

from benchmarks.studies.reproduction.at_start import _glorot_network
from benchmarks.studies.reproduction.findings import Curve, Reproduction, order, printed, within
from fastgrad.datasets import load
from fastgrad.learning.fit import fit
from fastgrad.learning.history import TrainingHistory
from fastgrad.network import MLP

TEST = 0.2
# Shares of ten classes' rows, with what they mean: where papers say in words that a network learns or stalls.
LEARNS = (0.5, 1.0, "learns: half of the rows right, at most all")
OTHER_DATA = "theirs are other images, and more"
STALLS = (0.05, 0.2, "stalls: within a factor of 2 of one in ten")

DEPTH_EPOCHS, DEPTH_SEEDS = 25, 3


def depth_contrast() -> Reproduction:
    """ReLU at 22 and 30 hidden layers: with Xavier's weights the one starts late, the other stalls; medians."""
    X, y = load("mnist5000")
    accuracies = {}
    for depth in (22, 30):
        for init in ("xavier_normal", "he_normal"):
            runs = []
            for seed in range(DEPTH_SEEDS):
                net = MLP([784, *[64] * depth, 10], "relu", init, seed)
                options: dict[str, Any] = {
                    "optimizer": "momentum",
                    "learning_rate": 0.003,
                    "seed": seed,
                    "monitor": False,
                }
                runs.append(fit(net, X, y, epochs=DEPTH_EPOCHS, test=TEST, **options).accuracy)
            accuracies[depth, init] = np.median(runs, axis=0)
    end = {key: values[-1] for key, values in accuracies.items()}
    half = {
        key: float(np.argmax(values >= 0.5)) if values.max() >= 0.5 else np.inf for key, values in accuracies.items()
    }
    findings = (
        order("22 layers, He: training accuracy", end[22, "he_normal"], *LEARNS),
        order("22 layers, Xavier: training accuracy", end[22, "xavier_normal"], *LEARNS),
        order(
            "22 layers: epochs by which He is at 50 % sooner", half[22, "xavier_normal"] - half[22, "he_normal"],
            1, DEPTH_EPOCHS - 1, "at least one epoch; at most all but one",
        ),
        order("30 layers, He: training accuracy", end[30, "he_normal"], *LEARNS),
        order("30 layers, Xavier: training accuracy", end[30, "xavier_normal"], *STALLS),
    )  # fmt: skip
    epochs = range(1, DEPTH_EPOCHS + 1)
    curves = [Curve(f"{depth} layers, {init}", epochs, values.tolist()) for (depth, init), values in accuracies.items()]
    return Reproduction(
        "depth", "Xavier stalls at 30 layers where He learns", "He et al. 2015, section 2.2, figures 2 and 3",
        findings, tuple(curves), ("epoch", "training accuracy"),
    )  # fmt: skip


def activation_order() -> Reproduction:
    """Four hidden layers with PyTorch's default weights: sigmoid stays at chance, the others end close together."""
    X, y = load("mnist5000")
    runs = {}
    for phi in ("sigmoid", "tanh", "relu", "leaky_relu", "elu"):
        net = MLP([784, 512, 256, 256, 128, 10], phi, "torch_linear", seed=0)
        runs[phi] = fit(
            net, X, y, epochs=25, batch_size=64, optimizer="momentum", learning_rate=0.01, test=TEST, monitor=False
        )
    test = {phi: 100 * _test_accuracy(run) for phi, run in runs.items()}
    sigmoid = test.pop("sigmoid")
    findings = (
        printed("sigmoid, test accuracy, %", 10.0, sigmoid, 2),
        order(
            "the worst of tanh, ReLU, Leaky ReLU, ELU: test accuracy", min(test.values()) / 100, *LEARNS
        ),
        within(
            "between the best and the worst of these, points", 88.92 - 87.27,
            max(test.values()) - min(test.values()), 2, OTHER_DATA,
        ),
    )  # fmt: skip
    curves = [Curve(phi, range(1, 26), run.accuracy) for phi, run in runs.items()]
    return Reproduction(
        "activations", "Sigmoid does not learn, the others do", "Lippe, UvA deep learning tutorial 3 (on FashionMNIST)",
        findings, tuple(curves), ("epoch", "training accuracy"),
    )  # fmt: skip


def error_order() -> Reproduction:
    """Five hidden layers, test error of sigmoid, tanh, and tanh with normalised weights: mean of three seeds."""
    X, y = load("mnist5000")
    errors, curves = {}, []
    for name in ("sigmoid", "tanh", "tanh normalised"):
        errors[name] = []
        for seed in range(3):
            net = _glorot_network("normalised" if "normalised" in name else "standard", [784, *[100] * 5, 10], seed)
            if name == "sigmoid":
                net = _with_activation(net, "sigmoid")
            run = fit(
                net,
                X,
                y,
                epochs=25,
                batch_size=10,
                optimizer="sgd",
                learning_rate=0.01,
                seed=seed,
                test=TEST,
                monitor=False,
            )
            errors[name].append(1 - _test_accuracy(run))
        curves.append(Curve(name, range(1, 26), run.loss))
    mean = {name: round(100 * float(np.mean(values)), 9) for name, values in errors.items()}  # points
    findings = (
        order(
            "error of sigmoid less the worst of the others, points",
            mean["sigmoid"] - max(mean["tanh"], mean["tanh normalised"]), 0, 100, "it ends worst; at most all rows",
        ),
        within("error of sigmoid less tanh's, points", 2.21 - 1.76, mean["sigmoid"] - mean["tanh"], 2, OTHER_DATA),
        within(
            "error of tanh less tanh normalised's, points", 1.76 - 1.64, mean["tanh"] - mean["tanh normalised"],
            2, OTHER_DATA,
        ),
    )  # fmt: skip
    return Reproduction(
        "errors", "Test errors: sigmoid, tanh, tanh with normalised weights", "Glorot & Bengio 2010, table 1 (MNIST)",
        findings, tuple(curves), ("epoch", "training loss"),
        "Here 25 epochs on 4,000 images, in which sigmoid may not begin to learn; and one of 1,000 test images is a "
        "tenth of a point.",
    )  # fmt: skip


def _test_accuracy(run: TrainingHistory) -> float:
    """Of a training with test rows, as all of them here are."""
    if run.test_accuracy is None:
        raise ValueError("a training without test rows has no test accuracy")
    return run.test_accuracy


def _with_activation(net, phi):
    other = MLP(net.sizes, phi, net.initializer, net.seed)
    other.weights, other.biases = net.weights, net.biases
    return other
