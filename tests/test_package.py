"""The package as a whole: imports go one way, nothing extra is loaded, the public names exist, cimport works."""

import ast
import shutil
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
        "_memory",
        "formulas",
        "elementary",
        "updates",
        "kernels",
        "activations",
        "functions",
        "overloads",
        "cykernels",
        "ffi",
        "config",
        "initializers",
    ),
    *(
        "losses",
        "dense",
        "network",
        "slopes",
        "decay",
        "measurement",
        "moments",
        "theory",
        "diagnosis",
        "datasets",
        "machine",
    ),
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
    *("plan", "store", "batches", "sweeps", "frames", "detectors", "sklearn", "bench", "reproduction", "palette"),
    *("plots", "curves", "report", "training_report", "phases", "pages", "cli", "__main__"),
    "torch",
    "jax",
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

    assert "FG_SET1(1.0)" in printed("def f(z):\n    return z + one")
    for text in ("return z ** 2", "return z if z else 1", "return 1.5", "z += one", "return z < one < z"):
        with pytest.raises((SyntaxError, KeyError)):
            printed(f"def f(z):\n    {text}")


@pytest.mark.parametrize("header", ["kernels.h", "fastgrad.h", "abi.h"])
@pytest.mark.parametrize(
    "compiler", ["gcc -std=c99", "clang -std=c99", "g++ -std=c++11 -xc++", "clang++ -std=c++11 -xc++"]
)
def test_the_headers_compile_alone_without_warnings(compiler, header, tmp_path):
    compiler = compiler.split()
    if not shutil.which(compiler[0]):
        pytest.skip(f"{compiler[0]} is not installed")
    source = tmp_path / "alone.c"
    source.write_text(f"#include <fastgrad/{header}>\nint main(void) {{ return 0; }}\n")
    flags = ["-pedantic", "-Wall", "-Wextra", "-Wno-unused-const-variable", "-Wno-unused-function", "-Werror"]
    subprocess.run([*compiler, *flags, "-fsyntax-only", f"-I{PACKAGE / 'include'}", str(source)], check=True)
