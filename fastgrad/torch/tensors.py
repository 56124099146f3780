"""Which tensors the kernels can compute with, and which of them they may read at their address."""

# Design: A kernel that is given an address reads what is there now, and PyTorch does not see it do so. That is right
#         for ordinary tensors only. What is not ordinary is listed here in full, with PyTorch's own word for each; one
#         call of each check takes 0.05 us, and asking the dispatcher for all its keys at once took 2.4.

import torch
from torch import _C
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd import forward_ad

DIRECT = (torch.float32, torch.float64)  # what the kernels read as it is
_TAKEN = (*DIRECT, torch.float16, torch.bfloat16)
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


def ordinary(z: torch.Tensor) -> bool:
    """Whether a kernel may read the numbers of a tensor that :func:`check` passes at its address."""
    return not (
        type(z) not in _CLASSES
        or z._is_zerotensor()  # zeros without memory
        or z.is_neg()  # a view that stands for the negative of what is in memory
        or is_functorch_wrapped_tensor(z)  # of torch.func, and left over from it
        or torch._is_functional_tensor(z)
        or observed()
    )


def observed() -> bool:
    """Whether something wants to see every call, not only its result."""
    return (
        _C._len_torch_dispatch_stack() > 0  # a TorchDispatchMode: FakeTensorMode, make_fx
        or _C._dispatch_tls_is_dispatch_key_included(_C.DispatchKey.PreDispatch)  # torch.export
        or _C._is_tracing()  # torch.jit.trace
        or _C._are_functorch_transforms_active()  # torch.func.grad, vmap, jvp, functionalize
        or forward_ad._current_level >= 0  # a tensor may carry a tangent
    )
