"""The products of data with parameters in a forward pass, whichever module or function computes them."""

# Design: - A TorchFunctionMode sees each call of PyTorch's public functions while it is entered. So it sees a product
#           itself, before the activation, whether a Linear, `x @ self.W` or a loop over a ParameterList computes it; a
#           hook on a custom module would see the module's output, which is behind its activation.
#         - A weight is a parameter of two or more dimensions, or what is computed from parameters alone (`W.t()`,
#           `W * mask`, weight norm). Everything else is data.
#         - What is only added, concatenated or looked up (a positional or token embedding) is no product.
#         - Not seen is what does not go through those functions (a custom autograd.Function, scripted modules, other
#           threads). The profile names the parameters that are left out for it.

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_NO_PRODUCTS = frozenset(
    (
        *("add", "add_", "sub", "sub_", "__add__", "__radd__", "__iadd__", "__sub__", "__rsub__", "__isub__", "rsub"),
        *("cat", "concat", "concatenate", "stack", "hstack", "vstack", "where", "copy_", "__setitem__", "type_as"),
        *("to", "expand_as", "view_as", "reshape_as", "embedding", "embedding_bag", "__getitem__", "index_select"),
        *("gather", "take_along_dim", "clone", "detach", "lerp", "masked_fill", "broadcast_tensors", "add_n"),
        *("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like", "full_like"),
    )
)


class Products(TorchFunctionMode):
    """While it is entered, calls back for each product and before each elementwise call.

    Parameters
    ----------
    model : torch.nn.Module
    see_product : callable
        ``see_product(name, weights, args, result)``: the name of the function, the names of the parameters of two or
        more dimensions among its arguments, the arguments and the result. What it returns takes the place of the
        result.
    see_elementwise : callable
        ``see_elementwise(func, args, kwargs)``, before any function whose first argument is data.
    """

    def __init__(self, model: nn.Module, see_product: Callable, see_elementwise: Callable) -> None:
        super().__init__()
        self.see_product, self.see_elementwise = see_product, see_elementwise
        # tensors are found by id; they are kept, because the id of one that is gone may be given to another
        self.owners: dict[int, tuple[torch.Tensor, frozenset[str]]] = {}
        for name, parameter in model.named_parameters():
            self.owners[id(parameter)] = parameter, frozenset([name] if parameter.ndim >= 2 else [])
        for buffer in model.buffers():
            self.owners[id(buffer)] = buffer, frozenset()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.see_elementwise(func, args, kwargs)
        result = func(*args, **kwargs)
        weights, own, data = set(), False, False
        for tensor in _tensors((args, tuple(kwargs.values()))):
            _, names = self.owners.get(id(tensor), (None, None))
            if names is not None:
                weights |= names
                own = True
            else:
                data |= tensor.ndim > 0
        name = getattr(func, "__name__", "")
        if own and not data:
            for tensor in _tensors((result,)):
                self.owners.setdefault(id(tensor), (tensor, frozenset(weights)))
        elif weights and name not in _NO_PRODUCTS:
            return self.see_product(name, sorted(weights), args, result)
        return result


def _tensors(values) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def name_of(model: nn.Module, weights: list[str]) -> str:
    """The path of the module that the parameters belong to, or a parameter's own name if its module has several."""
    paths = [_owner(model, weight) for weight in weights]
    if len(weights) == 1:
        owner = model.get_submodule(paths[0])
        several = sum(parameter.ndim >= 2 for parameter in owner.parameters(recurse=False)) > 1
        if several or isinstance(owner, nn.ParameterList | nn.ParameterDict):
            return weights[0]
        return paths[0] or type(model).__name__
    common = []
    for parts in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    if common == [""]:
        return type(model).__name__ if _all_of(model, weights) else ", ".join(weights)
    return ".".join(common) or ", ".join(weights)


def _all_of(model, weights):
    own = {name for name, parameter in model.named_parameters(recurse=False) if parameter.ndim >= 2}
    return own == set(weights)


def _owner(model, weight):
    """The path of the module that owns a parameter; of a parametrised weight, the module whose weight it makes."""
    path = weight.rpartition(".")[0]
    head, marker, _ = path.partition("parametrizations")
    return head.removesuffix(".") if marker else path
