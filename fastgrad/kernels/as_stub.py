"""Print source that follows from the formulas: ``python -m fastgrad.kernels.as_stub DIRECTORY`` writes
functions.pyi, the signatures of the public functions, and activations.pxi, Cython's names of their numbers."""

# Design: run by the build from the source tree as as_c.py is, so it imports the standard library only.

import runpy
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
HEAD = """# Printed from formulas.py by kernels/as_stub.py, not to be edited.
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgrad.activations import Activation
"""
TAIL = """
def value_and_derivative(
    name: str | Activation, x: Any, out: tuple[NDArray[Any] | None, NDArray[Any] | None] = ..., **kwargs: Any
) -> tuple[NDArray[Any], NDArray[Any]]: ...
"""


def signatures(formulas) -> str:
    """The text of functions.pyi."""
    lines, names = [], []
    for name in formulas["VALUES"]:
        for function in (name, f"{name}_derivative"):
            names.append(function)
            if name not in formulas["PARAMETERS"]:
                lines.append(f"{function}: np.ufunc")
                continue
            label, default = formulas["PARAMETERS"][name]
            arguments = f"x: Any, {label}: float = {default}, out: NDArray[Any] | None = None, **kwargs: Any"
            lines.append(f"def {function}({arguments}) -> NDArray[Any]: ...")
    return "\n".join([HEAD, f"__all__ = {[*names, 'value_and_derivative']!r}", *lines, TAIL])


def numbers(formulas) -> str:
    """The text of activations.pxi."""
    head = ["# Printed from formulas.py by kernels/as_stub.py, not to be edited."]
    head += ['cdef extern from "fastgrad/abi.h" nogil:', "    enum:"]
    return "\n".join([*head, *(f"        FASTGRAD_{name.upper()}" for name in formulas["VALUES"]), ""])


def write(directory: Path) -> None:
    """Write both files; one whose text is the same keeps its date."""
    formulas = runpy.run_path(str(PACKAGE / "formulas.py"))
    for name, text in (("functions.pyi", signatures(formulas)), ("activations.pxi", numbers(formulas))):
        path = Path(directory) / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
