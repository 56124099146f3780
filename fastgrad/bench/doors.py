"""``fastgrad speed doors``: the kernels through every door to other projects, and what stands beside them there."""

# Design: - The direct kernel is the table's function called from compiled code, many times per sample, so that neither
#           Python nor the clock is in it; a door that is called from Python shows what Python costs.
#         - Every door writes to an array that is there already, except where its users cannot do so either (PyTorch and
#           Numba's array functions make their result).

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numba
import numpy as np

import fastgrad
from fastgrad import ffi
from fastgrad.activations import ACTIVATIONS
from fastgrad.bench.timing import interleaved
from fastgrad.kernels.memory import aligned
from fastgrad.report.tables import Table

CALLS = 8  # of the direct kernel per sample
DOORS_NOTE = (
    "Over direct: what a door takes more than the table's function called from compiled code, in percent. "
    "Times theirs: their time over ours. One thread."
)


@dataclass(frozen=True)
class DoorRow:
    """One comparison: ``seconds`` through the door, and those of what it is compared with."""

    group: str
    door: str
    activation: str
    seconds: float
    beside: str
    beside_seconds: float


def _repeated(function, number, n, z, y):
    """``CALLS`` calls of a C function from compiled code."""

    @numba.njit
    def run(z, y):
        for _ in range(CALLS):
            function(number, item, n, z, 0.5, y)

    item, at = z.itemsize, (z.ctypes.data, y.ctypes.data)
    return lambda: run(*at)


def doors(name: str, size: int) -> tuple[np.ndarray, np.ndarray, dict[str, Callable]]:
    """Numbers z, a place y for phi(z), and calls that put it there, "direct" ``CALLS`` times, or return it."""
    number = ffi.ACTIVATION_NUMBERS[name]
    z, y = aligned(size, np.float32), aligned(size, np.float32)
    z[:] = np.random.default_rng(0).standard_normal(size)
    options = {"leaky_relu": {"negative_slope": 0.5}, "elu": {"alpha": 0.5}}.get(name, {})
    function = getattr(fastgrad, name)
    table, at = ffi.table(), (z.ctypes.data, y.ctypes.data)
    inside = numba.njit(lambda x: function(x, 0.5)) if options else numba.njit(lambda x: function(x))
    found = {
        "direct": _repeated(table.value, number, size, z, y),
        "ctypes": lambda: table.value(number, z.itemsize, size, at[0], 0.5, at[1]),
        "NumPy function, out=": lambda: function(z, out=y, **options),
        "Numba, a new array": lambda: inside(z),
    }
    if find_spec("torch"):
        import torch

        import fastgrad.torch as ft

        torch.set_num_threads(1)
        tensor = torch.from_numpy(z)
        found["PyTorch, a new tensor"] = lambda: getattr(ft, name)(tensor, **options)
    return z, y, found


def _through_doors(size, rounds):
    for name in ACTIVATIONS:
        _, _, calls = doors(name, size)
        seconds = interleaved(calls, rounds)
        seconds["direct"] /= CALLS
        for door, taken in seconds.items():
            if door != "direct":
                yield DoorRow("door", door, name, taken, "direct", seconds["direct"])


TEXTBOOK = {  # what users write inside njit
    "tanh": lambda x: math.tanh(x),
    "sigmoid": lambda x: 1.0 / (1.0 + math.exp(-x)),
    "elu": lambda x: x if x > 0 else math.exp(x) - 1.0,
}


def _loop(function, z, y):
    @numba.njit
    def run(z, y):
        for i in range(z.size):
            y[i] = function(z[i])

    return lambda: run(z, y)


def _inside_njit(size, rounds):
    for dtype in (np.float32, np.float64):
        z, y = aligned(size, dtype), aligned(size, dtype)
        z[:] = np.random.default_rng(0).standard_normal(size)
        for name, textbook in TEXTBOOK.items():
            calls = {"ours": _loop(getattr(fastgrad, name), z, y), "theirs": _loop(numba.njit(textbook), z, y)}
            seconds = interleaved(calls, rounds)
            beside = "math.tanh" if name == "tanh" else "math.exp"
            yield DoorRow("njit loop", np.dtype(dtype).name, name, seconds["ours"], beside, seconds["theirs"])


def _in_torch(size, rounds):
    import torch

    import fastgrad.torch as ft

    torch.set_num_threads(1)
    z, dy = torch.randn(size, requires_grad=True), torch.randn(size)

    def training(module):
        def run():
            z.grad = None
            module(z).backward(dy)

        return run

    for name in ("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU"):
        calls = {"ours": training(getattr(ft, name)()), "theirs": training(getattr(torch.nn, name)())}
        seconds = interleaved(calls, rounds)
        yield DoorRow("torch", "forward and backward", name, seconds["ours"], f"nn.{name}", seconds["theirs"])


def _watched_models():
    """Name, model and input of three shapes that people train."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    hidden = [nn.Sequential(nn.Linear(256, 256), nn.Tanh()) for _ in range(6)]
    convolutions = [nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Flatten()]
    block = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
    return {
        "mlp": (nn.Sequential(*hidden, nn.Linear(256, 10)), torch.randn(128, 256)),
        "convolutional": (nn.Sequential(*convolutions, nn.Linear(32 * 144, 10)), torch.randn(32, 3, 16, 16)),
        "transformer": (nn.Sequential(block, nn.Linear(64, 10)), torch.randn(16, 32, 64)),
    }


def _watching(rounds):
    from fastgrad.torch import watch

    for name, (model, x) in _watched_models().items():
        steps = {"plain": _training_step(model, x)}
        for which, every in (("resting", 10**9), ("measuring", 1)):
            watched = copy.deepcopy(model)
            watch(watched, every)
            steps[which] = _training_step(watched, x)
            steps[which]()
        seconds = interleaved(steps, rounds)
        mean = seconds["resting"] + (seconds["measuring"] - seconds["resting"]) / 20
        yield DoorRow("watch", "a step, one in 20 measured", name, mean, "not watched", seconds["plain"])
        yield DoorRow("watch", "a measured step", name, seconds["measuring"], "not watched", seconds["plain"])


def _training_step(model, x):
    import torch

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def run():
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return run


def measure(size: int, rounds: int) -> Iterator[DoorRow]:
    """Every comparison that can be made here; those with PyTorch if it is installed."""
    yield from _through_doors(size, rounds)
    yield from _inside_njit(size, rounds)
    if find_spec("torch"):
        yield from _in_torch(size, rounds)
        yield from _watching(rounds)


def table(rows: list[DoorRow]) -> list[Table]:
    """The rows as tables: doors against the direct kernel, ours beside theirs, and what watching costs."""
    through, beside, watching = {}, [], []
    for row in rows:
        percent = f"{100 * (row.seconds / row.beside_seconds - 1):+.1f}"
        if row.group == "door":
            through.setdefault(row.door, {})[row.activation] = percent
        elif row.group == "watch":
            watching.append((row.activation, row.door, percent))
        else:
            times = f"{row.beside_seconds / row.seconds:.2f}"
            beside.append((f"{row.group} {row.door}", row.activation, f"{row.seconds * 1e6:.1f}", row.beside, times))
    lines = [(door, *(cells[name] for name in ACTIVATIONS)) for door, cells in through.items()]
    tables = [
        Table("Over direct, %", ("door", *ACTIVATIONS), {"": lines}),
        Table("Beside others", ("where", "activation", "us", "theirs", "times theirs"), {"": beside}),  # type: ignore[dict-item]
    ]
    return tables + ([Table("What watch adds", ("model", "to", "%"), {"": watching})] if watching else [])  # type: ignore[dict-item]
