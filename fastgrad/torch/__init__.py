"""fastgrad in PyTorch: activations whose gradients are right in the tails, and the gradient profile of any model.

``import fastgrad`` does not load it, and PyTorch is no dependency.
"""

try:
    import torch as _torch  # noqa: F401 - only whether it is there
except ImportError as error:
    raise ImportError("fastgrad.torch needs PyTorch: pip install torch") from error

from typing import TYPE_CHECKING, Any

from fastgrad.torch import functional, modules
from fastgrad.torch.functional import *  # noqa: F403 - its __all__ is the registry
from fastgrad.torch.modules import *  # noqa: F403
from fastgrad.torch.profile import WatchedProfile
from fastgrad.torch.watch import Watcher, watch

# One function and one class for every activation.
__all__ = [*modules.__all__, "WatchedProfile", "Watcher", *functional.__all__, "watch"]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
