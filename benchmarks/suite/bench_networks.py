"""Layers, networks, training and sweeps: time and memory; and what importing the package costs."""

import numpy as np

import fastgrad

from .common import SAMPLES, batch, needs, network, placed


class Dense:
    version = "2"
    repeat = SAMPLES
    gate = True
    params = ((32, 128),)
    param_names = ("width",)

    def setup(self, width):
        x, weight = batch(64, width)[0], batch(width, width)[0] / np.float32(width**0.5)
        self.x, self.weight, self.bias, self.dy = x, placed(weight), np.zeros(width, np.float32), placed(x, 32)
        self.forward_out = placed(x, 16), placed(x, 24)
        self.backward_out = placed(x, 16), placed(weight, 24), placed(self.bias, 40)
        self.time_forward()
        self.time_backward()

    def time_forward(self, *_):
        fastgrad.dense_forward(self.x, self.weight, self.bias, "tanh", out=self.forward_out)

    def time_backward(self, *_):
        fastgrad.dense_backward(self.dy, self.dy, self.x, self.weight, out=self.backward_out)


class Networks:
    version = "2"
    repeat = SAMPLES
    gate = True
    params = (((10, 32, 32), (50, 64, 32)),)
    param_names = ("depth_width_batch",)

    def setup(self, shape):
        depth, width, rows = shape
        self.net, (self.X, self.y) = network(depth, width), batch(rows, width)
        self.out = self.net.loss_and_gradients(self.X, self.y)[1]
        self.time_profile()

    def time_gradients(self, *_):
        self.net.loss_and_gradients(self.X, self.y, out=self.out)

    def time_profile(self, *_):
        self.net.gradient_profile(self.X, self.y)


class Memory:
    """Twenty layers of 64 on 16,384 rows: values and derivatives fill 160 MB, several times what Python takes."""

    version = "2"
    gate = True

    def setup(self):
        self.net, (self.X, self.y) = network(20, 64), batch(16_384, 64)

    def peakmem_gradients(self):
        self.net.loss_and_gradients(self.X, self.y)

    def peakmem_profile(self):
        self.net.gradient_profile(self.X, self.y)


class Initializers:
    version = "2"
    repeat = SAMPLES
    gate = True
    params = (("he_normal", "xavier_uniform", "lecun_normal"),)
    param_names = ("rule",)

    def setup(self, rule):
        self.rule = getattr(fastgrad.initializers, rule)
        self.time_weights()

    def time_weights(self, *_):
        self.rule((128, 256), rng=0)


class Training:
    """Two epochs of 512 rows, with the monitor that a training has by default."""

    version = "2"
    repeat = SAMPLES
    gate = True

    def setup(self):
        self.X, self.y = batch(512, 64)
        self.time_fit()

    @needs("fit")
    def time_fit(self):
        net = fastgrad.MLP([64, *[64] * 3, 10], "tanh", "xavier_normal", seed=0)
        fastgrad.fit(net, self.X, self.y, epochs=2)


class Sweep:
    """A cell of a sweep in memory, one of twelve."""

    version = "1"
    repeat = SAMPLES
    gate = True

    def setup(self):
        self.time_twelve_cells()

    @needs("sweep")
    def time_twelve_cells(self):
        fastgrad.sweep(
            activation=["tanh", "relu"], init=["xavier_normal", "he_normal"], depth=[5, 10, 20], width=[32], workers=1
        )


def timeraw_import():
    """In a fresh process."""
    return "import fastgrad"


timeraw_import.version = "1"
