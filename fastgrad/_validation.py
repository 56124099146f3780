"""Checks of arguments, shared by the public functions: one clear sentence per mistake."""

import math
import numbers
import operator
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

# difflib, json and pathlib, a third of what `import fastgrad` takes, are imported where they are used.

# Types of arrays that come back as they are given; other real ones go to float64.
KEPT = (np.float16, np.float32, np.float64)


def computed_in(dtype) -> np.dtype:
    """The type in which results of a kept type are computed, to be rounded once: float32 for float16."""
    return np.promote_types(dtype, np.float32)


def shown(value) -> str:
    """``repr(value)`` as a message can hold it: in one line, and only the beginning of a long one."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:60]} ... (of type {type(value).__name__})"


def positive_int(name: str, value) -> int:
    """``value`` as an int; TypeError unless it is an integer, ValueError unless it is at least 1."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, got {shown(value)}")
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {shown(value)}")
    return number


def real_number(name: str, value, *, above: float | None = None, minimum: float | None = None) -> float:
    """``value`` as a finite float, greater than ``above`` or at least ``minimum``; a bool is not a number."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a real number, got {shown(value)}")
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{name} must be finite, got {shown(value)}")
    if above is not None and number <= above:
        raise ValueError(f"{name} must be greater than {above:g}, got {shown(value)}")
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {minimum:g}, got {shown(value)}")
    return number


def boolean(name: str, value) -> bool:
    """``value`` as a bool; TypeError unless it is one."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def file_path(name: str, value) -> "Path":
    """``value`` as a Path; TypeError unless it is a string or a path."""
    from pathlib import Path

    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be the path of a file, got {shown(value)}")
    return Path(value)


def float_dtype(dtype) -> np.dtype:
    """float32 or float64 as a NumPy dtype; TypeError for anything else, float16 too: too coarse for weights."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if dtype is None or found not in (np.float32, np.float64):
        hint = ": weights are not kept in float16, which functions and dense layers take" if found == np.float16 else ""
        raise TypeError(f"dtype must be float32 or float64, got {shown(dtype)}{hint}")
    return found


def listed(name: str, values) -> list:
    """The values of an argument that takes several, as a list; TypeError for a single value, a string included."""
    if isinstance(values, str) or not np.iterable(values):
        hint = "" if values is None else f"; for one give [{shown(values)}]"
        raise TypeError(f"{name} must be several values, got {shown(values)}{hint}")
    return list(values)


def layer_sizes(sizes) -> tuple[int, ...]:
    """``[n_in, n_1, ..., n_out]`` as integers, with a hidden layer at least."""
    if not np.iterable(sizes) or isinstance(sizes, str | set | frozenset | dict):  # they have no order
        raise TypeError(f"sizes must be [n_in, hidden ..., n_out], got {shown(sizes)}")
    checked = tuple(positive_int(f"sizes[{i}]", size) for i, size in enumerate(sizes))
    if len(checked) < 3:
        raise ValueError(f"sizes must be [n_in, hidden ..., n_out] with a hidden layer, got {list(checked)}")
    return checked


def plain_array(name: str, values) -> np.ndarray:
    """``np.asarray``; ValueError if the rows are of unequal length, TypeError for None."""
    if values is None:
        raise TypeError(f"{name} must be an array, got None")
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be an array, got rows of unequal length") from None


def real_array(name: str, values, dtype=None) -> np.ndarray:
    """An array of ``dtype``; without one float16, float32 and float64 are kept and other real types go to float64."""
    array = plain_array(name, values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if dtype is None:
        native = array.dtype.newbyteorder("=")
        dtype = native if native in KEPT else np.float64
    with np.errstate(over="ignore"):  # beyond float32 is inf, and the finiteness check names its row
        return np.asarray(array, dtype=dtype, order="C")


def matrix(name: str, values, shape: tuple[int | None, int | None], dtype=None) -> np.ndarray:
    """A 2-D ``real_array`` of this shape (None: any length)."""
    array = real_array(name, values, dtype)
    if array.ndim != 2 or any(shape[i] not in (None, array.shape[i]) for i in (0, 1)):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    return array


def data_matrix(name: str, values, shape: tuple[int | None, int | None], dtype) -> np.ndarray:
    """A ``matrix`` with at least one row and no NaN or infinity; the message names the first bad row."""
    array = matrix(name, values, shape, dtype)
    if array.shape[0] == 0:
        raise ValueError(f"{name} is an empty batch: it has no rows")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"{name} must be finite in {array.dtype}, but row {row} holds NaN or infinity")
    return array


def arrays_of_layers(name: str, arrays, shapes, dtype) -> None:
    """ValueError or TypeError unless there is an array of each of these shapes, of exactly this dtype."""
    arrays = listed(name, arrays)
    if len(arrays) != len(shapes):
        raise ValueError(f"there must be a {name} for each of the {len(shapes)} layers, got {len(arrays)}")
    for layer, (array, shape) in enumerate(zip(arrays, shapes, strict=True), start=1):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"layer {layer}: the {name} must be an array, got {type(array).__name__}")
        if array.shape != shape:
            raise ValueError(f"layer {layer}: the {name} must have shape {shape}, got {array.shape}")
        if array.dtype is not dtype and array.dtype != dtype:  # the first comparison is quick
            raise TypeError(f"layer {layer}: the {name} must be {dtype}, got {array.dtype}")


def unknown(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """A ValueError that names the nearest match: ``raise unknown("activation", "rleu", names)``."""
    names = list(known)
    text = str(name)[:80].lower()
    begun = [known for known in names if text and known.startswith(text)]
    import difflib

    near = begun or difflib.get_close_matches(text, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return ValueError(f"unknown {kind} {shown(name)}{hint} known: {', '.join(names)}")


def known(kind: str, name, names: Iterable[str]) -> str:
    """``name``, if it is one of ``names``; otherwise the ValueError of :func:`unknown`."""
    if not isinstance(name, str) or name not in names:  # an array would be compared element by element
        raise unknown(kind, name, names)
    return name


def each_known(kind: str, given: Iterable, names: Iterable[str]) -> list[str]:
    """What is given, each once and in order; the ValueError of :func:`unknown` if some is not among ``names``."""
    return [known(kind, name, names) for name in dict.fromkeys(given)]


def missing(what: str, package: str, extra: str) -> ImportError:
    """An ImportError that says how to get it: ``raise missing("a picture", "matplotlib", "plot") from error``."""
    return ImportError(f"{what} needs {package}: pip install 'fastgrad[{extra}]'")


def needed(name: str):
    """The module of that name, of the extra ``sweep``; ImportError that says how to get it."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise ImportError(f"this needs {name.partition('.')[0]}: pip install 'fastgrad[sweep]'") from None


def plain(value):
    """The value as strict JSON can hold it: floats that are not finite become "inf", "-inf" or "nan"."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def strict_json(value) -> str:
    """The value as strict JSON, ending in a newline: the one form in which the package prints and writes it."""
    import json

    return json.dumps(plain(value), indent=1, allow_nan=False) + "\n"
