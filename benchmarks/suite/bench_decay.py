"""How gradients decay with depth, as measured and as predicted: so that a change of gradient health shows."""

import fastgrad

from .common import ACTIVATIONS, INITS, SAMPLES, batch

SIZES = [64] * 21 + [10]  # features, twenty hidden layers, classes


class Decay:
    """Decades that delta loses per layer, down from the output: negative where gradients grow."""

    version = "1"
    unit = "decades per layer"
    timeout = 300
    gate = True
    gate_tolerance = 1e-4
    params = (tuple(ACTIVATIONS), INITS)
    param_names = ("activation", "init")

    def setup(self, activation, init):
        name, parameter = ACTIVATIONS[activation]
        self.phi, self.init = fastgrad.activation(name, **parameter), fastgrad.initializer(init)
        self.X, self.y = batch(64, 64)

    def track_measured(self, *_):
        found = fastgrad.measure(self.phi, self.init, 20, 64, self.X, self.y, seeds=range(3))
        return found.decades_per_layer

    def track_predicted(self, *_):
        return fastgrad.theory.predict(self.phi, self.init, SIZES, self.X).decades_per_layer


class Theory:
    version = "1"
    repeat = SAMPLES
    gate = True
    params = (("tanh", "elu"),)
    param_names = ("activation",)

    def setup(self, activation):
        self.phi, self.init = fastgrad.activation(activation), fastgrad.initializer("xavier_normal")
        self.X, _ = batch(64, 64)
        self.time_predict()

    def time_predict(self, *_):
        fastgrad.theory.predict(self.phi, self.init, SIZES, self.X)
