"""Where memory begins and ends: pages, places, leaks, limits, arrays beyond 2^31 numbers."""

import ctypes
import gc
import itertools
import os
import resource
import subprocess
import time
import warnings
from functools import partial

import click
import numpy as np

from tests.batteries.building import program

GUARDED_CALLS = 20_000
LENGTHS, OFFSETS, STRIDES = range(258), (0, 1, 2, 3, 5, 7, 8, 15, 16), (1, 2, 3, -1)
SECONDS, CALLS = 5, 100_000  # that one function is called, at most
GROWTH = 1 << 20  # bytes: what an allocator may take more of
MAPPED = 2**31 + 2**20 + 17  # numbers
PERIOD = 1 << 24  # bytes: what is mapped again and again


def guard(folder):
    """c/guard.c: a fault ends it by a signal."""
    done = subprocess.run(
        [program(folder, "guard", flags=("-D_GNU_SOURCE",)), str(GUARDED_CALLS)],
        capture_output=True,
        text=True,
        check=False,
    )
    sets = {name: (int(one), int(more)) for name, one, more in map(str.split, done.stdout.splitlines())}
    calls = sum(one + more for one, more in sets.values())
    return done.returncode == 0, f"{calls:,} calls, sets {', '.join(sets)}" if sets else done.stderr


