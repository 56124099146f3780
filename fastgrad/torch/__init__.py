"""fastgrad in PyTorch: activations whose gradients are right in the tails, and the gradient profile of any model.

``import fastgrad`` does not load it, and PyTorch is no dependency.
"""

try:
    import torch as _torch  # noqa: F401 - only whether it is there
except ImportError as error:
    raise ImportError("fastgrad.torch needs PyTorch: pip install torch") from error

from fastgrad.torch.functional import elu, leaky_relu, relu, sigmoid, tanh
from fastgrad.torch.modules import ELU, Dense, LeakyReLU, ReLU, Sigmoid, Tanh
from fastgrad.torch.profile import WatchedProfile
from fastgrad.torch.watch import Watcher, watch

__all__ = [
    "ELU",
    "Dense",
    "LeakyReLU",
    "ReLU",
    "Sigmoid",
    "Tanh",
    "WatchedProfile",
    "Watcher",
    "elu",
    "leaky_relu",
    "relu",
    "sigmoid",
    "tanh",
    "watch",
]
