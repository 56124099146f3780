"""Networks of other libraries -> weights, biases and activation, to be measured here."""

from itertools import pairwise
from typing import NoReturn

import numpy as np

from fastgrad._validation import listed
from fastgrad.activations import Activation, activation

# scikit-learn's names of activations that have another one here.
IDENTITY = Activation("leaky_relu", 1.0)
SKLEARN_ACTIVATIONS = {"logistic": Activation("sigmoid"), "identity": IDENTITY}
Parameters = tuple[list[np.ndarray], list[np.ndarray], Activation | None]


# Keras' layers that leave a value as it is where it is measured, outside training.
KERAS_NO_CHANGE = ("InputLayer", "Flatten", "Dropout", "GaussianDropout", "AlphaDropout", "GaussianNoise")


def parameters_of(model, X=None, declared: Activation | None = None) -> Parameters:
    """(weights, biases, activation or None) of a network of fully connected layers, from the input.

    Takes a pair (weights, biases); an estimator with scikit-learn's ``coefs_`` and ``intercepts_``; a PyTorch module,
    which is run once on the rows ``X`` (see fastgrad/torch/reader.py); a Keras model of ``Dense`` layers in a row.
    Weights are ``(fan_in, fan_out)``. The activation is None where the model does not say it.

    Raises
    ------
    ValueError
        If a scikit-learn classifier is of several labels per row; if a model has layers or activations that an
        :class:`fastgrad.MLP` has not, or its activation is not the one that is ``declared``.
    TypeError
        If it is something else, or has no such layer; if a PyTorch module comes without ``X``.
    """
    if isinstance(model, tuple | list) and len(model) == 2:
        weights, biases = (list(map(as_array, listed("weights and biases", part))) for part in model)
        return weights, biases, declared
    if hasattr(model, "coefs_"):
        found = _of_sklearn(model)
    elif _is_keras(model):  # which on PyTorch is a module too
        found = _of_keras(model)
    elif hasattr(model, "named_modules"):
        if X is None:
            raise TypeError("a PyTorch module is read by running it: give the rows X")
        found = _of_torch(model, X, declared)
    else:
        got = type(model).__name__
        raise TypeError(f"network must be an MLP, (weights, biases) or a model of known kind, got {got}")
    if declared is not None and found[2] not in (None, declared):
        raise ValueError(f"the activation of this {type(model).__name__} is {found[2]}, not {declared}")
    return found


def _of_torch(model, X, declared):
    from fastgrad.torch.reader import read  # PyTorch

    layers, phi = read(model, X, declared)
    weights = [as_array(layer.weight).T for layer in layers]
    biases = [
        np.zeros(weight.shape[1], weight.dtype) if layer.bias is None else as_array(layer.bias)
        for layer, weight in zip(layers, weights, strict=True)
    ]
    return weights, biases, phi


def _is_keras(model):
    layers = getattr(model, "layers", None)
    return isinstance(layers, list) and bool(layers) and all(hasattr(layer, "get_weights") for layer in layers)


def _of_keras(model):
    layers = [layer for layer in model.layers if type(layer).__name__ not in KERAS_NO_CHANGE]
    if not any(type(layer).__name__ == "Dense" for layer in layers):
        raise TypeError(f"this {type(model).__name__} has no fully connected layer")
    if type(model).__name__ != "Sequential":
        _check_keras_chain(model)
    weights, biases, between = [], [], []
    for layer in layers:
        phi = _keras_activation(model, layer)
        if type(layer).__name__ == "Dense":
            weight, *bias = map(as_array, layer.get_weights())
            weights.append(weight)
            biases.append(bias[0] if bias else np.zeros(weight.shape[1], weight.dtype))
            between.append(phi)
        elif between and between[-1] == IDENTITY:
            between[-1] = phi
        else:
            _refuse_keras(model, f"{layer.name!r} is an activation that does not follow a Dense layer")
    if between[-1] not in (IDENTITY, "softmax"):
        _refuse_keras(model, f"its outputs pass {between[-1]}")
    hidden = set(between[:-1])
    if len(hidden) > 1 or "softmax" in hidden:
        _refuse_keras(model, f"its layers have several activations ({', '.join(sorted(map(str, hidden)))})")
    return weights, biases, hidden.pop() if hidden else None


def _keras_activation(model, layer):
    """The record of a layer's activation; "softmax", which the loss takes into account where it is the last."""
    kind, own = type(layer).__name__, getattr(layer, "activation", None)
    name = getattr(own, "__name__", "") if kind in ("Dense", "Activation") else kind
    plain = not getattr(layer, "negative_slope", 0) and not getattr(layer, "threshold", 0)
    if kind == "ReLU" and plain and getattr(layer, "max_value", None) is None:
        return activation("relu")
    if kind == "LeakyReLU":
        return activation("leaky_relu", negative_slope=float(layer.negative_slope))
    if kind == "ELU":
        return activation("elu", alpha=float(layer.alpha))
    if kind in ("Dense", "Activation", "Softmax"):
        if name in ("linear", "softmax", "Softmax"):
            return IDENTITY if name == "linear" else "softmax"
        if name in ("relu", "tanh", "sigmoid", "elu", "leaky_relu"):
            return activation(name, negative_slope=0.2) if name == "leaky_relu" else activation(name)  # Keras' default
    return _refuse_keras(
        model, f"it has no such thing as {layer.name!r}, {kind} {name if name != kind else ''}".rstrip()
    )


def _check_keras_chain(model):
    """Each layer must take what the one before it puts out; a subclassed model does not say what it does."""
    try:
        pairs = [(after.input is before.output, after) for before, after in pairwise(model.layers)]
    except AttributeError:
        _refuse_keras(model, "a subclassed model does not say what stands between its layers")
    for follows, layer in pairs:
        if not follows:
            _refuse_keras(model, f"{layer.name!r} does not take what the layer before it puts out")


def _refuse_keras(model, why) -> NoReturn:
    raise ValueError(f"GradientMonitor cannot measure this {type(model).__name__}: {why}; feed() takes its gradients")


def _of_sklearn(model):
    weights, biases = list(model.coefs_), list(model.intercepts_)
    if getattr(model, "out_activation_", "") == "logistic":
        if weights[-1].shape[1] > 1:
            raise ValueError("a network of several labels per row has a loss that is not known here")
        # one logistic output is a softmax beside an output that is always 0
        weights[-1], biases[-1] = (np.stack([0 * a[..., 0], a[..., 0]], -1) for a in (weights[-1], biases[-1]))
    return weights, biases, SKLEARN_ACTIVATIONS.get(model.activation) or activation(model.activation)


def as_array(value) -> np.ndarray:
    """NumPy's view of an array of any library."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value  # NumPy has none
    return np.asarray(value)
