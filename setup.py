"""The compiled part of the build; everything else is in pyproject.toml."""

import runpy
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

HERE = Path(__file__).resolve().parent
HEADERS = HERE / "fastgrad" / "include"
runpy.run_path(str(HERE / "fastgrad" / "kernels" / "as_c.py"))["write"](HEADERS / "fastgrad" / "set")
runpy.run_path(str(HERE / "fastgrad" / "kernels" / "as_stub.py"))["write"](HERE / "fastgrad")

# Design: no -march and no -ffast-math: the headers choose instruction sets per function and the kernels at
#         import; -ffast-math would set flush-to-zero for the whole process. The formulas say where they want a
#         fused multiply-add, so the compiler must not add its own (-ffp-contract=off).
GNU = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fvisibility=hidden"]
FLAGS = ["/O2", "/fp:precise"] if sys.platform == "win32" else GNU

INCLUDE = [str(HEADERS), "fastgrad/kernels", numpy.get_include()]
KERNELS = Path("fastgrad/kernels")
DEPENDS = [str(p) for p in [*HEADERS.glob("fastgrad/**/*.h"), *KERNELS.glob("*.h"), *KERNELS.glob("*.pxi")]]


def extension(name):
    return Extension(
        name,
        [f"{name.replace('.', '/')}.pyx"],
        include_dirs=INCLUDE,
        depends=DEPENDS,
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        extra_compile_args=FLAGS,
    )


setup(ext_modules=cythonize([extension("fastgrad.kernels.compiled")], compiler_directives={"language_level": 3}))
