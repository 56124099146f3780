"""The facts of the machine are there, as text, and a missing kernel is said, not raised."""

import platform
import shutil
import sys
from pathlib import Path

import numpy as np

import fastgrad
from fastgrad import kernels
from fastgrad.kernels import compiled
from fastgrad.machine import machine, sources


def test_facts():
    facts = machine()
    assert all(isinstance(value, str) and value for value in facts.values())
    assert (facts["NumPy"], facts["Python"]) == (np.__version__, platform.python_version())
    assert facts["fastgrad"] == fastgrad.__version__
    assert int(facts["cores"]) >= 1
    assert facts["kernels"] == compiled.CPU
    assert facts["BLAS"] != "unknown"


def test_without_compiled_kernels(monkeypatch):
    monkeypatch.delitem(kernels._loaded, "compiled", raising=False)
    monkeypatch.setitem(sys.modules, "fastgrad.kernels.compiled", None)
    assert machine()["kernels"] == "not built"


def test_show_runtime_names_the_kernels_in_use(capsys):
    fastgrad.show_runtime()
    shown = capsys.readouterr().out
    assert compiled.CPU in shown
    assert "this processor runs" in shown


def test_the_code_of_the_numbers_is_what_measuring_a_cell_imports(tmp_path):
    """It was a list by hand, which every new name of a module broke."""
    package = Path(fastgrad.__file__).parent
    names = {path.relative_to(package).as_posix() for path in sources(package)}
    numbers = "formulas activations initializers losses dense network slopes decay measurement moments theory diagnosis"
    assert {f"{module}.py" for module in (*numbers.split(), "datasets", "_validation")} <= names
    assert {"kernels/compiled.pyx", "kernels/reference.py", "kernels/jit.py", "include/fastgrad/abi.h"} <= names
    assert {name.split("/")[0] for name in names}.isdisjoint(["report", "bench", "cli", "torch", "learning"])
    assert {name for name in names if name.startswith("sweeps/")} == {"sweeps/cell.py", "sweeps/study.py"}
    copy = tmp_path / "fastgrad"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("*.so", "web", "__pycache__"))
    (copy / "more.py").write_text("x = 1\n")
    with open(copy / "slopes.py", "a", encoding="utf-8") as file:
        file.write("from fastgrad.more import x\n")
    assert {path.relative_to(copy).as_posix() for path in sources(copy)} == {*names, "more.py"}
