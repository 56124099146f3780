"""Test the tests' own rules: skips are on a list, our modules are imported plainly, and no test asserts a time."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.py"))

# ---- --allowed-skips ------------------------------------------------------------------------------------------------

SKIPPING = """
import pytest

def test_runs():
    pass

@pytest.mark.parametrize("case", ["a", "b"])
def test_skipped(case):
    pytest.skip(f"no {case} here")

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""
MISSING = "import pytest\npytest.importorskip('no_such_library')\n\ndef test_unseen():\n    pass\n"
RUNNING = "def test_runs():\n    pass\n"
BOTH = "test_it.py::test_skipped  # a and b are elsewhere\ntest_it.py::test_known  # known\n"


@pytest.fixture
def run(tmp_path):
    """A function that runs a file of tests under our conftest.py with a list of skips; exit code and output."""

    def run(tests, listed, *options):
        (tmp_path / "conftest.py").write_text((HERE / "conftest.py").read_text())
        (tmp_path / "test_it.py").write_text(tests)
        if listed is not None:
            (tmp_path / "list").write_text(listed)
            options = (*options, "--allowed-skips", "list")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    ("tests", "listed", "says"),
    [
        (SKIPPING, "", "test_it.py::test_skipped[b] was skipped, which is not allowed: Skipped: no b here"),
        (SKIPPING, "", "test_it.py::test_known was skipped, which is not allowed: known"),
        (SKIPPING, BOTH.replace("skipped", "skipped[a]"), "test_it.py::test_skipped[b] was skipped"),
        (SKIPPING, BOTH.replace("skipped", "skip"), "test_it.py::test_skip may be skipped, and was not"),
        (SKIPPING, BOTH + "test_it.py::test_runs  # slow\n", "test_it.py::test_runs may be skipped, and was not"),
        (SKIPPING, BOTH + "test_other.py  # gone\n", "test_other.py may be skipped, and was not"),
        (MISSING, "", "test_it.py was skipped, which is not allowed: Skipped: could not import 'no_such_library'"),
        (RUNNING, "test_it.py  # no longer\n", "test_it.py may be skipped, and was not"),
    ],
)
def test_a_skip_that_is_not_listed_fails_and_so_does_a_listing_without_a_skip(run, tests, listed, says):
    code, printed = run(tests, listed)
    assert code == 1, printed
    assert says in printed


@pytest.mark.parametrize(
    ("tests", "listed"),
    [
        (SKIPPING, None),
        (SKIPPING, f"# what may be\n\n{BOTH}"),
        (SKIPPING, "test_it.py  # all of it\n"),
        (MISSING, None),
        (MISSING, "test_it.py  # nobody has it\n"),
        (RUNNING, ""),
    ],
)
def test_a_listed_skip_is_none(run, tests, listed):
    code, printed = run(tests, listed)
    assert code == (5 if tests is MISSING else 0), printed  # 5: there was nothing to run
    assert "not allowed" not in printed


def test_a_failure_stays_one(run):
    assert run("def test_it():\n    assert False\n", "")[0] == 1


@pytest.mark.parametrize("listed", ["test_it.py\n", "test_it.py  # \n"])
def test_an_entry_without_a_reason_is_refused(run, listed):
    code, printed = run(RUNNING, listed)
    assert code == 4
    assert "list:1 has no reason; a line is NODE  # REASON" in printed


def test_a_list_that_is_not_there_is_refused(run):
    code, printed = run(RUNNING, None, "--allowed-skips", "none")
    assert code == 4
    assert "cannot read none" in printed


# ---- what a test may not do ------------------------------------------------------------------------------------------

CLOCKS = {"perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "thread_time", "time_ns", "timeit"}
WALL = {"time", "monotonic", "monotonic_ns"}  # of the module time: to give up waiting, never in an assertion


def faults(source):
    """What a file of tests does that it may not: take the time of what it tests, or skip what is ours."""
    tree = ast.parse(source)
    timed = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(map(_tells_the_time, ast.walk(node.value))):
            timed |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    for node in ast.walk(tree):
        match node:
            case ast.Assert(test=test):
                if any(_tells_the_time(n) or (isinstance(n, ast.Name) and n.id in timed) for n in ast.walk(test)):
                    yield f"line {node.lineno} asserts a time"
            case ast.ImportFrom(module="time" | "timeit", names=names):
                if CLOCKS & {alias.name for alias in names}:
                    yield f"line {node.lineno} imports a clock"
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[ast.Constant(value=str(what)), *_]):
                if name == "importorskip" and what.partition(".")[0] == "fastgrad":
                    yield f"line {node.lineno} skips where {what} is broken"


def _tells_the_time(node):
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr=name)):
            return name in CLOCKS | WALL
        case ast.Call(func=ast.Name(id=name)):
            return name in CLOCKS
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_test_asserts_a_time_or_skips_what_is_ours(path):
    assert list(faults(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("from time import perf_counter\n", 1),
        ("import time\nstart = time.monotonic()\nrun()\nassert time.monotonic() - start < 5\n", 1),
        ("import time\nstart = time.time()\nrun()\nseconds = time.time() - start\nassert seconds < 5\n", 1),
        ("import time\nend = time.monotonic() + 60\nwhile not done() and time.monotonic() < end:\n    pass\n", 0),
        ("ft = pytest.importorskip('fastgrad.torch')\n", 1),
        ("torch = pytest.importorskip('torch')\n", 0),
    ],
)
def test_planted_faults_are_seen(source, count):
    assert len(list(faults(source))) == count
