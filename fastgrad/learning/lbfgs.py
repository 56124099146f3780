"""L-BFGS over all rows at once, by SciPy."""

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from fastgrad.network import MLP


def minimise(
    net: MLP, X, y, *, scale: float, weight_decay: float, iterations: int, evaluations: int, tolerance: float, record
) -> tuple[OptimizeResult, KeyboardInterrupt | None]:
    """Train a network in place on ``scale * loss + weight_decay / 2 * |weights|^2``.

    Parameters
    ----------
    net : MLP
        Its arrays are written to.
    X, y
        As ``net.check_data`` and ``net.check_targets`` return them.
    scale, weight_decay : float
    iterations, evaluations : int
        The most there may be.
    tolerance : float
        The run ends where no component of the gradient is larger.
    record : callable
        Called with the value of every evaluation.

    Returns
    -------
    found : scipy.optimize.OptimizeResult
        Its ``x`` is what the network then has, ``fun``, ``nit``, ``success`` and ``message`` are SciPy's.
    interrupt : KeyboardInterrupt or None
        What ended it: then ``found`` is what the last whole iteration left, and successful.
    """
    arrays, layers = [*net.weights, *net.biases], len(net.weights)
    ends = np.cumsum([array.size for array in arrays])[:-1]
    gradients = [tuple(map(np.empty_like, pair)) for pair in zip(net.weights, net.biases, strict=True)]

    def put(flat):
        for array, part in zip(arrays, np.split(flat, ends), strict=True):
            array[...] = part.reshape(array.shape)

    def value_and_gradient(flat):
        put(flat)
        loss, _ = net.loss_and_gradients(X, y, out=gradients)
        dweights, dbiases = zip(*gradients, strict=True)
        gradient = scale * np.concatenate([d.ravel().astype(np.float64) for d in (*dweights, *dbiases)])
        weights = slice(0, ends[layers - 1])
        gradient[weights] += weight_decay * flat[weights]
        value = scale * loss + 0.5 * weight_decay * float(flat[weights] @ flat[weights])
        record(value)
        return value, gradient

    start = np.concatenate([array.ravel() for array in arrays]).astype(np.float64)
    found, interrupt = OptimizeResult(x=start, fun=np.inf, nit=0, success=True), None

    def keep(intermediate_result):
        found.update(x=intermediate_result.x.copy(), fun=intermediate_result.fun, nit=found.nit + 1)

    try:
        found = minimize(
            value_and_gradient, start, method="L-BFGS-B", jac=True, callback=keep,
            options={"maxiter": iterations, "maxfun": evaluations, "gtol": tolerance},
        )  # fmt: skip
    except KeyboardInterrupt as error:
        interrupt = error
    put(found.x)
    return found, interrupt
