"""Which tensors the kernels can compute with, and which of them they may read at their address."""

# Design: A kernel that is given an address reads what is there now, and PyTorch does not see it do so. That is right
#         for ordinary tensors only. What is not ordinary is listed here in full; each check takes 0.05 us, while to ask
#         the dispatcher for all its keys at once took 2.4 us of the 30 that a node with little to compute takes.

import torch

from fastgrad.torch.internals import (
    DispatchKey,
    forward_ad,
    is_tracing,
    key_included,
    number_of_modes,
    transforms_active,
)

DIRECT = (torch.float32, torch.float64)  # what the kernels read as it is
_TAKEN = (*DIRECT, torch.float16, torch.bfloat16)
_PRE_DISPATCH = DispatchKey.PreDispatch
_CLASSES = (torch.Tensor, torch.nn.Parameter)  # of others the numbers may be elsewhere, or nowhere (FakeTensor)


def check(z):
    """One sentence for a tensor that the kernels cannot compute with."""
    if isinstance(z, torch.Tensor) and z.is_cpu and z.layout is torch.strided and z.dtype in _TAKEN and not z.is_nested:
        return
    if not isinstance(z, torch.Tensor):
        raise TypeError(f"fastgrad.torch takes tensors, got {type(z).__name__}: torch.as_tensor makes one")
    if not z.is_cpu:
        raise ValueError(f"fastgrad.torch computes on the CPU, got a tensor on {z.device}: move it with .cpu()")
    if z.is_nested:
        raise TypeError("fastgrad.torch takes dense tensors, got a nested one: .to_padded_tensor(0.0) makes one")
    if z.layout is not torch.strided:
        raise TypeError(f"fastgrad.torch takes dense tensors, got {z.layout}: .to_dense() makes one")
    names = ", ".join(str(dtype).removeprefix("torch.") for dtype in _TAKEN)
    raise TypeError(f"fastgrad.torch takes {names}, got {str(z.dtype).removeprefix('torch.')}")


def address_of(z) -> int:
    """Where the numbers of an ordinary tensor are; 0 for any other, and for what :func:`check` refuses."""
    if type(z) not in _CLASSES or not z.is_cpu or z.is_nested or observed():
        return 0
    if z.is_neg():  # a view that stands for the negative of what is there
        return 0
    try:
        return z.data_ptr()  # 0 for zeros without memory
    except RuntimeError:  # sparse, or left over from a transform of torch.func
        return 0


def observed() -> bool:
    """Whether something wants to see every call, not only its result."""
    return bool(
        number_of_modes()  # FakeTensorMode, make_fx and any other TorchDispatchMode
        or is_tracing()  # torch.jit.trace
        or transforms_active()  # torch.func.grad, vmap, jvp, functionalize
        or key_included(_PRE_DISPATCH)  # torch.export
        or forward_ad._current_level >= 0  # a tensor may carry a tangent
    )
