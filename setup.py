"""The compiled part of the build; everything else is in pyproject.toml."""

import runpy
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

HERE = Path(__file__).resolve().parent
HEADERS = HERE / "fastgrad" / "include"
runpy.run_path(str(HERE / "fastgrad" / "kernels" / "printer.py"))["write"](HEADERS / "fastgrad")

# Design: no -march and no -ffast-math: the headers choose instruction sets per function and the kernels at
#         import; -ffast-math would set flush-to-zero for the whole process. The formulas say where they want a
#         fused multiply-add, so the compiler must not add its own (-ffp-contract=off).
GNU = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fvisibility=hidden"]
FLAGS = ["/O2", "/fp:precise"] if sys.platform == "win32" else GNU

EXTENSION = Extension(
    "fastgrad.kernels.compiled",
    ["fastgrad/kernels/compiled.pyx"],
    include_dirs=[str(HEADERS), "fastgrad/kernels", numpy.get_include()],
    depends=[
        str(p)
        for p in [
            *HEADERS.glob("fastgrad/*.h"),
            *Path("fastgrad/kernels").glob("*.h"),
            *Path("fastgrad/kernels").glob("*.pxi"),
        ]
    ],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=FLAGS,
)

setup(ext_modules=cythonize([EXTENSION], compiler_directives={"language_level": 3}))
