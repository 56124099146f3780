"""Other people's projects (tests/embedding), built and run against the installed wheel: the bits of the Python API."""

# Design: - The wheel is packed from a copy of this tree with the extension modules that are built here (compiling them
#           again takes a quarter of a minute and shows nothing new), and installed in an environment of its own. That
#           sees the other packages of this one, but not this tree.
#         - Programs are compiled with -O0: the bits do not depend on it, and it is the quickest.

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import emulated
import numpy as np
import pytest

import fastgrad
from fastgrad.kernels import compiled

ROOT = Path(__file__).parent.parent
PROJECTS = Path(__file__).parent / "embedding"
CFLAGS = "-O0"


def run(*command, **options):
    """What a command prints; its errors are shown if it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, check=False, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The Python of a new environment with fastgrad installed from a wheel."""
    home = tmp_path_factory.mktemp("wheel")
    tree = home / "tree"
    tree.mkdir()
    for name in (
        "pyproject.toml",
        "setup.py",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "MANIFEST.in",
        "pytest_fastgrad.py",
    ):
        shutil.copy2(ROOT / name, tree)
    shutil.copytree(ROOT / "fastgrad", tree / "fastgrad", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    run(sys.executable, "setup.py", "-q", "build_py", cwd=tree)
    (built,) = (tree / "build").glob("lib*")
    shutil.copytree(ROOT / "fastgrad" / "lib", built / "fastgrad" / "lib", dirs_exist_ok=True)
    for module in (ROOT / "fastgrad").rglob(f"*{os.path.splitext(compiled.__file__)[1]}"):
        shutil.copy2(module, built / module.relative_to(ROOT))
    run(sys.executable, "setup.py", "-q", "bdist_wheel", "--skip-build", cwd=tree)
    (wheel,) = (tree / "dist").glob("*.whl")

    run(sys.executable, "-m", "venv", "--without-pip", home / "env")
    python = home / "env" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "-q", "install", "--no-index", "--no-deps", wheel)
    (site,) = (home / "env" / "lib").glob("python*/site-packages")
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "others.pth").write_text("\n".join(others) + "\n")  # lines of a .pth are not searched for .pth files again
    where = run(python, "-c", "import fastgrad; print(fastgrad.__file__)", cwd=home).decode().strip()
    assert Path(where).is_relative_to(home)
    return python


@pytest.fixture
def project(tmp_path, installed):
    """A function that copies a project here and gives the environment to build it in."""

    def copy(name):
        shutil.copytree(PROJECTS / name, tmp_path, dirs_exist_ok=True)
        path = f"{installed.parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHON": str(installed), "CFLAGS": CFLAGS, "CXXFLAGS": CFLAGS}

    return copy


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def expect_the_api(program, dtype, env):
    """``program NUMBER`` maps z to phi(z) and phi'(z), and says so if there is no such activation; a path, or words."""
    program = [program] if isinstance(program, Path) else program
    z = np.random.default_rng(0).uniform(-30, 30, 999).astype(dtype)
    for number, name in enumerate(fastgrad.ACTIVATIONS):
        options = {"leaky_relu": {"negative_slope": 1.0}, "elu": {"alpha": 1.0}}.get(name, {})
        out = np.frombuffer(run(*program, number, input=z.tobytes(), env=env), dtype)
        np.testing.assert_array_equal(out, np.concatenate(fastgrad.value_and_derivative(name, z, **options)))
    failed = subprocess.run([*program, "99"], input=z.tobytes(), capture_output=True, env=env, check=False)
    assert failed.returncode == 2
    assert b"no activation 99" in failed.stderr


def the_best_set_is_used():
    if os.environ.get("FASTGRAD_CPU"):
        pytest.skip("the programs choose the best instruction set, FASTGRAD_CPU another")


@pytest.mark.parametrize(("name", "tools"), [("c_program", ("make", "cc")), ("rust_program", ("make", "rustc"))])
def test_programs(name, tools, project, tmp_path):
    need(*tools)
    the_best_set_is_used()
    env = project(name)
    run("make", cwd=tmp_path, env=env)
    expect_the_api(tmp_path / "activate", np.float32, env)


@pytest.mark.sweep
def test_the_library_of_aarch64(project, tmp_path, installed):
    """Built by a cross compiler, linked to the C program, and run by an emulator."""
    compiler, emulator = emulated.tools("neon")
    the_best_set_is_used()
    env = project("c_program")
    cflags = [*emulated.FLAGS, f"-I{ROOT / 'fastgrad' / 'include'}"]
    run(compiler, *cflags, "-c", ROOT / "fastgrad" / "kernels" / "library.c", "-o", "library.o", cwd=tmp_path)
    run(compiler.replace("gcc", "ar"), "rcs", "libfastgrad.a", "library.o", cwd=tmp_path)
    run(compiler, *cflags, "main.c", "-L.", "-lfastgrad", "-lm", "-o", "activate", cwd=tmp_path)
    expect_the_api([emulator, tmp_path / "activate"], np.float32, env)


