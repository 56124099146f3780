"""The optimisers as records: name, options, numbers of state per parameter, and one step."""

# Design: - A network's parameters are one flat array, and so are its gradient and what the optimiser keeps: a step is
#           one loop, and a checkpoint a handful of arrays.
#         - Weight decay is added to the gradient (scikit-learn's alpha, PyTorch's weight_decay), for weights only.

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType

import numpy as np

from fastgrad._validation import known, real_number, shown
from fastgrad.kernels import steps as updates

_NAMES = {"one": 1.0, "sqrt": np.sqrt}
_FORMULAS = {
    name: FunctionType(formula.__code__, _NAMES)
    for name, formula in vars(updates).items()
    if isinstance(formula, FunctionType)
}

# name -> (numbers kept per parameter, options and their defaults)
_RULES = {
    "sgd": (0, {}),
    "momentum": (1, {"momentum": 0.9}),
    "nesterov": (1, {"momentum": 0.9}),
    "adam": (2, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}),
}
OPTIMIZERS = tuple(_RULES)
# The learning rate where none is given: those with which digits and MNIST are learned by shallow networks.
LEARNING_RATES = {"sgd": 0.1, "momentum": 0.01, "nesterov": 0.01, "adam": 0.001}


@dataclass(frozen=True)
class Optimizer:
    """A rule for steps against the gradient, with its options; get one with :func:`fastgrad.optimizer`.

    Attributes
    ----------
    name : {"sgd", "momentum", "nesterov", "adam"}
    options : mapping
        Every option of the rule by name, the defaults among them.
    """

    name: str
    options: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self):
        known("optimizer", self.name, OPTIMIZERS)
        defaults = _RULES[self.name][1]
        for name in self.options:
            if name not in defaults:
                takes = f"takes {', '.join(defaults)}" if defaults else "takes no option"
                raise TypeError(f"{self.name} {takes}, got {name}")
        options = {name: _checked(name, self.options.get(name, default)) for name, default in defaults.items()}
        object.__setattr__(self, "options", options)

    @property
    def kept(self) -> int:
        """Numbers of state per parameter: 0, 1 (velocity) or 2 (the moments)."""
        return _RULES[self.name][0]

    @property
    def label(self) -> str:
        """Name and the options that are not its defaults."""
        defaults = _RULES[self.name][1]
        odd = [f"{name}={value:g}" for name, value in self.options.items() if value != defaults[name]]
        return f"{self.name}({', '.join(odd)})" if odd else self.name

    def __str__(self) -> str:
        return self.label

    def coefficients(self, rate: float, step: int) -> tuple[float, ...]:
        """What the formulas take beside w, g and the state, at this step, 1 being the first."""
        if self.name == "adam":
            beta_1, beta_2, epsilon = self.options.values()
            return rate / (1 - beta_1**step), 1 / math.sqrt(1 - beta_2**step), beta_1, beta_2, epsilon
        return (rate, *self.options.values())

    def update(self, w: np.ndarray, g: np.ndarray, kept: list[np.ndarray], rate: float, decay, step: int) -> None:
        """One step in place: parameters w, gradient g (overwritten), arrays of w's shape and dtype, step from 1.

        ``decay`` is an array like w or a number.
        """
        real = w.dtype.type
        rate, *rest = map(real, self.coefficients(rate, step))
        g[...] = _FORMULAS["decayed"](g, w, decay)
        if self.name == "sgd":
            w[...] = _FORMULAS["descent"](w, g, rate)
        elif self.name == "adam":
            (m, v), (scale, beta_1, beta_2, epsilon) = kept, rest
            m[...] = _FORMULAS["first_moment"](m, g, beta_1)
            v[...] = _FORMULAS["second_moment"](v, g, beta_2)
            w[...] = _FORMULAS["adam"](w, m, v, rate, scale, epsilon)
        else:
            (v,), (momentum,) = kept, rest
            v[...] = _FORMULAS["velocity"](v, g, rate, momentum)
            plain = self.name == "momentum"
            w[...] = _FORMULAS["coasting"](w, v) if plain else _FORMULAS["nesterov"](w, v, g, rate, momentum)


def optimizer(name: "str | Optimizer", **options: float) -> Optimizer:
    """The record of the named optimiser.

    Parameters
    ----------
    name : str or Optimizer
        ``"sgd"``, ``"momentum"``, ``"nesterov"`` or ``"adam"``; a record is returned as it is.
    **options
        ``momentum`` (0.9) for momentum and nesterov; ``beta_1`` (0.9), ``beta_2`` (0.999) and ``epsilon`` (1e-8)
        for adam (Kingma and Ba 2015, algorithm 1).

    Returns
    -------
    Optimizer

    Raises
    ------
    ValueError
        If the name is unknown, a momentum or beta is not in [0, 1), or epsilon is not above 0.
    TypeError
        If the optimiser does not take that option.
    """
    if isinstance(name, Optimizer):
        if options:
            raise TypeError(f"{name} is a record and takes no further options, got {', '.join(options)}")
        return name
    return Optimizer(name, options)


def _checked(name, value):
    if name == "epsilon":
        return real_number(name, value, above=0.0)
    number = real_number(name, value, minimum=0.0)
    if number >= 1:
        raise ValueError(f"{name} must be below 1, got {shown(value)}")
    return number
