"""The package as a whole: imports go one way, nothing extra is loaded, the public names exist, cimport works."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fastgrad
from fastgrad.kernels import printer

PACKAGE = Path(fastgrad.__file__).parent
# A module may import those to its left when it is loaded (lazy imports inside functions are free).
FLOW = (
    *(
        "_errors",
        "_validation",
        "formulas",
        "elementary",
        "updates",
        "kernels",
        "activations",
        "functions",
        "overloads",
        "initializers",
    ),
    *("losses", "dense", "network", "decay", "measurement", "moments", "theory", "diagnosis", "datasets", "machine"),
    *(
        "study",
        "optimizers",
        "schedules",
        "models",
        "monitor",
        "trends",
        "history",
        "trainer",
        "checkpoints",
        "training",
        "repair",
    ),
    *("detectors", "sklearn", "bench", "reproduction", "palette", "plots", "curves", "report", "training_report"),
    *("cli", "__main__"),
)


def _module(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py").removesuffix(".pyx")


def _loaded_by(path):
    """First-level fastgrad modules that a file imports at its top level."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fastgrad":
            inside = node.module.split(".")[1:]
            yield from inside[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("fastgrad."))


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    here = FLOW.index(_module(path))
    for name in _loaded_by(path):
        assert FLOW.index(name) <= here, f"{path.name} imports {name}, which stands to its right in the flow"


def test_import_loads_no_extra():
    code = "import sys, fastgrad; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "fastgrad.kernels.compiled" in loaded
    assert not loaded & {"numba", "scipy", "matplotlib", "sklearn", "rich", "click", "torch", "jax"}


def test_public_names_exist_and_unknown_ones_do_not():
    for name in fastgrad.__all__:
        assert getattr(fastgrad, name) is not None
    assert set(fastgrad.__all__) < set(dir(fastgrad))
    with pytest.raises(AttributeError, match="has no attribute 'sigmiod'"):
        _ = fastgrad.sigmiod


def test_the_printer_refuses_what_is_not_in_the_subset():
    def printed(text):
        return printer._Printer({"one": 1.0}).function(ast.parse(text).body[0], "f")[1]

    assert "FG_SET1(0x1.0000000000000p+0)" in printed("def f(z):\n    return z + one")
    for text in ("return z ** 2", "return z if z else 1", "return 1.5", "z += one", "return z < one < z"):
        with pytest.raises((SyntaxError, KeyError)):
            printed(f"def f(z):\n    {text}")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_headers_compile_alone_without_warnings(compiler, tmp_path):
    import shutil

    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    source = tmp_path / "alone.c"
    source.write_text("#include <fastgrad/kernels.h>\nint main(void) { return !fg_runs(&fg_all_sets[0]) && 0; }\n")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wno-unused-const-variable", "-Werror", "-fsyntax-only"]
    subprocess.run([compiler, *flags, f"-I{PACKAGE / 'include'}", str(source)], check=True)


CYTHON_USER = """
from fastgrad.kernels.compiled cimport ELU, TANH, value_f32, value_and_derivative_f64

def tanh_of(float[::1] z):
    with nogil:
        value_f32(TANH, z.shape[0], &z[0], 0, &z[0])

def elu_of(double[::1] z, double alpha, double[::1] d):
    with nogil:
        value_and_derivative_f64(ELU, z.shape[0], &z[0], alpha, &z[0], &d[0])
"""

CYTHON_CHECK = """
import fastgrad, numpy as np, user
z = np.linspace(-9, 9, 77)
x, y, d = z.astype("f4"), z.copy(), z.copy()
user.tanh_of(x)
assert (x == fastgrad.tanh(z.astype("f4"))).all()
user.elu_of(y, 0.5, d)
assert (y == fastgrad.elu(z, 0.5)).all() and (d == fastgrad.elu_derivative(z, 0.5)).all()
"""


def test_cimport_works_from_the_installed_package(tmp_path):
    (tmp_path / "user.pyx").write_text(CYTHON_USER)
    build = "from setuptools import Extension, setup; from Cython.Build import cythonize; "
    build += "setup(ext_modules=cythonize(Extension('user', ['user.pyx']), language_level=3))"
    subprocess.run([sys.executable, "-c", build, "-q", "build_ext", "--inplace"], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-c", CYTHON_CHECK], cwd=tmp_path, check=True)
