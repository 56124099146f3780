"""Three backends with one interface: ``get(backend)`` returns the module that runs the formulas.

Each has ``value``, ``derivative`` and ``value_and_derivative`` of ``(name, z, parameter=None, out=None)``.
"""

import importlib
import sys
from types import ModuleType

from fastgrad._validation import unknown

BACKENDS = {
    "compiled": "fastgrad.kernels.compiled",
    "numba": "fastgrad.kernels.jit",
    "numpy": "fastgrad.kernels.reference",
}
LAST = "value_and_derivative"  # what each of them defines last
_HOW_TO_GET = {
    "compiled": "the extension module is missing: build it with `pip install -e .`",
    "numba": "install it with `pip install 'fastgrad[numba]'`",
}


def get(backend: str) -> ModuleType:
    """The backend of that name.

    Raises
    ------
    ValueError
        If there is no backend of that name.
    ImportError
        If it is not installed; the message says how to get it. There is no silent fallback.
    """
    if not isinstance(backend, str) or backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    found = sys.modules.get(BACKENDS[backend])  # half a microsecond less, which small passes feel
    if found and hasattr(found, LAST):  # another thread may be importing it; import_module waits for that
        return found
    try:
        return importlib.import_module(BACKENDS[backend])
    except ImportError as error:
        raise ImportError(f"backend {backend!r} is not available: {_HOW_TO_GET.get(backend, error)}") from error
