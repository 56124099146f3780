"""The activations: time, error, and how far from the machine's limit."""

import numpy as np

import fastgrad

from .common import ACTIVATIONS, DTYPES, SIZES, vector


class Activations:
    version = "1"
    params = (ACTIVATIONS, DTYPES, SIZES)
    param_names = ("activation", "dtype", "size")

    def time_value(self, activation, dtype, size):
        getattr(fastgrad, activation)(vector(size, dtype))

    def time_value_and_derivative(self, activation, dtype, size):
        fastgrad.value_and_derivative(activation, vector(size, dtype))


class Backends:
    version = "1"
    params = (ACTIVATIONS, ("numba", "numpy"))
    param_names = ("activation", "backend")
    warmup_time = 1.0  # Numba compiles

    def time_value_and_derivative(self, activation, backend):
        fastgrad.activation(activation).value_and_derivative(vector(65_536, "float32"), backend=backend)


class Accuracy:
    """ULP against float64 with mpmath's help, over a fixed sample of the floats."""

    version = "1"
    unit = "ULP + 1"
    timeout = 300
    params = (ACTIVATIONS, ("value", "derivative"))
    param_names = ("activation", "kind")

    def track_max_ulp(self, activation, kind):
        return 1 + max(row["max_ulp"] or 0.0 for row in self._rows(activation, kind))

    def track_false_zeros(self, activation, kind):
        return 1 + sum(row["false_zeros"] for row in self._rows(activation, kind))

    track_false_zeros.unit = "false zeros + 1"

    def _rows(self, activation, kind):
        from fastgrad.bench.audit.audit import Audit

        audit = Audit(None, True, [activation], [kind], "ours", 1)
        audit.run(lambda *progress: None)
        return audit.rows()


class Limit:
    """Time over the machine's own limit, both measured now: the formula's arithmetic at the peak, or a copy.

    Arrays of 64 KB, at many places of the memory: where they lie moves the ratio by a tenth from process to process.
    """

    version = "3"
    unit = "time / limit"
    params = (ACTIVATIONS, ("value", "training"))
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
