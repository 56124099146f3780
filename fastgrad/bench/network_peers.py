"""A network's loss, gradients and profile in our backend and in other libraries, each in its best form.

A contestant is a function ``(net, X, y, operation) -> call``. With "gradients" the call returns the loss and
[(dL/dW, dL/db), ...], with "profile" log10 of the root mean square of delta in every layer and then of dL/dW in every
layer. None is in place of a call that is not offered.
"""

# Design: - NumPy's is what its skilled users write: float32, every product and function into an array made once, on
#           cache lines, where PyTorch and JAX copy theirs. Our own backend of that name is no contestant: it computes
#           in float64, to judge the others.
#         - scikit-learn has no public gradient of a network to time.

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgrad.bench.peers import jax_on_one_thread
from fastgrad.kernels.memory import aligned, aligned_copy


def fastgrad(net, X, y, operation):
    """Ours: one compiled call."""
    if operation == "gradients":
        return lambda: net.loss_and_gradients(X, y)

    def profile():
        found = net.gradient_profile(X, y)
        return [found.log10_delta, found.log10_weight_gradient]

    return profile


def numpy(net, X, y, operation):
    """NumPy, layer by layer, every step into an array that is there already."""
    rows, batch = np.arange(len(y)), np.float32(len(y))
    shapes = [weight.shape for weight in net.weights]
    dweights, dbiases = _arrays(shapes), _arrays([n for _, n in shapes])
    deltas = _arrays([(len(X), n) for _, n in shapes])
    hs = [X, *_arrays([delta.shape for delta in deltas])]  # the output of every layer; the last one's is z
    weights, biases = [aligned_copy(weight) for weight in net.weights], [aligned_copy(bias) for bias in net.biases]
    layers = range(len(weights))

    def forward():
        for layer in layers:
            h = hs[layer + 1]
            np.matmul(hs[layer], weights[layer], out=h)
            np.add(h, biases[layer], out=h)
            if layer != layers[-1]:
                np.tanh(h, out=h)

    def loss_and_delta():  # delta = (softmax(z) - [label]) / batch
        z, delta = hs[-1], deltas[-1]
        np.subtract(z, z.max(axis=1, keepdims=True), out=z)
        np.exp(z, out=delta)
        total = delta.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - z[rows, y])
        np.divide(delta, total * batch, out=delta)
        delta[rows, y] -= 1 / batch
        return loss

    def backward():
        for layer in reversed(layers):
            h, delta = hs[layer], deltas[layer]
            np.matmul(h.T, delta, out=dweights[layer])
            if operation == "gradients":
                np.add.reduce(delta, axis=0, out=dbiases[layer])
            if layer:  # delta below = (delta W^T) (1 - h^2)
                np.matmul(delta, weights[layer].T, out=deltas[layer - 1])
                np.multiply(h, h, out=h)
                np.subtract(1, h, out=h)
                np.multiply(deltas[layer - 1], h, out=deltas[layer - 1])

    def gradients():
        forward()
        loss = loss_and_delta()
        backward()
        return loss, list(zip(dweights, dbiases, strict=True))

    def profile():
        gradients()
        return [np.log10([np.vdot(a, a) / a.size for a in arrays]) / 2 for arrays in (deltas, dweights)]

    return {"gradients": gradients, "profile": profile}[operation]


def _arrays(shapes):
    return [aligned(shape, np.float32) for shape in shapes]


def torch(net, X, y, operation, transform=lambda function: function):
    """PyTorch eager and its autograd."""
    import torch as th

    th.set_num_threads(1)
    weights = [th.tensor(weight, requires_grad=True) for weight in net.weights]
    biases = [th.tensor(bias, requires_grad=True) for bias in net.biases]
    parameters = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    X, y = th.tensor(X), th.tensor(y)

    @transform
    def forward():
        h, zs = X, []
        for weight, bias in zip(weights, biases, strict=True):
            zs.append(th.addmm(bias, h, weight))
            h = th.tanh(zs[-1]) if len(zs) < len(weights) else None
        return zs, th.nn.functional.cross_entropy(zs[-1], y)

    def gradients():
        loss = forward()[1]
        found = th.autograd.grad(loss, parameters)
        return loss.detach(), list(zip(found[::2], found[1::2], strict=True))

    def profile():
        zs, loss = forward()
        found = th.autograd.grad(loss, [*zs, *weights])
        return th.stack([th.linalg.vector_norm(a) / a.numel() ** 0.5 for a in found]).log10().numpy()

    return {"gradients": gradients, "profile": profile}[operation]


