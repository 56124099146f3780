"""``fastgrad speed training``: whole training runs beside scikit-learn's and PyTorch's."""

# Design: - Digits, four fifths to train on and a fifth to test, Adam, the same epochs and batches, float32, one thread.
#         - A round is a seed: all contestants train from Xavier weights of that seed, in random order. The least time
#           of the rounds counts, and the mean accuracy, since nobody should be fast by learning less.
#         - PyTorch's loop is written as its users would, less a DataLoader, which would be slower. Of the forms of Adam
#           it has the fastest: with the fused one a step takes a quarter less than with the default, and foreach is
#           between them.

import random
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastgrad._validation import known, positive_int
from fastgrad.datasets import load
from fastgrad.learning.fit import evaluate, fit, split
from fastgrad.network import MLP
from fastgrad.report.tables import Table

FULL = ((3, 64), (20, 64))  # (depth, width)
EPOCHS, BATCH, RATE, ROUNDS = 20, 32, 0.001, 10
COLUMNS = ("network", "contestant", "seconds", "times ours", "test accuracy", "spread")
NOTE = (
    "Seconds: the least of the rounds. Test accuracy and spread: mean and standard deviation over the rounds' seeds. "
    f"tanh, Xavier weights, digits, Adam, {EPOCHS} epochs of batches of {BATCH}, float32, one thread, in random order."
)


@dataclass(frozen=True)
class TrainingRow:
    """One contestant on one network: least seconds, that over ours, mean and standard deviation of test accuracy."""

    depth: int
    width: int
    contestant: str
    seconds: float
    ratio: float
    accuracy: float
    spread: float


def fastgrad(net, train, seed, monitor=True) -> Callable[[], MLP]:
    """``fit``, with its gradient monitor."""

    def run():
        fit(net, *train, epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, seed=seed, monitor=monitor)
        return net

    return run


def scikit_learn(net, train, seed):
    """``MLPClassifier``, told not to stop early."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        net.sizes[1:-1], "tanh", alpha=0.0, batch_size=BATCH, learning_rate_init=RATE, max_iter=EPOCHS, tol=0.0,
        n_iter_no_change=np.inf, random_state=seed,
    )  # fmt: skip

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ConvergenceWarning
            model.fit(*train)
        return net.with_parameters(model.coefs_, model.intercepts_)

    return run


def torch(net, train, seed):
    """A plain loop over shuffled batches."""
    import torch as th

    th.set_num_threads(1)
    layers = []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        layer = th.nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = th.tensor(weight.T.copy()), th.tensor(bias)
        layers += [layer, th.nn.Tanh()]
    model = th.nn.Sequential(*layers[:-1])
    X, y = map(th.tensor, train)
    order = th.Generator().manual_seed(seed)

    def run():
        optimizer = th.optim.Adam(model.parameters(), RATE, fused=True)
        for _ in range(EPOCHS):
            for rows in th.randperm(len(X), generator=order).split(BATCH):
                optimizer.zero_grad()
                th.nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
                optimizer.step()
        parameters = [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in model if hasattr(m, "weight")]  # type: ignore[operator]
        return net.with_parameters(*zip(*parameters, strict=True))

    return run


PEERS: dict[str, Any] = {"scikit-learn": scikit_learn, "torch": torch}


def installed() -> list[str]:
    """The peers that can run here."""
    import importlib.util

    packages = {"scikit-learn": "sklearn", "torch": "torch"}
    return [peer for peer in PEERS if importlib.util.find_spec(packages[peer])]


def measure(
    depth: int, width: int, peers: Iterable[str], rounds: int = ROUNDS, progress: Callable = lambda *_: None
) -> list[TrainingRow]:
    """Train one network in ours and in these peers; ours first.

    ValueError or TypeError if a number is below 1 or no integer, or a peer is unknown.
    """
    depth, width, rounds = map(positive_int, ("depth", "width", "rounds"), (depth, width, rounds))
    ours = {"fastgrad": fastgrad, "without monitor": partial(fastgrad, monitor=False)}
    contestants: dict[str, Any] = ours | {known("peer", peer, PEERS): PEERS[peer] for peer in peers}
    seconds, accuracy = {name: [] for name in contestants}, {name: [] for name in contestants}
    X, y = load("digits")
    order, names = random.Random(0), list(contestants)
    for seed in range(rounds):
        order.shuffle(names)
        for name in names:
            progress(seed, rounds, f"{depth} x {width}, {name}")
            net = MLP([X.shape[1], *[width] * depth, 10], "tanh", "xavier_uniform", seed)
            train, held_out = split(net, X, y, {"test": 0.2}, seed=0)
            run = contestants[name](net, train, seed)
            start = time.perf_counter()
            trained = run()
            seconds[name].append(time.perf_counter() - start)
            accuracy[name].append(evaluate(trained, *held_out["test"])[1])
    least = min(seconds["fastgrad"])
    return [
        TrainingRow(
            depth, width, name, min(seconds[name]), min(seconds[name]) / least,
            float(np.mean(accuracy[name])), float(np.std(accuracy[name])),
        )
        for name in contestants
    ]  # fmt: skip


def table(rows: list[TrainingRow]) -> Table:
    """A row per network and contestant."""
    body = {}
    for row in rows:
        body.setdefault(f"{row.depth} x {row.width}", []).append(
            (
                f"{row.depth} x {row.width}", row.contestant, f"{row.seconds:.3g}", f"{row.ratio:.3g}",
                f"{row.accuracy:.3f}", f"{row.spread:.3f}",
            )
        )  # fmt: skip
    return Table("Training", COLUMNS, {"": [line for lines in body.values() for line in lines]})


def verdict(rows: list[TrainingRow]) -> list[str]:
    """Whether anybody's accuracy differs by more than the seeds' noise."""
    lines = []
    ours = {(row.depth, row.width): row for row in rows if row.contestant == "fastgrad"}
    for row in rows:
        mine = ours[row.depth, row.width]
        noise = 2 * float(np.hypot(row.spread, mine.spread)) / np.sqrt(ROUNDS)
        if row is not mine and abs(row.accuracy - mine.accuracy) > noise:
            difference = 100 * (row.accuracy - mine.accuracy)
            lines.append(f"{row.contestant}, {row.depth} x {row.width}: {difference:+.1f} points of accuracy.")
    return lines or ["All accuracies are equal within twice the standard error over the seeds."]
