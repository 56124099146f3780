"""The sides of a gate: built from git, installed from wheels, and measured by processes of their own."""

import math
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_cli import call

import fastgrad
from fastgrad.bench.gate import instructions, pairs, quality, rehearsal, sides
from fastgrad.bench.gate.cases import CASES, KERNELS, NETWORKS
from fastgrad.bench.gate.sides import GateError, Side

ROOT = Path(fastgrad.__file__).parent.parent
HERE = Side("here", "0", ROOT)
TOML = """
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
[project]
name = "fastgrad"
version = "9"
[tool.setuptools]
packages = ["fastgrad"]
"""


def git(*arguments):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository whose commits are: good, one with a mistake in its setup.py (tag broken), good again (main)."""
    folder = tmp_path / "repository"
    (folder / "fastgrad").mkdir(parents=True)
    monkeypatch.chdir(folder)
    git("init", "-q", "-b", "main")
    (folder / "pyproject.toml").write_text(TOML)
    (folder / "fastgrad" / "__init__.py").write_text("ONE = 1\n")
    git("add", ".")
    git("commit", "-qm", "good")
    git("tag", "good")
    (folder / "setup.py").write_text("raise RuntimeError('error: the compiler is gone')\n")
    git("add", ".")
    git("commit", "-qm", "broken")
    git("tag", "broken")
    git("rm", "-q", "setup.py")
    git("commit", "-qm", "good again")
    return folder


def prepare(out, base="good", head="main", allow_dirty=False):
    return sides.prepare(base, head, out, allow_dirty, lambda label: None)


def test_commits_are_built_once_and_installed(repository, tmp_path):
    base, head = prepare(tmp_path / "out")
    for side, name in ((base, "good"), (head, "main")):
        assert side.label.startswith(f"{name} (")
        assert (side.folder / "fastgrad" / "__init__.py").read_text() == "ONE = 1\n"
    wheels = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "wheels").rglob("*.whl")}
    assert len(wheels) == 2
    prepare(tmp_path / "out")
    assert wheels == {path: path.stat().st_mtime_ns for path in wheels}
    assert not list((tmp_path / "out").glob("build-*/"))


@pytest.mark.parametrize(
    ("base", "head", "message"),
    [
        ("goood", "main", "unknown revision 'goood'; did you mean 'good'"),
        ("main", "HEAD~9", "unknown revision 'HEAD~9'"),
        ("broken", "main", "does not build: RuntimeError: error: the compiler is gone"),
        ("missing.whl", "main", "missing.whl is not there"),
    ],
)
def test_sides_that_do_not_exist(repository, tmp_path, base, head, message):
    result = call("gate", base, head, "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("fastgrad: ")
    assert not list((tmp_path / "out").glob("build-*/"))


def test_a_changed_file_is_refused_where_it_would_not_be_judged(repository, tmp_path):
    (repository / "notes.txt").write_text("not built")
    prepare(tmp_path / "out")
    (repository / "fastgrad" / "new.py").write_text("")
    (repository / "fastgrad" / "__init__.py").write_text("ONE = 2\n")
    with pytest.raises(GateError, match=r"fastgrad/__init__.py, fastgrad/new.py; commit or stash them"):
        prepare(tmp_path / "out")
    prepare(tmp_path / "out", "good", "good")  # what is checked out is not judged
    _, head = prepare(tmp_path / "out", allow_dirty=True)
    assert (head.folder / "fastgrad" / "__init__.py").read_text() == "ONE = 1\n"


def test_a_revision_outside_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GateError, match="in no git repository"):
        prepare(tmp_path / "out")


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GateError, match="git is not installed"):
        prepare(tmp_path / "out")


def test_a_wheel_of_something_else(tmp_path):
    wheel = tmp_path / "other-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("other.py", "")
        file.writestr("other-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 1\n")
        file.writestr("other-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("other-1.dist-info/RECORD", "")
    with pytest.raises(GateError, match=r"other-1-py3-none-any\.whl has no fastgrad in it"):
        prepare(tmp_path / "out", str(wheel), str(wheel))
    broken = tmp_path / "broken-1-py3-none-any.whl"
    broken.write_bytes(b"no zip")
    with pytest.raises(GateError, match="cannot be installed"):
        prepare(tmp_path / "out", str(broken), str(broken))


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("cc -O3\nx.c:1:2: error: no such type\nerror: command failed\n", "x.c:1:2: error: no such type"),
        ("error: subprocess-exited\n  │ ImportError: no Cython\nhint: see above", "ImportError: no Cython"),
        ("shutil.Error: [('a', 'b', \"[Errno 28] No space left on device\")" * 500, "No space left on device"),
        ("killed\n", "killed"),
        ("", "it said nothing"),
        ("ValueError: " + "x" * 1000, "ValueError: " + "x" * 288),
    ],
)
def test_why_a_command_failed(said, line):
    assert sides.error_line(said) == line


def test_an_unwritable_folder(repository, tmp_path):
    (tmp_path / "file").write_text("")
    result = call("gate", "good", "main", "--out", str(tmp_path / "file" / "out"))
    assert result.exit_code == 2
    assert "--out: cannot write" in result.stderr


@pytest.mark.parametrize("name", CASES)
def test_every_case_runs_and_grows_with_its_size(name):
    """What it hands to fastgrad grows in proportion: from n / 2 to n by twice as much as from n / 4 to n / 2."""
    case = CASES[name]
    quarter, half, whole = (handed_over(case.make, n) for n in (case.n // 4, case.n // 2, case.n))
    assert half > quarter
    assert whole - half == 2 * (half - quarter)


def test_a_case_that_does_not_grow_is_seen():
    def fixed(fastgrad, n):
        x = np.ones(100)
        return lambda: fastgrad.tanh(x)

    assert handed_over(fixed, 64) == handed_over(fixed, 32) == 200


def handed_over(make, n):
    """Elements of the arrays that the function of one case gives to fastgrad and gets from it, all of them numbers."""
    seen = []

    class Watched:
        """A module or a network; what is called of it is seen."""

        def __init__(self, what):
            self.what = what

        def __getattr__(self, name):
            found = getattr(self.what, name)
            if not callable(found):
                return Watched(found)

            def call(*given, **options):
                result = found(*given, **options)
                seen.extend(arrays((given, tuple(options.values()), result)))
                return Watched(result) if isinstance(result, fastgrad.MLP) else result

            return call

    run = make(Watched(fastgrad), n)
    seen.clear()  # making it is no part of it
    run()
    assert all(np.isfinite(array).all() for array in seen)
    return sum(array.size for array in seen)


def arrays(given):
    """The arrays in nested tuples and lists."""
    if isinstance(given, np.ndarray):
        return [given]
    return [array for item in given for array in arrays(item)] if isinstance(given, tuple | list) else []


def test_a_pair_measures_both_sides_and_says_what_one_lacks(tmp_path):
    bare = tmp_path / "bare"
    (bare / "fastgrad").mkdir(parents=True)
    (bare / "fastgrad" / "__init__.py").write_text("import numpy\ntanh = numpy.tanh\n")
    pair = pairs.measure_pair({"base": HERE, "head": Side("bare", "1", bare)}, ["tanh of 100", "he_normal"], {}, 3)
    assert [len(pair[side]["tanh of 100"]) for side in pairs.SIDES] == [2, 2]
    assert all(0 < seconds < math.inf for side in pairs.SIDES for seconds in pair[side]["tanh of 100"])
    assert pair["head"]["he_normal"].startswith("AttributeError")
    assert pairs.judge([pair] * 8, "he_normal").verdict == "gone"
    assert pairs.judge([{"base": pair["head"], "head": pair["base"]}] * 8, "he_normal").verdict == "new"


def test_a_process_never_measures_another_fastgrad(tmp_path):
    with pytest.raises(GateError, match="not from"), Side("empty", "1", tmp_path).process() as process:
        process.ask("seconds", name="he_normal", samples=1)


def test_a_process_that_dies_says_why(tmp_path):
    (tmp_path / "fastgrad").mkdir()
    (tmp_path / "fastgrad" / "__init__.py").write_text("raise ImportError('no such symbol')")
    with pytest.raises(GateError, match="dead cannot be measured: ImportError: no such symbol"):
        quality.numbers(Side("dead", "1", tmp_path))


def test_numbers_of_this_build_and_of_a_wrong_derivative():
    good, wrong = quality.numbers(HERE), quality.numbers(HERE, [rehearsal.WRONG])
    assert list(good) == [*KERNELS, *NETWORKS]
    for what in KERNELS:
        name, parameter, kind = KERNELS[what]
        assert good[what]["max ULP"] <= fastgrad.activation(name, **parameter).facts.ulp[kind]
        assert (good[what]["false zeros"], good[what]["other faults"]) == (0, 0)
    assert good["sigmoid xavier_normal"]["decades per layer"] == pytest.approx(0.6271, rel=0.02)
    assert rehearsal.quality_doubts(moved(good, wrong)) == []


def moved(good, wrong):
    """(what, number) of all that is not the same."""
    return [
        (what, number)
        for what, numbers in good.items()
        for number, value in numbers.items()
        if quality.verdict_of(number, value, wrong[what][number]) == "moved"
    ]


# What is added to a module of a copy of this package, and what the gate must then see move.
WRONG_AT_A_PARAMETER = {
    "the slope .2 of Leaky ReLU": (
        "functions.py",
        """
