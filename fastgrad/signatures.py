"""The functions of an activation in NumPy, JAX and PyTorch: name, parameter and docstring, from the registry."""

# Design: These functions differ only in the arrays they take. The compiled kernels need their docstrings too, so this
#         stands to the left of the kernels and of the records of activations, which are handed in.

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastgrad.formulas import PARAMETERS


def made_for(name: str, function: Any, called: str, doc: str | None = None, argument: str = "x") -> Any:
    """``function``, renamed for an activation.

    Parameters
    ----------
    name : str
        The activation. An argument of the function called ``parameter`` gets the name of the activation's parameter.
    function : function
        It is changed and returned.
    called : str
        Its new name.
    doc : str, optional
        Its docstring.
    argument : str
        The new name of an argument called ``x``.
    """
    names = {"parameter": PARAMETERS.get(name, ("parameter",))[0], "x": argument}
    code = function.__code__
    variables = tuple(names.get(variable, variable) for variable in code.co_varnames)
    function.__code__ = code.replace(co_name=called, co_varnames=variables)
    function.__annotations__ = {names.get(key, key): hint for key, hint in function.__annotations__.items()}
    function.__name__ = function.__qualname__ = called
    function.__doc__ = doc
    return function


def function_of(name: str, apply: Callable, record: Callable, doc: str, hints: Mapping[str, Any]) -> Any:
    """The public function of an activation: of one array, and of the parameter if it has one.

    Parameters
    ----------
    name : str
    apply : callable
        ``apply(array, activation)`` computes it.
    record : callable
        :func:`fastgrad.activation`.
    doc : str
    hints : mapping
        The annotations of the array, under the name it is to have, and of what is returned, under ``"return"``.
    """
    label, default = PARAMETERS.get(name, ("", 0.0))
    phi = record(name)

    def plain(x):
        return apply(x, phi)

    def with_parameter(x, parameter: float = default):
        return apply(x, record(name, **{label: parameter}))

    made = made_for(name, with_parameter if label else plain, name, doc, next(iter(hints)))
    made.__annotations__ |= hints
    return made


def document(
    summary: str | None, array: str, returns: str, errors: Sequence[str], parameter: str = "", options: str = ""
) -> str:
    """A docstring in numpydoc's form; ``array`` and the others are entries, a heading with indented text below."""
    arguments, errors = [array], [*errors]
    if parameter:
        arguments.append(f"{parameter} : float\n    From 0 to 2**100.")
        errors.append(f"ValueError\n    If {parameter} is out of that range.")
    sections = {"Parameters": [*arguments, *filter(None, [options])], "Returns": [returns], "Raises": errors}
    parts = [f"{title}\n{'-' * len(title)}\n" + "\n".join(entries) for title, entries in sections.items()]
    return "\n\n".join([summary or "", *parts]) + "\n"


def numpy_document(summary: str | None, parameter: str = "") -> str:
    """The docstring of a function of NumPy arrays."""
    array = """x : array_like
    Pre-activations, of any shape. float16, float32 and float64 keep their type, any other real type goes to float64;
    float16 is computed in float32 and rounded once."""
    returns = """ndarray or scalar
    Of the shape of x. NaN stays NaN; infinities give the limits. No floating-point warnings."""
    errors = ["TypeError\n    If x is complex, or holds objects or text."]
    names = "out, **kwargs" if parameter else "out, where, **kwargs"  # a function's own arguments, or a ufunc's
    options = f"{names} : as for every NumPy ufunc\n    Where to put the result, where to compute it, and the rest."
    return document(summary, array, returns, errors, parameter, options)