def torch_compile(net, X, y, operation):
    """torch.compile of the forward pass, and the backward pass that comes of it; autograd does not reach its z."""
    import torch as th

    if operation == "profile":
        return None
    th._dynamo.reset()
    return torch(net, X, y, operation, th.compile)


@dataclass(frozen=True)
class _TakenApart:
    """A call whose results are taken apart, which is no part of the pass: ``timed`` alone is."""

    timed: Callable
    pairs: Callable

    def __call__(self):
        return self.pairs(self.timed())


def jax(net, X, y, operation):
    """JAX, jitted, the layers unrolled."""
    jx = jax_on_one_thread()
    tanh, zeros = jx.numpy.tanh, jx.numpy.zeros
    weights, biases = ([jx.numpy.asarray(a) for a in arrays] for arrays in (net.weights, net.biases))
    probes = [zeros((len(X), len(bias))) for bias in biases]  # added to z: their gradients are the deltas

    def outputs(weights, biases, probes):
        h = X
        for weight, bias, probe in zip(weights, biases, probes, strict=True):
            z = h @ weight + bias + probe
            h = tanh(z)
        return z

    call = _jax_gradients(jx, outputs, (weights, biases, probes), y, operation)
    if operation == "profile":
        return call

    def pairs(found):
        loss, (dweights, dbiases) = found
        return loss, zip(dweights, dbiases, strict=True)

    return _TakenApart(call, pairs)


def jax_scan(net, X, y, operation):
    """JAX, jitted, one loop over the hidden layers, whose arrays are stacked; those between have to be square."""
    jx = jax_on_one_thread()
    tanh, zeros, stack = jx.numpy.tanh, jx.numpy.zeros, jx.numpy.stack
    width, last = net.sizes[1], net.sizes[-1]

    def stacked(arrays):
        return jx.numpy.asarray(arrays[0]), stack(arrays[1:-1]), jx.numpy.asarray(arrays[-1])

    probes = (zeros((len(X), width)), zeros((net.depth - 1, len(X), width)), zeros((len(X), last)))

    def outputs(weights, biases, probes):
        h = tanh(X @ weights[0] + biases[0] + probes[0])
        layer = (lambda h, wbp: (tanh(h @ wbp[0] + wbp[1] + wbp[2]), None), h, (weights[1], biases[1], probes[1]))
        return jx.lax.scan(*layer)[0] @ weights[2] + biases[2] + probes[2]

    call = _jax_gradients(jx, outputs, (stacked(net.weights), stacked(net.biases), probes), y, operation)
    if operation == "profile":
        return call

    def pairs(found):
        loss, ((first, middle, last), (first_bias, middle_bias, last_bias)) = found
        return loss, [(first, first_bias), *zip(middle, middle_bias, strict=True), (last, last_bias)]

    return _TakenApart(call, pairs)


def _jax_gradients(jx, outputs, arguments, y, operation):
    """The jitted loss and its gradients with respect to weights and biases, or the sizes of those of z and weights."""

    def loss(*arguments):
        return -jx.nn.log_softmax(outputs(*arguments))[jx.numpy.arange(len(y)), y].mean()

    if operation == "gradients":
        weights, biases, probes = arguments
        # NumPy's zeros are constants of the program and vanish from it
        still = [np.zeros(probe.shape, np.float32) for probe in probes]
        call = jx.jit(jx.value_and_grad(lambda weights, biases: loss(weights, biases, still), argnums=(0, 1)))
        return lambda: jx.block_until_ready(call(weights, biases))

    def profile(*arguments):
        dweights, deltas = jx.grad(loss, argnums=(0, 2))(*arguments)
        sizes = [(a**2).mean(axis=(-2, -1)) for a in (*deltas, *dweights)]
        flat = jx.numpy.concatenate([jx.numpy.atleast_1d(size) for size in sizes])
        return jx.numpy.log10(flat) / 2

    call = jx.jit(profile)
    return lambda: call(*arguments).block_until_ready()


PEERS = {"numpy": numpy, "torch": torch, "torch.compile": torch_compile, "jax": jax, "jax.scan": jax_scan}
