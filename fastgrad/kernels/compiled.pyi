"""Types of the compiled backend; what is not here is internal."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CPU: str
SETS: Mapping[str, Mapping[Any, np.ufunc]]
UFUNCS: Mapping[Any, np.ufunc]

def value_and_derivative_at(activation: int, item: int, n: int, z: int, parameter: float, y: int, d: int) -> int: ...
def runtime() -> dict[str, Any]: ...
def value(name: str, z: ArrayLike, parameter: float | None = None, out: NDArray[Any] | None = None) -> Any: ...
def derivative(name: str, z: ArrayLike, parameter: float | None = None, out: NDArray[Any] | None = None) -> Any: ...
def value_and_derivative(
    name: str,
    z: ArrayLike,
    parameter: float | None = None,
    out: tuple[NDArray[Any] | None, NDArray[Any] | None] = (None, None),
) -> tuple[Any, Any]: ...
def __getattr__(name: str) -> Any: ...
