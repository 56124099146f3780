"""How gradients decay with depth: tracked like a speed, so that a change of gradient health shows in the history."""

import math

import fastgrad

from .common import INITS, batch


class Decay:
    """Means over five seeds at width 64, on a fixed batch.

    Tracked numbers are positive, of order 1 and better the lower they are: asv judges the others wrongly.
    """

    version = "1"
    timeout = 300
    params = (("sigmoid", "tanh", "relu", "elu"), INITS, (5, 20, 80))
    param_names = ("activation", "init", "depth")

    def track_decades_lost(self, activation, init, depth):
        return 1 + abs(self._measured(activation, init, depth).decades_lost)

    track_decades_lost.unit = "decades + 1"

    def track_distance_from_theory(self, activation, init, depth):
        measured = self._measured(activation, init, depth)
        sizes = [64, *[64] * depth, 10]
        X, _ = batch(64, 64)
        predicted = fastgrad.theory.predict(fastgrad.activation(activation), fastgrad.initializer(init), sizes, X)
        difference = abs(measured.decades_per_layer - predicted.decades_per_layer)
        if not math.isfinite(difference):
            raise ValueError("NaN would count as skipped")
        return 1 + difference

    track_distance_from_theory.unit = "decades per layer + 1"

    def _measured(self, activation, init, depth):
        return fastgrad.measure(activation, init, depth, 64, *batch(64, 64), seeds=range(5))
