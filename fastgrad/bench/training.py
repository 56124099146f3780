"""``fastgrad speed training``: whole training runs beside scikit-learn's and PyTorch's."""

# Design: - Digits, four fifths to train on and a fifth to test, Adam, the same epochs and batches, float32, one thread.
#         - A round is a seed: all contestants train from Xavier weights of that seed, in random order. The least time
#           of the rounds counts, and the mean accuracy, so that a run that learns less does not count as fast.
#         - PyTorch's loop is written as its users would, less a DataLoader, which would be slower. Of the forms of Adam
#           it has the fastest: with the fused one a step takes a quarter less than with the default, and foreach is
#           between them.

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastgrad._validation import positive_int
from fastgrad.bench import limits
from fastgrad.bench.compare import OURS, Comparison, Row, percent_of_limit, table_of, timed_row
from fastgrad.bench.network import work_of
from fastgrad.bench.timing import round_by_round, silent
from fastgrad.datasets import load
from fastgrad.learning.fit import evaluate, fit, split
from fastgrad.network import MLP
from fastgrad.report.tables import significant

FULL = ((3, 64), (20, 64))  # (depth, width)
EPOCHS, BATCH, RATE = 20, 32, 0.001
ADAM = 15  # operations a parameter of kernels/steps.py: sums, products, a quotient and a root
NOTE = (
    "Seconds: the least of the rounds. Test accuracy and spread: mean and standard deviation over the rounds' seeds. "
    f"tanh, Xavier weights, digits, Adam, {EPOCHS} epochs of batches of {BATCH}, float32, one thread, in random order. "
    f"The limit's operations and bytes are those of every pass, and of Adam {ADAM} and seven numbers a parameter."
)


class TrainingCase(NamedTuple):
    """Hidden layers, and units in each."""

    depth: int
    width: int


def training_cases(networks: Iterable[tuple[int, int]] = FULL) -> list[TrainingCase]:
    """Each network once.

    Parameters
    ----------
    networks : iterable of (int, int)
        Hidden layers, and units in each.

    Returns
    -------
    list of TrainingCase
        In the order in which they are timed.

    Raises
    ------
    ValueError
        If a number is below 1.
    TypeError
        If a number is not whole.
    """
    return [TrainingCase(*map(positive_int, TrainingCase._fields, network)) for network in dict.fromkeys(networks)]


# A contestant is a function (net, train, seed) -> call. The call trains from the weights of ``net``, on the rows
# ``train``, and returns the trained network.


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


def time_training(
    case: TrainingCase, contestants: Iterable[str], rounds: int, tell: Callable[[str], None] = silent
) -> list[Row]:
    """Train one network in ours and in every one of these peers, once a round.

    Parameters
    ----------
    case : TrainingCase
        What is timed.
    contestants : iterable of str
        Peers, of this module's ``PEERS``.
    rounds : int
        How often each trains, every time from another seed.
    tell : callable
        Called with the name of each contestant that begins.

    Returns
    -------
    list of Row
        Ours first, with and without its monitor. Figures are ``accuracy`` and ``spread``, mean and standard deviation
        of the test accuracy over the rounds, and ``rounds``; ``limit`` and ``percent_of_limit``, as of
        :meth:`fastgrad.bench.limits.Limits.figures`.
    """
    X, y = load("digits")
    makers = {OURS: fastgrad, "without monitor": partial(fastgrad, monitor=False)}
    makers |= {peer: PEERS[peer] for peer in contestants}

    def new(seed):
        net = MLP([X.shape[1], *[case.width] * case.depth, 10], "tanh", "xavier_uniform", seed)
        train, held_out = split(net, X, y, {"test": 0.2}, seed=0)
        return net, train, held_out["test"]

    def start(make, seed):
        net, train, _ = new(seed)
        return make(net, train, seed)

    found = round_by_round({name: partial(start, make) for name, make in makers.items()}, rounds, tell=tell)
    net, train, test = new(0)
    work = work_of_training(net, len(train[0]))
    least = {name: min(seconds for seconds, _ in runs) for name, runs in found.items()}
    return [
        timed_row(
            case, name, least,
            _learned([evaluate(net, *test)[1] for _, net in runs]) | limits.share(least[name], *work),
        )
        for name, runs in found.items()
    ]  # fmt: skip


def work_of_training(net: MLP, samples: int) -> tuple[int, int, int]:
    """The least that training a network takes, as :func:`fastgrad.bench.network.work_of` counts it.

    Parameters
    ----------
    net : MLP
    samples : int
        To train on, in every epoch.

    Returns
    -------
    operations, moved, held : int
        Floating-point operations, bytes read and written, bytes of the arrays of a step.
    """
    parameters = sum(array.size for array in (*net.weights, *net.biases))
    operations, moved, held = work_of(net.sizes, BATCH, "tanh", gradients=True)
    steps, item = EPOCHS * samples // BATCH, np.dtype(np.float32).itemsize
    update = 7 * parameters * item  # w, g, m, v are read, w, m, v written
    return steps * (operations + ADAM * parameters), steps * (moved + update), held + 2 * parameters * item


def _learned(accuracies):
    return {"accuracy": float(np.mean(accuracies)), "spread": float(np.std(accuracies)), "rounds": len(accuracies)}


def _tables(rows):
    """A line per network and contestant."""
    lines = [
        {
            "network": _network(row.case),
            "contestant": row.contestant,
            "seconds": significant(row.seconds),
            "times ours": significant(row.ratio),
            "% of limit": percent_of_limit(row),
            "test accuracy": f"{row.figures['accuracy']:.3f}",
            "spread": f"{row.figures['spread']:.3f}",
        }
        for row in rows
    ]
    return [table_of("Training", lines)]


def _network(case):
    return f"{case.depth} x {case.width}"


def _verdict(rows):
    """Whether anybody's accuracy differs by more than the seeds' noise."""
    if rows[0].figures["rounds"] == 1:
        return ["One seed has no spread, by which to judge the accuracies."]
    lines = []
    ours = {row.case: row.figures for row in rows if row.contestant == OURS}
    for row in rows:
        mine, theirs = ours[row.case], row.figures
        # variance of a mean: the spread's over rounds - 1, as the spread is around the mean of the same rounds
        noise = 2 * np.sqrt((mine["spread"] ** 2 + theirs["spread"] ** 2) / (mine["rounds"] - 1))
        difference = theirs["accuracy"] - mine["accuracy"]
        if abs(difference) > noise:
            lines.append(f"{row.contestant}, {_network(row.case)}: {100 * difference:+.1f} points of accuracy.")
    return lines or ["All accuracies are equal within twice the standard error over the seeds."]


TRAINING = Comparison(PEERS, time_training, _tables, _verdict, NOTE, bounded=True)
