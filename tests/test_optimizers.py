"""Steps of the optimisers: by the papers' formulas one number at a time, PyTorch's, and compiled bit by bit."""

import math

import numpy as np
import pytest

import fastgrad
from fastgrad.kernels import compiled
from fastgrad.learning.loop import Trainer
from fastgrad.learning.optimizers import OPTIMIZERS, optimizer

RATE, DECAY = 0.03, 0.01


def by_hand(name, w, gradients, rate, decay):
    """One parameter through the steps, in Python floats, as the papers write them."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        g = g + decay * w
        if name == "sgd":
            w -= rate * g
        elif name == "momentum":
            v = 0.9 * v - rate * g
            w += v
        elif name == "nesterov":
            before = v
            v = 0.9 * v - rate * g
            w += -0.9 * before + 1.9 * v  # the other way of writing it: w + v + 0.9 (v - before)
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            w -= rate * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_steps_are_those_of_the_papers(name, decay):
    rng = np.random.default_rng(0)
    w, gradients = rng.standard_normal(7), rng.standard_normal((20, 7))
    rule, ours = optimizer(name), w.copy()
    kept = [np.zeros(7) for _ in range(rule.kept)]
    for step, g in enumerate(gradients, start=1):
        rule.update(ours, g.copy(), kept, RATE, decay, step)
    theirs = np.array([by_hand(name, w[i], gradients[:, i], RATE, decay) for i in range(7)])
    assert (np.abs(ours / theirs - 1) <= 1e-12).all()
    assert (np.abs(ours - w) > 1e-3).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    w, gradients = rng.standard_normal(50), rng.standard_normal((20, 50))
    theirs = torch.tensor(w, requires_grad=True)
    made = {
        "sgd": lambda p: torch.optim.SGD(p, RATE, weight_decay=DECAY),
        "momentum": lambda p: torch.optim.SGD(p, RATE, momentum=0.9, weight_decay=DECAY),
        "nesterov": lambda p: torch.optim.SGD(p, RATE, momentum=0.9, nesterov=True, weight_decay=DECAY),
        "adam": lambda p: torch.optim.Adam(p, RATE, weight_decay=DECAY),
    }[name]([theirs])
    rule, ours = optimizer(name), w.copy()
    kept = [np.zeros(50) for _ in range(rule.kept)]
    for step, g in enumerate(gradients, start=1):
        rule.update(ours, g.copy(), kept, RATE, DECAY, step)
        theirs.grad = torch.tensor(g)
        made.step()
    assert (np.abs(ours / theirs.detach().numpy() - 1) <= 1e-10).all()


@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compiled_steps_have_the_bits_of_numpys(name, dtype, cpu):
    net = fastgrad.MLP([5, 7, 6, 3], "tanh", "xavier_normal", dtype=dtype)
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((40, 5)).astype(dtype), rng.integers(0, 3, 40)
    trainer = Trainer(net, X, y, optimizer(name), 8, DECAY, False, 0)
    room = compiled.NetworkPass(net.sizes, 8, net.dtype, "tanh", None, True, cpu=cpu)
    trainer._compiled = (compiled, room, *trainer._compiled[2:])
    order = np.arange(40)
    for step in range(5):
        w, kept = trainer.parameters.copy(), [array.copy() for array in trainer.kept]
        trainer.run(order, RATE, step, step + 1)
        for part, decay in ((slice(None, trainer.decaying), DECAY), (slice(trainer.decaying, None), 0.0)):
            trainer.optimizer.update(
                w[part], trainer.gradient[part].copy(), [k[part] for k in kept], RATE, w.dtype.type(decay), step + 1
            )
        assert np.array_equal(w, trainer.parameters)
        for ours, theirs in zip(kept, trainer.kept, strict=True):
            assert np.array_equal(ours, theirs)
    assert trainer.steps == 5


def test_options_and_labels():
    rule = optimizer("momentum", momentum=0.5)
    assert str(rule) == "momentum(momentum=0.5)"
    assert optimizer(rule) is rule
    assert str(optimizer("adam")) == "adam"
    assert [optimizer(name).kept for name in OPTIMIZERS] == [0, 1, 1, 2]
