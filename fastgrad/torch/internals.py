"""What fastgrad.torch uses of PyTorch that is not documented, under names that say what it is."""

# Design: In one place, so that a PyTorch that lacks one of them is refused by one sentence when this is imported.

import torch

try:
    from torch._C import DispatchKey
    from torch._C import _are_functorch_transforms_active as transforms_active
    from torch._C import _AutoDispatchBelowAutograd as below_autograd
    from torch._C import _dispatch_tls_is_dispatch_key_included as key_included
    from torch._C import _is_tracing as is_tracing
    from torch._C import _len_torch_dispatch_stack as number_of_modes
    from torch._C._autograd import _get_current_graph_task_keep_graph as graph_is_kept
    from torch._functorch.utils import enable_single_level_autograd_function as inside_a_transform
    from torch.autograd import forward_ad
    from torch.autograd.forward_ad import _current_level  # noqa: F401 - read where it is, because it changes
    from torch.autograd.forward_ad import _set_fwd_grad_enabled as set_forward_mode_enabled
    from torch.compiler import is_dynamo_compiling
    from torch.library import register_fake, register_vmap
except ImportError as error:
    raise ImportError(
        f"fastgrad.torch is tested with PyTorch 2.13 and needs what {torch.__version__} has not: "
        "pip install --upgrade torch"
    ) from error

__all__ = [
    "DispatchKey",
    "below_autograd",
    "forward_ad",
    "graph_is_kept",
    "inside_a_transform",
    "is_dynamo_compiling",
    "is_tracing",
    "key_included",
    "number_of_modes",
    "register_fake",
    "register_vmap",
    "set_forward_mode_enabled",
    "transforms_active",
]