def position(folder):
    """Every set, function and type: each length, offset and stride has the bits of numbers that are alone."""
    from fastgrad import formulas
    from fastgrad.kernels import compiled

    calls = different = 0
    numbers = np.random.default_rng(0).uniform(-30, 30, 1024)
    cases = list(itertools.product(compiled.SETS, ("value", "derivative"), formulas.VALUES, ("float32", "float64")))
    with click.progressbar(cases, label="position") as bar:
        for cpu, kind, name, dtype in bar:
            ufunc = compiled.SETS[cpu][kind, name]
            more = (np.dtype(dtype).type(0.3),) if name in formulas.PARAMETERS else ()
            z = numbers.astype(dtype)
            alone = np.array([ufunc(number, *more) for number in z])
            for length, offset, stride in itertools.product(LENGTHS, OFFSETS, STRIDES):
                part = slice(offset, offset + length * abs(stride), abs(stride))
                given, expected = z[part][:: stride // abs(stride)], alone[part][:: stride // abs(stride)]
                calls += 1
                different += ufunc(given, *more).tobytes() != expected.tobytes()
    return different == 0, f"{different} of {calls:,} calls differ"


def resident():
    """Bytes of memory in use, after what can be given back was."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def grown(call):
    """How many calls were made, and by how many bytes memory grew in the second half of them."""
    end, done, half = time.monotonic() + SECONDS, 0, None
    while done < CALLS and time.monotonic() < end:
        call()
        done += 1
        if half is None and (done == CALLS // 2 or time.monotonic() > end - SECONDS / 2):
            half = resident()
    return done, resident() - half


def leaks(folder):
    """Memory of the second half of many calls: what is filled once (caches, compiled functions) is in the first."""
    from tests.batteries.calls import of_numpy, of_others

    total, worst, leaking = 0, 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls = of_numpy() | of_others()
        with click.progressbar(calls.items(), label="leaks") as bar:
            for name, call in bar:
                done, bytes_ = grown(call)
                if bytes_ > GROWTH:  # again: a leak goes on, an allocator that took one more block does not
                    bytes_ = min(bytes_, grown(call)[1])
                total, worst = total + done, max(worst, bytes_)
                leaking += [f"{name} {bytes_ / done * 2:.0f} B a call"] if bytes_ > GROWTH else []
    figure = f"{len(calls)} functions, {total:,} calls, {worst / 1024:.0f} KiB at most"
    return not leaking, ", ".join([figure, *leaking])


def hungry():
    """name: a call that wants some hundred megabytes."""
    import fastgrad
    from fastgrad import initializers

    x = np.zeros((1000, 1000), np.float32)
    labels = np.zeros(1000, int)
    net = fastgrad.MLP([1000, 1000, 1000, 10], seed=0)
    return {
        "functions": lambda: fastgrad.elu(np.broadcast_to(x, (50, 1000, 1000))),
        "value_and_derivative": lambda: fastgrad.value_and_derivative("tanh", np.broadcast_to(x, (25, 1000, 1000))),
        "initializers": lambda: initializers.he_normal((8000, 8000)),
        "dense_forward": lambda: fastgrad.dense_forward(np.broadcast_to(x, (25, 1000, 1000)), x, None, "tanh"),
        "MLP": lambda: fastgrad.MLP([5000, 5000, 5000], seed=0).weights,
        "forward": lambda: net.forward(np.broadcast_to(x, (25, 1000, 1000)).reshape(25_000, 1000)),
        "loss_and_gradients": lambda: net.loss_and_gradients(x, labels),
        "gradient_profile": lambda: net.gradient_profile(x, labels),
        "fit": lambda: fastgrad.fit(net, x, labels, epochs=1),
        "measure": lambda: fastgrad.measure("tanh", "xavier_normal", 10, 1000, x, labels, seeds=(0, 1)),
        "sweep": lambda: fastgrad.sweep(
            activation="tanh", init="xavier_normal", width=1000, depth=10, data="normal", seeds=2
        ),
    }


def starved(folder):
    """Each call in a process of its own whose address space ends so many MB above what it has."""
    from tests.batteries.mutants import forked

    calls, counts, others = hungry(), {"done": 0, "MemoryErrors": 0, "ended by OpenBLAS": 0}, []

    def with_limit(call, more):
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + more, size + more))
        try:
            call()
        except MemoryError:
            return 3
        return 0

    limits = [2**k * 1000 for k in range(0, 19)]
    with click.progressbar(list(itertools.product(calls, limits)), label="starved") as bar:
        for name, more in bar:
            code = forked(partial(with_limit, calls[name], more), folder / "log", 120)
            said = (folder / "log").read_text()
            if code == 1 and "OpenBLAS" in said:  # which exits where it gets no memory for itself
                counts["ended by OpenBLAS"] += 1
            elif code in (0, 3):
                counts["MemoryErrors" if code else "done"] += 1
            else:
                others.append(f"{name} with {more / 1e6:g} MB: code {code} {said[-100:]}")
    click.echo("\n".join(others), err=True)
    return not others, ", ".join(f"{count} {what}" for what, count in counts.items()) + f", {len(others)} others"


class Periodic:
    """Memory of which every period is the same page of a file but for the last: an array far larger than memory is."""

    def __init__(self, numbers, dtype):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.mmap.restype = ctypes.c_void_p
        self.libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
        self.size = -(-numbers * np.dtype(dtype).itemsize // PERIOD) * PERIOD
        private, shared, fixed, anonymous, no_reserve, both = 2, 1, 16, 32, 0x4000, 3
        self.start = self.libc.mmap(None, self.size, both, private | anonymous | no_reserve, -1, 0)
        file = os.memfd_create("period")
        os.ftruncate(file, PERIOD)
        for at in range(0, self.size - PERIOD, PERIOD):
            assert self.libc.mmap(self.start + at, PERIOD, both, shared | fixed, file, 0) == self.start + at
        os.close(file)
        buffer = (ctypes.c_char * self.size).from_address(self.start)
        self.array = np.frombuffer(buffer, dtype)[:numbers]

    def close(self):
        del self.array
        self.libc.munmap(ctypes.c_void_p(self.start), ctypes.c_size_t(self.size))


def wrong_in(dtype, z, y):
    """Which functions are wrong on arrays of more than 2^31 numbers: (how many were called, names)."""
    import fastgrad
    from fastgrad import ffi

    table, called, wrong = ffi.table(), 0, []
    period = PERIOD // z.array.itemsize
    last = MAPPED // period * period  # where the period that is apart begins
    z.array[:period] = np.random.default_rng(0).uniform(-20, 20, period)
    z.array[last:] = np.random.default_rng(1).uniform(-20, 20, MAPPED - last)
    parts = slice(0, period), slice(last - period, last), slice(last, MAPPED)
    for (number, name), kind in itertools.product(enumerate(fastgrad.ACTIVATIONS), ("value", "derivative")):
        phi = fastgrad.activation(name)
        ufunc = phi if kind == "value" else phi.derivative
        in_c = partial(getattr(table, kind), number, z.array.itemsize, MAPPED, z.start, phi.parameter or 0.0, y.start)
        expected = [ufunc(z.array[part].copy()) for part in parts]
        for call in (partial(ufunc, z.array, out=y.array), in_c):
            y.array[:period] = y.array[last:] = 7
            call()
            called += 1
            if not all(np.array_equal(y.array[part], true) for part, true in zip(parts, expected, strict=True)):
                wrong.append(f"{dtype} {name} {kind}")
    key, alone = np.arange(4, dtype=np.uint32), np.empty(MAPPED - last, dtype)
    table.draw(1, alone.itemsize, key.ctypes.data, 0, 0, 1.0, MAPPED, y.start)
    table.draw(1, alone.itemsize, key.ctypes.data, 0, last, 1.0, alone.size, alone.ctypes.data)
    return called + 1, wrong + ([] if np.array_equal(y.array[last:], alone) else [f"{dtype} draw"])


def large(folder):
    """Every ufunc, and the table's functions: the first, the last and those between."""
    called, wrong = 0, []
    for dtype in ("float32", "float64"):
        z, y = Periodic(MAPPED, dtype), Periodic(MAPPED, dtype)
        count, names = wrong_in(dtype, z, y)
        called, wrong = called + count, wrong + names
        z.close(), y.close()
    return not wrong, f"{called} calls on {MAPPED:,} numbers, {len(wrong)} wrong" + "".join(f", {one}" for one in wrong)
