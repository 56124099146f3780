"""Three backends with one interface: ``get(backend)`` returns the module that runs the formulas.

Each has ``value``, ``derivative`` and ``value_and_derivative`` of ``(name, z, parameter=None, out=None)``.
"""

import importlib
from types import ModuleType

from fastgrad._validation import unknown

BACKENDS = {
    "compiled": "fastgrad.kernels.compiled",
    "numba": "fastgrad.kernels.jit",
    "numpy": "fastgrad.kernels.reference",
}
_HOW_TO_GET = {
    "compiled": "the extension module is missing: build it with `pip install -e .`",
    "numba": "install it with `pip install 'fastgrad[numba]'`",
}
# Not sys.modules, which has a module that another thread is still importing.
_loaded: dict[str, ModuleType] = {}


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
    if found := _loaded.get(backend):  # half a microsecond less, which small passes feel
        return found
    try:
        found = importlib.import_module(BACKENDS[backend])
    except ImportError as error:
        raise ImportError(f"backend {backend!r} is not available: {_HOW_TO_GET.get(backend, error)}") from error
    _loaded[backend] = found
    return found