def test_a_program_that_compiles_the_kernels_itself(project, tmp_path, installed):
    need("make", "cc")
    the_best_set_is_used()
    env = project("c_program")
    source = (tmp_path / "main.c").read_text()
    (tmp_path / "main.c").write_text(source.replace("<fastgrad/fastgrad.h>", "<fastgrad/header_only.h>"))
    makefile = (tmp_path / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(re.sub(r"\$\$\(\$\(PYTHON\) -m fastgrad config --libs\)", "-lm", makefile))
    run("make", cwd=tmp_path, env=env)
    expect_the_api(tmp_path / "activate", np.float32, env)
    (tmp_path / "main.c").write_text("#include <fastgrad/fastgrad.h>\n#include <fastgrad/header_only.h>\n")
    both = subprocess.run(["make", "-B"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "not both in one file" in both.stderr


def test_a_program_that_compiles_two_activations_has_nothing_else(project, tmp_path, installed):
    need("make", "cc", "nm")
    the_best_set_is_used()
    env = project("c_program")
    source = (tmp_path / "main.c").read_text()
    two = "#define FASTGRAD_ONLY (1 << FASTGRAD_TANH | 1 << FASTGRAD_ELU)\n#include <fastgrad/header_only.h>"
    shorter = "if (FASTGRAD_HAS(fastgrad, draw) || !FASTGRAD_HAS(fastgrad, scalar))\n        return 9;\n    float z["
    source = source.replace("#include <fastgrad/fastgrad.h>", two).replace("float z[", shorter)
    (tmp_path / "main.c").write_text(source)
    run("make", "CFLAGS=-O0 -Wconversion -Werror", cwd=tmp_path, env=env)
    z = np.random.default_rng(0).uniform(-30, 30, 999).astype(np.float32)
    for name in ("tanh", "elu"):
        out = np.frombuffer(run(tmp_path / "activate", fastgrad.ACTIVATIONS.index(name), input=z.tobytes()), np.float32)
        np.testing.assert_array_equal(out, np.concatenate(fastgrad.value_and_derivative(name, z)))
    other = subprocess.run([tmp_path / "activate", "0"], input=z.tobytes(), capture_output=True, check=False)
    assert other.returncode == 2
    assert b"no activation 0" in other.stderr
    names = run("nm", tmp_path / "activate").decode()
    assert "fg_tanh_both_f64" in names
    assert not re.search("fg_(sigmoid|leaky_relu)_both|fg_network|fg_fill", names)


def test_cmake(project, tmp_path, installed):
    need("cmake", "c++")
    the_best_set_is_used()
    env = project("cmake_cpp")
    found = run(installed, "-m", "fastgrad", "config", "--cmake-dir", cwd=tmp_path).decode().strip()
    run("cmake", "-B", "build", f"-Dfastgrad_DIR={found}", "-DCMAKE_BUILD_TYPE=Debug", cwd=tmp_path, env=env)
    run("cmake", "--build", "build", cwd=tmp_path, env=env)
    expect_the_api(tmp_path / "build" / "activate", np.float64, env)


def test_a_later_version_is_refused_by_cmake(project, tmp_path, installed):
    need("cmake", "c++")
    env = project("cmake_cpp")
    text = (tmp_path / "CMakeLists.txt").read_text()
    (tmp_path / "CMakeLists.txt").write_text(text.replace("find_package(fastgrad 0.1 ", "find_package(fastgrad 99.0 "))
    found = run(installed, "-m", "fastgrad", "config", "--cmake-dir", cwd=tmp_path).decode().strip()
    done = subprocess.run(
        ["cmake", "-B", "build", f"-Dfastgrad_DIR={found}"], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert done.returncode != 0
    assert b'compatible with requested version "99.0"' in done.stderr


def test_pkg_config(installed, tmp_path):
    need("pkg-config")
    found = run(installed, "-m", "fastgrad", "config", "--pkgconfig-dir", cwd=tmp_path).decode().strip()
    env = {**os.environ, "PKG_CONFIG_PATH": found}
    flags = run("pkg-config", "--cflags", "--libs", "fastgrad", env=env).decode().split()
    ours = run(installed, "-m", "fastgrad", "config", "--cflags", "--libs", cwd=tmp_path).decode().split()

    def resolved(flags):
        return {flag[:2] + os.path.realpath(flag[2:]) if flag[:2] in ("-I", "-L") else flag for flag in flags}

    assert resolved(flags) == resolved(ours)
    assert run("pkg-config", "--modversion", "fastgrad", env=env).decode().strip() == fastgrad.__version__


CHECKS = {
    "c_extension": """
        import numpy as np, extension, fastgrad  # the extension first: it imports fastgrad by itself
        z = np.linspace(-9, 9, 77)
        y = np.empty_like(z)
        extension.activate(1, z, y)
        assert (y == fastgrad.tanh(z)).all()
        z.flags.writeable = False
        extension.activate(4, z, y)
        assert (y == fastgrad.elu(z)).all()
        none = f"fastgrad {fastgrad.__version__} has no activation 99"
        for wrong, says in ((lambda: extension.activate(99, z, y), none),
                            (lambda: extension.activate(1, z[:3], y), "of one length"),
                            (lambda: extension.activate(1, y, z), "read-write bytes-like")):
            try:
                wrong()
            except (ValueError, TypeError, BufferError) as error:
                assert says in str(error), error
            else:
                raise AssertionError(says)
    """,
    "cython_extension": """
        import layer, numpy as np, fastgrad
        z = np.linspace(-9, 9, 78, dtype="f4").reshape(6, 13)
        y = z.copy()
        layer.tanh_in_place(y)
        assert (y == fastgrad.tanh(z)).all()
        z = np.linspace(-9, 9, 77)
        z.flags.writeable = False  # inputs may be read-only
        y, d = np.empty((2, 77))
        layer.elu_and_derivative(z, 0.5, y, d)
        assert (y == fastgrad.elu(z, 0.5)).all() and (d == fastgrad.elu_derivative(z, 0.5)).all()
    """,
}


@pytest.mark.parametrize("name", CHECKS)
def test_extensions(name, project, tmp_path, installed):
    env = project(name)
    build = "import runpy, sys; sys.argv = ['setup.py', '-q', 'build_ext', '--inplace']; runpy.run_path('setup.py')"
    run(installed, "-c", build, cwd=tmp_path, env=env)
    code = "\n".join(line.removeprefix("        ") for line in CHECKS[name].splitlines())
    run(installed, "-c", code, cwd=tmp_path, env=env)


SCRIPTS = {
    "numba_simulation": """
        import numpy as np, fastgrad
        from numba_simulation import simulate
        start = np.random.default_rng(0).standard_normal(100)
        v = start.copy()
        for _ in range(50):
            v += 0.1 * (1.5 * np.roll(TANH(v), 1) - v)
        assert (simulate(start.copy(), 1.5, 0.1, 50) == v).all()
    """,
    "torch_training": """
        import numpy as np, fastgrad, torch
        from torch_training import train
        model, loss, watched = train(epochs=1)
        assert loss < 2 and watched.profile.layers == ("0", "1", "2") and watched.diagnosis.verdict == "healthy"
        x = torch.linspace(-2, 2, 64)[None]
        z = torch.nn.functional.linear(x, model[0].weight, model[0].bias).detach().numpy()
        assert (model[0](x).detach().numpy() == fastgrad.tanh(z)).all()
    """,
    "sklearn_pipeline": """
        import numpy as np, fastgrad, pickle
        from sklearn.datasets import load_digits
        from sklearn_pipeline import pipeline
        X, y = load_digits(return_X_y=True)
        fitted = pickle.loads(pickle.dumps(pipeline().fit(X[:600], y[:600])))
        assert fitted.score(X[600:], y[600:]) > 0.8
        assert (fitted[:-1].transform(X) == fastgrad.elu(fitted[:-2].transform(X), 0.5)).all()
    """,
    "ctypes_and_cffi": """
        import numpy as np, fastgrad
        from ctypes_and_cffi import by_cffi, by_ctypes
        z = np.linspace(-9, 9, 77)
        assert (by_ctypes(z) == fastgrad.tanh(z)).all() and (by_cffi(z) == fastgrad.tanh(z)).all()
    """,
}
NEEDS = {"torch_training": "torch", "ctypes_and_cffi": "cffi"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name, project, tmp_path, installed):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    env = project("scripts")
    # Numba's functions have the bits of the sets with a fused multiply-add: the numpy loop is run with the same ones
    fused = compiled.CPU in ("avx2", "avx512", "neon")
    tanh = "fastgrad.tanh" if fused else "lambda v: fastgrad.kernels.get('numba').value('tanh', v)"
    code = "\n".join(line.removeprefix("        ") for line in SCRIPTS[name].splitlines()).replace("TANH", tanh)
    run(installed, "-c", code, cwd=tmp_path, env=env)


def test_every_project_is_linked_from_the_documentation():
    text = (ROOT / "docs" / "EMBEDDING.md").read_text()
    for path in (*PROJECTS.glob("[!s]*"), *(PROJECTS / "scripts").glob("*.py")):
        assert f"tests/embedding/{path.relative_to(PROJECTS)}" in text, path.name


def test_the_wheel_has_what_every_entry_point_needs(installed, tmp_path):
    code = "import fastgrad, json, os; p = os.path.dirname(fastgrad.__file__); print(json.dumps("
    code += "[os.path.relpath(os.path.join(d, f), p) for d, _, fs in os.walk(p) for f in fs]))"
    files = set(json.loads(run(installed, "-c", code, cwd=tmp_path)))
    wanted = {"py.typed", "cykernels.pxd", "include/fastgrad/abi.h", "share/pkgconfig/fastgrad.pc"}
    assert wanted <= files
    here = {str(p.relative_to(ROOT / "fastgrad")) for p in (ROOT / "fastgrad").rglob("*") if p.is_file()}
    here = {p for p in here if "__pycache__" not in p and not re.fullmatch(r"kernels/\w+\.(c|pxi)|.+\.in", p)}
    assert here == {p for p in files if "__pycache__" not in p}
