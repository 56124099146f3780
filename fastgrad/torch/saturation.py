"""Which calls of PyTorch's functions are activations that saturate, and the share of their inputs that is saturated."""

# Design: A unit is saturated where phi'(z) is below a share of its largest value (activations.SATURATED_SHARE). phi'
#         never rises with |z| there, so that is where |z| exceeds a limit, found once per activation: comparing z costs
#         a fifth of computing phi'.

from functools import cache

import torch

from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.torch.functional import apply
from fastgrad.torch.profile import exact


def saturated_share(func, args: tuple, kwargs: dict) -> float | None:
    """The share of z that is saturated, in a call ``func(*args, **kwargs)`` of an activation with z as first argument.

    None if it is the call of no activation that saturates, or if z is empty.
    """
    phi = _activation_of(func, args, kwargs)
    if phi is None or phi.facts.saturates == "never" or not args[0].numel():
        return None
    z = args[0].detach()
    below_only = phi.facts.saturates == "below"
    beyond = (-z if below_only else z.abs()).gt_(_limit(phi))  # 0 or 1 in z's own type: five times as fast as bools
    return float(beyond.sum(dtype=exact(z))) / z.numel()


def _activation_of(func, args, kwargs):
    """The activation that a call computes, with its parameter; None if it is none of ours."""
    if func is apply:
        return args[1]
    name = getattr(func, "__name__", "").removesuffix("_")
    if name not in ACTIVATIONS or not args or not isinstance(args[0], torch.Tensor):
        return None
    phi = activation(name)
    if phi.parameter_name is None or phi.facts.saturates == "never":  # nobody asks for the parameter of the latter
        return phi
    parameter = (*args[1:2], kwargs.get(phi.parameter_name, phi.parameter))[0]
    try:
        return activation(name, **{phi.parameter_name: parameter})
    except ValueError:  # PyTorch takes negative ones
        return None


@cache
def _limit(phi: Activation) -> float:
    """The |z| beyond which a unit is saturated, by bisection."""
    threshold, low, high = phi.saturation_threshold, 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if phi.derivative(-middle) >= threshold else (low, middle)
    return high
