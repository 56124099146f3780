"""Bind the names in the formulas: a backend gives its primitives and gets the functions that are made of them."""

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from fastgrad import formulas


def bind(
    primitives: Mapping[str, Any],
    functions: Mapping[str, FunctionType] = formulas.FUNCTIONS,
    real: Callable[[float], Any] = float,
    compile: Callable[[FunctionType], Any] = lambda function: function,
) -> dict[str, Any]:
    """``primitives``, the numbers of formulas.py as ``real``, and the functions, which call each other and those.

    A primitive of the name of a function takes its place.
    """
    names = {name: real(number) for name, number in formulas.CONSTANTS.items()}
    for name, function in functions.items():
        names[name] = compile(FunctionType(function.__code__, names, name))
    names.update(primitives)
    return names
