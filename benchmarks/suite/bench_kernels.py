"""The activations: time of kernels, small calls and other backends, and how far from the machine's limit."""

import numpy as np

import fastgrad

from .common import ACTIVATIONS, NAMES, SAMPLES, TIMED, vector

CALLS = 100


class Kernels:
    """64 KB of inputs, and results into arrays that are there."""

    version = "1"
    repeat = SAMPLES
    gate = True
    params = (TIMED, ("float32", "float64"))
    param_names = ("activation", "dtype")

    def setup(self, activation, dtype):
        name, self.parameter = ACTIVATIONS[activation]
        self.name, self.value = name, getattr(fastgrad, name)
        self.derivative = getattr(fastgrad, f"{name}_derivative")
        self.both = fastgrad.value_and_derivative
        self.x, self.y, self.d = (vector(dtype, place=place) for place in (0, 5, 11))
        self.time_value()
        self.time_derivative()
        self.time_value_and_derivative()

    def time_value(self, *_):
        self.value(self.x, out=self.y, **self.parameter)

    def time_derivative(self, *_):
        self.derivative(self.x, out=self.d, **self.parameter)

    time_derivative.gate_count = "only"  # what "value_and_derivative" computes beside the value

    def time_value_and_derivative(self, *_):
        self.both(self.name, self.x, out=(self.y, self.d), **self.parameter)


class Calls:
    """What a call costs beside its numbers: a hundred calls of 100 numbers each."""

    version = "1"
    repeat = SAMPLES
    gate = True
    params = (("tanh", "elu(alpha=0.5)"),)
    param_names = ("activation",)

    def setup(self, activation):
        name, self.parameter = ACTIVATIONS[activation]
        self.value, self.x, self.y = getattr(fastgrad, name), vector("float32", 100), vector("float32", 100, 5)
        self.time_100_calls()

    def time_100_calls(self, *_):
        value, x, y, parameter = self.value, self.x, self.y, self.parameter
        for _ in range(CALLS):
            value(x, out=y, **parameter)


class Backends:
    version = "2"
    repeat = SAMPLES
    params = (NAMES, ("numba", "numpy"))
    param_names = ("activation", "backend")

    def setup(self, activation, backend):
        self.phi, self.backend = fastgrad.activation(activation), backend
        self.x, self.out = vector("float32"), (vector("float32", place=5), vector("float32", place=11))
        self.time_value_and_derivative()  # Numba compiles

    def time_value_and_derivative(self, *_):
        self.phi.value_and_derivative(self.x, out=self.out, backend=self.backend)


class Limit:
    """Time over the machine's own limit, both measured now: the formula's arithmetic at the peak, or a copy.

    Arrays of 64 KB, at many places of the memory: where they lie moves the ratio by a tenth from process to process.
    """

    version = "3"
    unit = "time / limit"
    params = (NAMES, ("value", "training"))
    param_names = ("activation", "operation")

    def track_time_over_limit(self, activation, operation):
        from fastgrad.bench.activations import activation_cases, time_activation

        (case,) = activation_cases([activation], [operation], ["float32"], [16_384])
        rng = np.random.default_rng(0)
        ratios, held = [], []
        for _ in range(20):
            ratios.append(100 / time_activation(case, [], 20)[0].figures["percent_of_limit"])
            held += [np.empty(size, np.uint8) for size in rng.integers(64, 20_000, 4)]  # the next arrays lie elsewhere
        return float(np.median(ratios))
