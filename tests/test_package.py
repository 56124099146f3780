"""The package as a whole: imports go one way, nothing extra is loaded, the public names exist, cimport works."""

import ast
import doctest
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastgrad
from fastgrad.kernels import as_c

PACKAGE = Path(fastgrad.__file__).parent
# A module or folder may import those to its left, when it is loaded or later. Inside, a folder has its own order.
FLOW = (
    *("_notebook", "_validation", "formulas", "signatures", "kernels", "activations", "functions", "ffi", "config"),
    *("draws", "initializers", "losses", "dense", "in_numba", "network", "slopes", "exponents", "decay", "measurement"),
    *("moments", "finite_width", "prediction", "theory", "verdicts", "counterfactual", "diagnosis", "datasets"),
    *("machine", "learning", "torch", "testing", "jax", "sklearn", "sweeps", "report", "bench", "cli", "__main__"),
)
# What public methods need of what stands to their right, imported when they are called: (file, what).
LATER = {
    ("network.py", "decay"),  # net.gradient_profile
    ("activations.py", "moments"),  # activation(name).gain
    ("decay.py", "diagnosis"),  # profile.diagnosis
    ("decay.py", "report"),  # profile.plot
    ("_notebook.py", "report"),  # the picture in a notebook
    ("learning/history.py", "report"),  # history.plot, history.report
    ("sweeps/frames.py", "report"),  # sweep.plot, sweep.report
    ("sweeps/consequences.py", "report"),  # found.plot, found.report
    ("learning/monitor.py", "report"),  # monitor.plot
    ("learning/models.py", "torch"),  # monitor.measure(step, model of PyTorch)
}


def _module(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path):
    """(first-level fastgrad module, whether it is imported inside a function) of every import of a file."""
    tree = ast.parse(path.read_text())
    inside = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fastgrad":
            names = node.module.split(".")[1:2] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name.split(".")[1] for a in node.names if a.name.startswith("fastgrad.")]
        else:
            continue
        yield from ((name, id(node) in inside) for name in names)


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    here, file = FLOW.index(_module(path)), path.relative_to(PACKAGE).as_posix()
    for name, later in _imports(path):
        allowed = later and (file, name) in LATER
        assert FLOW.index(name) <= here or allowed, f"{file} imports {name}, which stands to its right in the flow"


def test_every_exception_to_the_flow_is_used():
    used = {(p.relative_to(PACKAGE).as_posix(), name) for p in FILES for name, later in _imports(p) if later}
    assert used >= LATER


