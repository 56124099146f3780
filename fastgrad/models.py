"""Networks of other libraries -> weights and biases, so that they can be measured here."""

import numpy as np

from fastgrad._validation import listed
from fastgrad.activations import Activation, activation

# scikit-learn's names of activations that have another one here.
SKLEARN_ACTIVATIONS = {"logistic": Activation("sigmoid"), "identity": Activation("leaky_relu", 1.0)}


def parameters_of(model) -> tuple[list[np.ndarray], list[np.ndarray], Activation | None]:
    """(weights, biases, activation or None) of a network of fully connected layers, from the input.

    Takes a pair (weights, biases); an estimator with scikit-learn's ``coefs_`` and ``intercepts_``; a PyTorch module,
    whose ``Linear`` layers are taken in the order in which they were made; a Keras model, whose layers with a
    matrix and a vector are. Weights are ``(fan_in, fan_out)``.

    Raises
    ------
    ValueError
        If a scikit-learn classifier is of several labels per row.
    TypeError
        If it is something else, or has no such layer.
    """
    if isinstance(model, tuple | list) and len(model) == 2:
        weights, biases = (list(map(as_array, listed("weights and biases", part))) for part in model)
        return weights, biases, None
    if hasattr(model, "coefs_"):
        return _of_sklearn(model)
    if hasattr(model, "named_modules"):
        layers = [m for _, m in model.named_modules() if getattr(getattr(m, "weight", None), "ndim", 0) == 2]
        weights = [as_array(layer.weight).T for layer in layers]
        biases = [
            np.zeros(weight.shape[1], weight.dtype) if layer.bias is None else as_array(layer.bias)
            for layer, weight in zip(layers, weights, strict=True)
        ]
    elif hasattr(model, "layers"):
        pairs = [layer.get_weights() for layer in model.layers]
        pairs = [pair for pair in pairs if len(pair) == 2 and pair[0].ndim == 2]
        weights, biases = [weight for weight, _ in pairs], [bias for _, bias in pairs]
    else:
        got = type(model).__name__
        raise TypeError(f"network must be an MLP, (weights, biases) or a model of known kind, got {got}")
    if not weights:
        raise TypeError(f"this {type(model).__name__} has no fully connected layer")
    return weights, biases, None


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
    return np.asarray(value)
