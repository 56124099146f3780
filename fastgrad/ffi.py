"""The kernels for other projects: where the headers are, and the table of C functions for ctypes, cffi and SciPy.

C, C++ and Cython need none of this at run time: see ``include/fastgrad/abi.h`` and ``cykernels.pxd``.
"""

# Design: - There is one table of C functions, laid out in include/fastgrad/abi.h. What ctypes and cffi need to know of
#           it is read from that file, so there is no second description that could differ from the first.
#         - No call goes through this module: ctypes and cffi call the kernels directly, without the GIL.

import ctypes
import re
from functools import cache
from pathlib import Path

from fastgrad import kernels
from fastgrad._validation import known
from fastgrad.activations import ACTIVATIONS, Activation, activation

_PACKAGE = Path(__file__).resolve().parent
# Flags of GCC and Clang that, with -O3, give the same bits and speed as the Python package.
CFLAGS = ("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")


def get_include() -> str:
    """The directory of the C headers, for the compiler's ``-I``.

    Returns
    -------
    str
        An absolute path; the headers are ``fastgrad/*.h`` in it.
    """
    return str(_PACKAGE / "include")


def get_library_dir() -> str:
    """The directory of libfastgrad, which programs that include ``fastgrad/fastgrad.h`` link.

    Returns
    -------
    str
        An absolute path; the library is ``libfastgrad.a`` in it, or ``fastgrad.lib`` on Windows.
    """
    return str(_PACKAGE / "lib")


def get_cmake_dir() -> str:
    """The directory of the CMake package, for ``cmake -Dfastgrad_DIR=``.

    Returns
    -------
    str
        An absolute path; ``find_package(fastgrad)`` finds the package there.
    """
    return str(_PACKAGE / "share" / "cmake" / "fastgrad")


def get_pkgconfig_dir() -> str:
    """The directory of ``fastgrad.pc``, for ``PKG_CONFIG_PATH``.

    Returns
    -------
    str
        An absolute path.
    """
    return str(_PACKAGE / "share" / "pkgconfig")


def table_address() -> int:
    """The address of the table of C functions, a ``const fastgrad_table *``; it stays valid until the process ends.

    Returns
    -------
    int
        For ``cffi.FFI().cast("const fastgrad_table *", ...)`` or ``ctypes.cast``.
    """
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return pointer(kernels.get("compiled").C_API, b"fastgrad._C_API")


@cache
def declarations() -> str:
    """The C declarations of the table without comments and macros, as ``cffi.FFI().cdef`` takes them.

    Returns
    -------
    str
        From ``include/fastgrad/abi.h``.

    Examples
    --------
    >>> print(declarations().splitlines()[1].strip())
    FASTGRAD_SIGMOID = 0,
    """
    text = (_PACKAGE / "include" / "fastgrad" / "abi.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    lines = (line.rstrip() for line in text.splitlines() if not line.startswith("#"))
    return "\n".join(line for line in lines if line) + "\n"


_TYPES = {
    "int": ctypes.c_int,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "int64_t": ctypes.c_int64,
    "char *": ctypes.c_char_p,
    "fastgrad_gemm": ctypes.c_void_p,
}
_STRUCT = r"typedef struct {} \{{(.*?)\}} {};"
_FIELD = re.compile(r"\s*([\w ]+?[ *]+)(?:(\w+)|\(\*(\w+)\)\(([^;]*)\));")  # type, name or function, arguments


def _ctype(declared):
    """The ctypes type of a C type: pointers to numbers are addresses."""
    plain = " ".join(declared.split()).removeprefix("const ")
    return ctypes.c_void_p if plain.endswith("*") and plain not in _TYPES else _TYPES[plain]


def _argument(declared):
    """The ctypes type of ``const float *z``."""
    return _ctype(re.match(r"(.*?)\w+$", declared.strip(), re.DOTALL)[1])  # type: ignore[index]


def _fields(struct):
    """(name, ctypes type) of every field of a struct in ``declarations()``."""
    body = re.search(_STRUCT.format(struct, struct), declarations(), re.DOTALL)[1]  # type: ignore[index]
    for result, name, function, arguments in _FIELD.findall(body):
        if name:
            yield name, _ctype(result)
        else:
            yield function, ctypes.CFUNCTYPE(_ctype(result), *map(_argument, arguments.split(",")))


@cache
def table() -> ctypes.Structure:
    """The table of C functions for ctypes.

    Pointers are addresses: ``array.ctypes.data`` of a contiguous NumPy array of float32 or float64, whose ``itemsize``
    is the argument ``item``. Neither type nor length is checked: with a wrong one the
    functions read or write other memory.

    Returns
    -------
    ctypes.Structure
        Its fields are the functions; they release the GIL while they run. They raise nothing: those that
        return an int return 0, or a negative number of ``fastgrad_error`` in ``abi.h``.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.linspace(-3, 3, 5)
    >>> y = np.empty_like(z)
    >>> table().value(ACTIVATION_NUMBERS["tanh"], z.itemsize, z.size, z.ctypes.data, 0.0, y.ctypes.data)
    0
    >>> print(y[-1])
    0.9950547536867305
    """
    layout = type("fastgrad_table", (ctypes.Structure,), {"_fields_": list(_fields("fastgrad_table"))})
    return layout.from_address(table_address())  # type: ignore[attr-defined]


ACTIVATION_NUMBERS = {name: number for number, name in enumerate(ACTIVATIONS)}
_KINDS = ("value", "derivative")


def number_and_parameter(phi: Activation) -> tuple[int, float]:
    """An activation as the C functions take it.

    Parameters
    ----------
    phi : Activation
        Its record.

    Returns
    -------
    number, parameter : int and float
        The arguments ``activation`` and ``parameter``; the latter is 0 where there is none.
    """
    return ACTIVATION_NUMBERS[phi.name], phi.parameter or 0.0


@cache  # a class of ctypes is never freed
def _choice():
    return type("fastgrad_choice", (ctypes.Structure,), {"_fields_": list(_fields("fastgrad_choice"))})


def low_level_callable(name: str | Activation, kind: str = "value", **parameter: float):
    """phi or phi' of one number, as SciPy's integrators call it without going through Python.

    Parameters
    ----------
    name : str or Activation
        ``"elu"``, or ``fastgrad.activation("elu", alpha=0.5)``.
    kind : {"value", "derivative"}
        phi or phi'.
    **parameter
        ``alpha`` or ``negative_slope``, from 0 to 2**100, if the activation is given by its name.

    Returns
    -------
    scipy.LowLevelCallable
        Of signature ``double (double, void *)``.

    Raises
    ------
    ValueError
        If the name or kind is unknown, or the parameter is out of range.
    TypeError
        If the activation does not take that parameter.

    Examples
    --------
    >>> from scipy.integrate import quad
    >>> round(quad(low_level_callable("tanh", "derivative"), -1, 1)[0], 6)
    1.523188
    """
    from scipy import LowLevelCallable

    number, value = number_and_parameter(activation(name, **parameter))
    derivative = known("kind", kind, _KINDS) == "derivative"
    choice = _choice()(number, derivative, value)
    data = ctypes.cast(ctypes.pointer(choice), ctypes.c_void_p)  # keeps `choice` alive
    return LowLevelCallable(table().scalar, data, "double (double, void *)")
