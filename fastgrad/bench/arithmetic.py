"""How many floating-point operations an activation takes per element, counted in its formulas."""

# Design: - The formulas run on symbols. What was computed before is not counted again, as compilers do not compute it
#           again: value and derivative in one pass share their exponential.
#         - A sum, a difference, a product and a quotient are one operation, a fused multiply-add is two. Comparisons,
#           selections, signs and scaling by a power of two are none, so that a formula's share of the peak, which is of
#           multiply-adds, is a lower bound.

from collections.abc import Callable
from functools import cache, partial
from types import FunctionType
from typing import Any

from fastgrad import formulas
from fastgrad.kernels import exponential
from fastgrad.kernels.names import bind

COUNTED = {"+": 1, "-": 1, "*": 1, "/": 1, "fma": 2}  # the others are none
PRIMITIVES = ("fabs", "copysign", "minimum", "maximum", "where", "ldexp", "shift_exponent", "fma")


class Symbol:
    """What an operation gives; ``known`` has the number of each that there was."""

    def __init__(self, known: dict[tuple, int], operation: str, *operands: Any):
        self.known = known
        self.number = known.setdefault((operation, *(_number(one) for one in operands)), len(known))

    def _do(self, operation, *others):
        return Symbol(self.known, operation, self, *others)

    def __neg__(self):
        return self._do("sign")

    def __add__(self, other):
        return self._do("+", other)

    def __sub__(self, other):
        return self._do("-", other)

    def __mul__(self, other):
        return self._do("*", other)

    def __truediv__(self, other):
        return self._do("/", other)

    def __lt__(self, other):
        return self._do("<", other)

    def __gt__(self, other):
        return self._do(">", other)

    def __le__(self, other):
        return self._do("<=", other)


def _number(operand):
    return operand.number


@cache
def operations(kind: str, name: str, dtype: str = "float32") -> int:
    """Floating-point operations per element.

    Parameters
    ----------
    kind : str
        ``"value"``, ``"derivative"`` or ``"value_and_derivative"``, which is one pass.
    name : str
        An activation.
    dtype : str
        ``"float32"`` or ``"float64"``, whose exponential has a longer polynomial.

    Returns
    -------
    int
    """
    known: dict[tuple, int] = {}
    symbol: Callable[..., Symbol] = partial(Symbol, known)
    names = _names(symbol, dtype.replace("float", "f"))
    for formula, its_kind in ((formulas.VALUES[name], "value"), (formulas.DERIVATIVES[name], "derivative")):
        if its_kind in kind:
            names[formula.__name__](*(symbol(argument) for argument in ("z", "parameter")[: _takes(formula)]))
    return sum(COUNTED.get(operation, 0) for operation, *_ in known)


def _takes(formula):
    return formula.__code__.co_argcount


def _names(symbol, suffix):
    """What the names in the formulas mean for symbols."""
    names: dict[str, Any] = {name: partial(symbol, name) for name in PRIMITIVES}
    names |= {name: symbol(f"constant {number!r}") for name, number in exponential.CONSTANTS[suffix].items()}
    functions = {name: f for name, f in vars(exponential).items() if isinstance(f, FunctionType)}
    functions["polynomial"] = functions[f"polynomial_{suffix}"]
    real = lambda number: symbol(f"constant {number!r}")  # noqa: E731
    return bind(names | {"mad": names["fma"]}, functions | formulas.FUNCTIONS, real)
