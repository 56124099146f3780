"""Kernels of processors that this machine is not, built with a cross compiler and run by an emulator."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import fastgrad
from fastgrad import formulas

INCLUDE = Path(fastgrad.__file__).parent / "include"
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-static"]
# instruction set: (cross compiler, emulator, what Debian calls the emulator linked statically)
# Debian packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, and qemu-user or qemu-user-static
MACHINES = {"neon": ("aarch64-linux-gnu-gcc", "qemu-aarch64", "qemu-aarch64-static")}


def tools(cpu):
    """Compiler and emulator of an instruction set; the test that asks is skipped where one is missing."""
    compiler, *emulators = MACHINES[cpu]
    emulator = next(filter(shutil.which, emulators), None)
    if not shutil.which(compiler) or emulator is None:
        pytest.skip(f"{compiler} or {emulators[0]} is not installed")
    return compiler, emulator


@cache
def _program(cpu, name):
    compiler, _ = tools(cpu)
    program = Path(tempfile.mkdtemp(prefix="fastgrad-")) / name
    source = Path(__file__).parent / "cross" / f"{name}.c"
    subprocess.run([compiler, *FLAGS, f"-I{INCLUDE}", str(source), "-o", str(program), "-lm"], check=True)
    return program


def face(cpu, kind):
    """``kind`` ("value" or "derivative") as a backend's function ``(name, z, parameter)``."""

    def run(name, z, parameter=None):
        z = np.ascontiguousarray(z)
        arguments = [cpu, int(kind == "derivative"), list(formulas.VALUES).index(name), z.dtype.name, parameter or 0]
        command = [tools(cpu)[1], str(_program(cpu, "driver")), *map(str, arguments)]
        done = subprocess.run(command, input=z.tobytes(), capture_output=True, check=True)
        return np.frombuffer(done.stdout, z.dtype).reshape(z.shape)

    return run


def dense(cpu, x, weight, bias, dy):
    """y, d, dx, dweight, dbias of a dense layer with tanh, and normal numbers of x's shape (key 1 2 3 4, stream 3)."""
    shape = (*x.shape, weight.shape[1])
    command = [tools(cpu)[1], str(_program(cpu, "layers")), cpu, x.dtype.name, *map(str, shape)]
    given = b"".join(array.tobytes() for array in (x, weight, bias, dy))
    done = subprocess.run(command, input=given, capture_output=True, check=True)
    found, rest = [], np.frombuffer(done.stdout, x.dtype)
    for like in (dy, dy, x, weight, bias, x):
        found.append(rest[: like.size].reshape(like.shape))
        rest = rest[like.size :]
    return found


def network(cpu, weights, biases, X, labels):
    """Loss, log10 of delta and of dL/dW per layer, dweights and dbiases of a tanh network with cross-entropy."""
    sizes = [X.shape[1], *(len(bias) for bias in biases)]
    command = [tools(cpu)[1], str(_program(cpu, "network")), cpu, X.dtype.name, *map(str, (len(X), *sizes))]
    parameters = [array for pair in zip(weights, biases, strict=True) for array in pair]
    given = b"".join(array.tobytes() for array in (X, *parameters, labels.astype(np.int64)))
    out = subprocess.run(command, input=given, capture_output=True, check=True).stdout
    figures = np.frombuffer(out, np.float64, 1 + 2 * len(weights))
    rest, gradients = np.frombuffer(out[figures.nbytes :], X.dtype), []
    for like in parameters:
        gradients.append(rest[: like.size].reshape(like.shape))
        rest = rest[like.size :]
    return figures[0], *np.split(figures[1:], 2), gradients[::2], gradients[1::2]
