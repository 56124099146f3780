"""The gradient profile of a model of PyTorch from one forward and one backward pass, after which it is as before."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fastgrad.torch.profile import WatchedProfile
from fastgrad.torch.watch import watch


def profile_once(model: nn.Module, inputs: Any, targets: Any, loss: Callable | None = None) -> WatchedProfile:
    """What :func:`fastgrad.torch.watch` measures of one step.

    Parameters
    ----------
    model : torch.nn.Module
        Its gradients, its mode and its buffers are put back afterwards.
    inputs : tensor or tuple of tensors
    targets : tensor
    loss : callable, optional
        ``loss(outputs, targets)``; cross-entropy for integer targets, else the mean squared error.

    Returns
    -------
    WatchedProfile
    """
    if loss is None:
        whole = not (targets.is_floating_point() or targets.is_complex())
        loss = nn.functional.cross_entropy if whole else nn.functional.mse_loss
    gradients = {parameter: parameter.grad for parameter in model.parameters()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        for parameter in gradients:
            parameter.grad = None
        with torch.enable_grad(), watch(model, every=1) as watched:
            loss(model(*inputs) if isinstance(inputs, tuple | list) else model(inputs), targets).backward()
            return watched.profile
    finally:
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
