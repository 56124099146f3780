"""py.typed and the stubs: what a type checker sees is what is there."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import fastgrad
from fastgrad.kernels import compiled

PACKAGE = Path(fastgrad.__file__).parent
ROOT = Path(__file__).parent.parent

USER = """
import numpy as np
import fastgrad

net: fastgrad.MLP = fastgrad.MLP([4, 5, 3], activation=fastgrad.activation("elu", alpha=0.5))
x = np.ones((2, 4), np.float32)
fastgrad.tanh(x, out=x)
cpu: str = fastgrad.kernels.compiled.CPU  # type: ignore[attr-defined]
where: str = fastgrad.get_include()
version: str = fastgrad.__version__
wrong: int = fastgrad.get_include()
fastgrad.MLP([4, 5, 3]).wieghts
fastgrad.simgoid(x)
"""


def names(stub):
    for node in ast.parse(stub.read_text()).body:
        match node:
            case ast.ImportFrom(module="fastgrad.functions", names=[ast.alias(name="*")]):
                yield from names(PACKAGE / "functions.pyi")
            case ast.ImportFrom(module=module, names=aliases) if module.startswith("fastgrad"):
                yield from (alias.asname for alias in aliases if alias.asname)
            case ast.FunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_the_stub_of_the_package_has_the_public_names():
    with_extras = ["jax", "sklearn", "torch"]  # not in __all__
    expected = sorted([*fastgrad.__all__, *with_extras, "__version__"])
    assert sorted(names(PACKAGE / "__init__.pyi")) == expected


def test_the_stub_of_the_kernels_has_names_that_exist():
    for name in names(PACKAGE / "kernels" / "compiled.pyi"):
        assert name == "__getattr__" or hasattr(compiled, name)


def mypy(folder, *arguments):
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_package_itself_has_no_mistakes_of_types():
    """Bodies and stubs, as strictly as pyproject.toml says; what is imported must be there to be known."""
    for library in ("mypy", "torch", "jax", "numba", "matplotlib", "rich", "pandas", "xarray", "distributed"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    run = mypy(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_bodies_without_annotations_are_checked(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "wrong.py").write_text("def f():\n    return 1 + 'a'\n")
    run = mypy(tmp_path, "--cache-dir", tmp_path, "wrong.py")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "wrong.py:2: error: Unsupported operand types" in run.stdout


def test_a_type_checker_finds_the_mistakes_of_a_user(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(USER)
    options = ["--follow-imports=silent", "--cache-dir", str(tmp_path), "--no-error-summary", "--hide-error-context"]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "user.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    said = run.stdout.splitlines()
    assert [line.split(":")[1] for line in said] == ["11", "12", "13"], run.stdout + run.stderr
    assert 'has no attribute "simgoid"' in said[-1] or "maybe" in said[-1]