_right = leaky_relu
def leaky_relu(x, negative_slope=0.01, **options):
    return _right(x, negative_slope * (1.001 if negative_slope == 0.2 else 1), **options)
""",
        {"leaky_relu(negative_slope=0.2) value"},
    ),
    "a derivative of ELU that has the default's alpha": (
        "functions.py",
        """
_right = elu_derivative
def elu_derivative(x, alpha=1.0, **options):
    return _right(x, **options)
""",
        {"elu(alpha=0.5) derivative", "elu(alpha=3) derivative"},
    ),
    "networks with the slope .9": (
        "activations.py",
        """
_right = activation
def activation(name, **parameter):
    if parameter.get("negative_slope") == 0.9:
        parameter["negative_slope"] = 0.89
    return _right(name, **parameter)
""",
        {"leaky_relu(negative_slope=0.9) xavier_normal", "leaky_relu(negative_slope=0.9) he_normal"},
    ),
}


@pytest.mark.parametrize("what", WRONG_AT_A_PARAMETER)
def test_what_is_wrong_at_another_parameter_is_seen(what, tmp_path):
    module, added, expected = WRONG_AT_A_PARAMETER[what]
    folder = tmp_path / "fastgrad"
    folder.mkdir()
    for path in (ROOT / "fastgrad").iterdir():
        if path.name != module:
            (folder / path.name).symlink_to(path)
    (folder / module).write_text((ROOT / "fastgrad" / module).read_text() + added)
    found = moved(quality.numbers(HERE), quality.numbers(Side("wrong", "1", tmp_path)))
    assert {label for label, _ in found} == expected


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_instructions_repeat_and_grow_with_the_work():
    items = {"once": ("tanh training float32", 1), "more": ("tanh training float32", 1.05), "calls": ("tanh of 100", 1)}
    found = instructions.count({"base": HERE, "head": HERE}, items)
    base, head = found["base"], found["head"]
    assert set(base) == set(items)
    for label in items:
        assert instructions.verdict_of(base[label], head[label]) == "same"
    assert base["more"] / base["once"] == pytest.approx(1.05, rel=0.006)
    assert 5 < base["once"] < 30


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_a_side_that_valgrind_cannot_run(tmp_path):
    with pytest.raises(instructions.CannotCount, match=r"valgrind failed: .*not from"):
        instructions.count({"base": Side("empty", "1", tmp_path)}, {"a": ("tanh of 100", 1)})


def test_ctrl_c_leaves_no_process_and_the_parts(tmp_path):
    """The real command on this very build, as two wheels, interrupted while it measures pairs."""
    wheel = tmp_path / f"fastgrad-9-{_tag()}.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for path in (ROOT / "fastgrad").rglob("*"):
            if path.is_file() and path.suffix in (".py", ".so", ".pyd", ".h"):
                file.write(path, path.relative_to(ROOT))
        file.writestr("fastgrad-9.dist-info/METADATA", "Metadata-Version: 2.1\nName: fastgrad\nVersion: 9\n")
        file.writestr("fastgrad-9.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {_tag()}\n")
        file.writestr("fastgrad-9.dist-info/RECORD", "")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "fastgrad", "gate", wheel, wheel, "--out", out]
    environment = os.environ | {"PATH": "/nowhere"}  # no valgrind, which would take half a minute
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as running:
        deadline = time.monotonic() + 60
        while not _parts(out) > 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.splitlines() == [f"fastgrad: interrupted: finished parts are kept; the same command goes on from {out}"]
    assert _parts(out) > 4
    assert str(out) not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=False).stdout


def _parts(out):
    """Whole lines in the file of finished parts."""
    path = out / "parts.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def _tag():
    name = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"{name}-{name}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