WITH_EXAMPLES = [path for path in FILES if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_examples_in_docstrings(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    if name.startswith("fastgrad.torch"):
        pytest.importorskip("torch")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("folder", ["learning", "sweeps", "report", "bench", "bench/audit", "bench/gate"])
def test_a_folder_hides_nothing_in_its_init(folder):
    body = ast.parse((PACKAGE / folder / "__init__.py").read_text()).body
    assert len(body) <= 1, "its docstring, and no more"


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


# Packages by the name that is imported; what pip calls them, where that differs.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# Run first: none of these can be imported. (None in sys.modules would be seen by packages that look one up there.)
BLOCK = """
import sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Finder)
import fastgrad
"""
PLOT = """
X = [[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]] * 20
y = [0, 1] * 20
net = fastgrad.MLP([3, 4, 4, 2], "tanh", "xavier_normal", 0)
"""
CLASSIFY = "fastgrad.sklearn.MLPClassifier(max_iter=1000, random_state=0).fit(X, y).predict(X)"
WITH_EXTRAS = {
    "profile.plot": (PLOT + "net.gradient_profile(X, y).plot()", "matplotlib", "plot"),
    "history.plot": (PLOT + "fastgrad.fit(net, X, y, epochs=1).plot()", "matplotlib", "plot"),
    "monitor.plot": (
        PLOT + "watched = fastgrad.GradientMonitor(X, y); watched.measure(0, net); watched.plot()",
        "matplotlib",
        "plot",
    ),
    "sklearn": (PLOT + CLASSIFY, "sklearn", "sklearn"),
}


def extras():
    """What each extra installs, by the names that are imported, and those of all extras."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    imports = {dist: name for name, dist in DISTRIBUTIONS.items()}
    found = {}
    for extra, requirements in project.items():
        names = {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements} - {"fastgrad"}
        found[extra] = {imports.get(name, name) for name in names}
    return found


def run_with(code, allowed=(), blocked=None):
    """Exit status and last line of the errors of a program that has no extra's packages but those allowed."""
    blocked = set().union(*extras().values()) - {*allowed, "setuptools"} if blocked is None else blocked
    code = BLOCK.format(blocked=blocked) + code
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return run.returncode, (run.stderr.splitlines() or [""])[-1]


@pytest.mark.parametrize("name", WITH_EXTRAS)
def test_a_missing_package_names_the_extra_that_installs_it_and_that_is_enough(name):
    code, package, extra = WITH_EXTRAS[name]
    status, error = run_with(code)
    assert status != 0
    assert error.startswith("ImportError: ")
    assert error.endswith(f": pip install 'fastgrad[{extra}]'")
    assert package in extras()[extra]
    own = {*extras()[extra], *{"sklearn": ("joblib", "threadpoolctl")}.get(extra, ())}  # scikit-learn's own needs
    status, error = run_with(code, allowed=own)
    assert status == 0, error


@pytest.mark.parametrize("package", ["torch", "jax"])
def test_a_missing_framework_is_named_with_its_command(package):
    status, error = run_with(f"fastgrad.{package}", blocked={package})
    assert status != 0
    assert error.startswith(f"ImportError: fastgrad.{package} needs ")
    assert error.endswith(f": pip install {package}")


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("torch", "fastgrad.torch.watch"),
        ("sklearn", "fastgrad.sklearn.MLPClassifier"),
        ("jax", "fastgrad.jax.tanh"),
    ],
)
def test_bridges_are_attributes(package, code):
    pytest.importorskip(package)
    code = f"import fastgrad; assert {code.split('.')[1]!r} in dir(fastgrad); {code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_star_import_and_dir_need_no_extra(monkeypatch):
    status, error = run_with("from fastgrad import *")
    assert status == 0, error
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_the_printer_refuses_what_is_not_in_the_subset():
    def printed(text):
        return as_c._Printer({"one": 1.0}).function(ast.parse(text).body[0], "f")[1]

    assert "FG_SET1(1.0)" in printed("def f(z):\n    return z + one")
    for text in ("return z ** 2", "return z if z else 1", "return 1.5", "z += one", "return z < one < z"):
        with pytest.raises((SyntaxError, KeyError)):
            printed(f"def f(z):\n    {text}")


def test_the_source_archive_has_every_file(tmp_path):
    tracked = subprocess.run(["git", "ls-files"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("this is no git repository")
    setup = [sys.executable, "setup.py", "--quiet", "egg_info", f"--egg-base={tmp_path}"]
    subprocess.run(setup, cwd=PACKAGE.parent, capture_output=True, check=True)
    packed = set((tmp_path / "fastgrad.egg-info" / "SOURCES.txt").read_text().split("\n"))
    modules = r"fastgrad/.+\.py|pytest_fastgrad\.py"  # of the packages: setuptools takes them as it builds
    wanted = {path for path in tracked.stdout.split() if not re.fullmatch(modules, path)}
    assert wanted - packed == {".gitignore"}
    assert "fastgrad/kernels/compiled.c" not in packed  # it has paths of this machine


def test_a_build_without_a_compiler_ends_in_one_sentence(tmp_path):
    out = [f"--build-{kind}={tmp_path}" for kind in ("lib", "temp")]
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--force", *out]
    environment = {**os.environ, "CC": "no-such-cc"}
    found = subprocess.run(build, cwd=PACKAGE.parent, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith(
        "fastgrad: no C compiler to build it with: no-such-cc is not there. "
    )


HEADERS = {
    name: f"#include <fastgrad/{name}>" for name in ("kernels.h", "pass.h", "header_only.h", "fastgrad.h", "abi.h")
}
HEADERS["tanh only"] = "#define FASTGRAD_ONLY (1 << FASTGRAD_TANH)\n#include <fastgrad/header_only.h>"


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(
    "compiler", ["gcc -std=c99", "clang -std=c99", "g++ -std=c++11 -xc++", "clang++ -std=c++11 -xc++"]
)
def test_the_headers_compile_alone_without_warnings(compiler, header, tmp_path):
    compiler = compiler.split()
    if not shutil.which(compiler[0]):
        pytest.skip(f"{compiler[0]} is not installed")
    source = tmp_path / "alone.c"
    source.write_text(f"{HEADERS[header]}\nint main(void) {{ return 0; }}\n")
    flags = ["-pedantic", "-Wall", "-Wextra", "-Wconversion", *(["-Wold-style-cast"] if "-xc++" in compiler else [])]
    flags += ["-Wno-unused-const-variable", "-Wno-unused-function", "-Werror"]
    subprocess.run([*compiler, *flags, "-fsyntax-only", f"-I{PACKAGE / 'include'}", str(source)], check=True)
