"""Layers, networks and initial weights: time and memory; and what importing the package costs."""

import numpy as np

import fastgrad

from .common import NETWORKS, batch, needs, network


class Dense:
    version = "1"
    params = (((1, 64, 64), (32, 64, 64), (128, 256, 256)),)
    param_names = ("batch_in_out",)

    def time_forward(self, shape):
        x, weight, bias, _ = _layer(*shape)
        fastgrad.dense_forward(x, weight, bias, "tanh")

    def time_backward(self, shape):
        x, weight, _, dy = _layer(*shape)
        fastgrad.dense_backward(dy, dy, x, weight)


def _layer(rows, fan_in, fan_out):
    x, _ = batch(rows, fan_in)
    weight, dy = batch(fan_in, fan_out)[0], batch(rows, fan_out)[0]
    return x, weight, np.zeros(fan_out, np.float32), dy


class Networks:
    version = "1"
    params = (NETWORKS,)
    param_names = ("depth_width_batch",)

    def time_gradients(self, shape):
        depth, width, rows = shape
        network(depth, width).loss_and_gradients(*batch(rows, width))

    def time_profile(self, shape):
        depth, width, rows = shape
        network(depth, width).gradient_profile(*batch(rows, width))

    def peakmem_gradients(self, shape):
        self.time_gradients(shape)

    def peakmem_profile(self, shape):
        self.time_profile(shape)


class Initializers:
    version = "1"
    params = (("he_normal", "xavier_uniform", "lecun_normal"), ((64, 64), (512, 512)))
    param_names = ("rule", "in_out")

    def time_weights(self, rule, shape):
        getattr(fastgrad.initializers, rule)(shape, rng=0)


class Training:
    version = "1"

    @needs("fit")
    def time_epochs(self):
        X, y = batch(512, 64)
        net = fastgrad.MLP([64, *[64] * 3, 10], "tanh", "xavier_normal")
        fastgrad.fit(net, X, y, epochs=2, monitor=None)


def timeraw_import():
    """In a fresh process."""
    return "import fastgrad"


timeraw_import.version = "1"
