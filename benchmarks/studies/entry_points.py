"""What it costs to call the kernels through each entry point: ``python -m benchmarks.studies.entry_points``."""

# Design: - The direct kernel is the table's function called from compiled code, many times per sample, so that its time
#           includes neither Python nor the clock; that of an entry point called from Python includes Python.
#         - Every entry point writes to an array that exists already, except where its users cannot do so either
#           (PyTorch and Numba's array functions allocate their result).

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import click
import numba
import numpy as np

import fastgrad
from fastgrad import ffi
from fastgrad.activations import ACTIVATIONS
from fastgrad.bench import peers
from fastgrad.bench.timing import interleaved
from fastgrad.cli.shared import OneLineErrors, comparison_options, progress_bar, show_comparison
from fastgrad.kernels.memory import aligned
from fastgrad.report.tables import Table

CALLS = 8  # of the direct kernel per sample
NOTE = (
    "Over direct: what an entry point takes more than the table's function called from compiled code, in percent. "
    "Times theirs: their time over ours. One thread."
)


@dataclass(frozen=True)
class Row:
    """One comparison: seconds per call through an entry point, and of what stands beside it."""

    group: str
    entry_point: str
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


def entry_points(name: str, size: int) -> tuple[np.ndarray, np.ndarray, dict[str, Callable]]:
    """Pre-activations z, an array y for phi(z), and calls that fill it ("direct" ``CALLS`` times) or return phi(z)."""
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


def _over_direct(size, rounds):
    for name in ACTIVATIONS:
        _, _, calls = entry_points(name, size)
        seconds = interleaved(calls, rounds)
        seconds["direct"] /= CALLS
        for way, taken in seconds.items():
            if way != "direct":
                yield Row("entry point", way, name, taken, "direct", seconds["direct"])


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
            yield Row("njit loop", np.dtype(dtype).name, name, seconds["ours"], beside, seconds["theirs"])


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
        yield Row("torch", "forward and backward", name, seconds["ours"], f"nn.{name}", seconds["theirs"])


def _watched_models():
    """(model, input) of three common architectures, by name."""
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
        yield Row("watch", "a step, one in 20 measured", name, mean, "not watched", seconds["plain"])
        yield Row("watch", "a measured step", name, seconds["measuring"], "not watched", seconds["plain"])


def _training_step(model, x):
    import torch

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def run():
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return run


def measure(size: int, rounds: int) -> Iterator[Row]:
    """Every comparison that can be made here; those with PyTorch if it is installed."""
    yield from _over_direct(size, rounds)
    yield from _inside_njit(size, rounds)
    if find_spec("torch"):
        yield from _in_torch(size, rounds)
        yield from _watching(rounds)


def tables(rows: list[Row]) -> list[Table]:
    """The rows as tables: entry points against the direct kernel, ours beside theirs, and what watching costs."""
    through, beside, watching = {}, [], []
    for row in rows:
        percent = f"{100 * (row.seconds / row.beside_seconds - 1):+.1f}"
        if row.group == "entry point":
            through.setdefault(row.entry_point, {})[row.activation] = percent
        elif row.group == "watch":
            watching.append((row.activation, row.entry_point, percent))
        else:
            times = f"{row.beside_seconds / row.seconds:.2f}"
            beside.append(
                (f"{row.group} {row.entry_point}", row.activation, f"{row.seconds * 1e6:.1f}", row.beside, times)
            )
    lines = [(way, *(cells[name] for name in ACTIVATIONS)) for way, cells in through.items()]
    found = [
        Table("Over direct, %", ("entry point", *ACTIVATIONS), {"": lines}),
        Table("Beside others", ("where", "activation", "us", "theirs", "times theirs"), {"": beside}),  # type: ignore[dict-item]
    ]
    return found + ([Table("What watch adds", ("model", "to", "%"), {"": watching})] if watching else [])  # type: ignore[dict-item]


@click.command("python -m benchmarks.studies.entry_points", cls=OneLineErrors)
@click.option("--size", type=click.IntRange(1, 10**8), default=65536, show_default=True, help="Elements.")
@click.option("--rounds", type=click.IntRange(min=1), default=40, show_default=True, help="Samples of each.")
@comparison_options
@click.pass_obj
def main(typed, size, rounds, form):
    """What it costs to call the kernels from ctypes, NumPy, Numba and PyTorch, beside what the last two have."""
    rows = []
    with progress_bar() as show:
        for row in measure(size, rounds):
            rows.append(row)
            show(len(rows), None, f"{row.group} {row.activation}")
    versions = peers.versions([name for name in ("torch",) if name in peers.installed()])
    show_comparison([asdict(row) for row in rows], (tables(rows), [], NOTE), versions, typed, form)
    return 0


if __name__ == "__main__":
    main()
