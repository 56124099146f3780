"""Mutants of the package by Cosmic Ray's operators, and of the polynomials: how many does a test notice?"""

# Design: - A mutant costs seconds. Its process is forked from one that has imported NumPy, PyTorch and the rest, but
#           not fastgrad, and runs the tests that reach the changed line, the quick ones first, until one fails.
#         - Which tests those are, one run of all of them under coverage says; a test that starts processes of its
#           own is seen in those too little, so it counts for no line and may only make the figure better.
#         - A place in the source gets one mutant, of an operator drawn at random: twelve replacements of one `+` would
#           say the same twelve times. Left out is what changes nothing: annotations (`|`) and `is` made `==`.
#         - All is done in a copy of the tree, so that an interruption leaves no mutant behind; the same command goes
#           on. Which tests reach a line is of the sources as they were at first: another commit wants another folder.

import ast
import importlib
import json
import os
import random
import runpy
import shutil
import signal
import sys
import time
import traceback
from functools import partial
from pathlib import Path

import click

from tests.batteries.building import HERE

ROOT = HERE.parent.parent
COUNT, SEED = 300, 0
FILES = (
    *("decay.py", "slopes.py", "exponents.py", "theory.py", "moments.py", "prediction.py", "finite_width.py"),
    *("diagnosis.py", "verdicts.py", "counterfactual.py", "initializers.py", "draws.py", "torch/watch.py"),
    *("learning/*.py", "sweeps/*.py"),
)
TESTS = (
    *("slopes", "decay", "network_pass", "decay_against_theory", "theory", "measurement", "diagnosis", "initializers"),
    *("random", "optimizers", "training", "monitor", "repair", "trends", "checkpoints", "plan", "store", "sweeps"),
    *("study", "phases", "frames", "testing", "losses", "watch", "notebook", "report", "tables", "bad_input"),
    "consequences",
)
EXCEPT = "not kill and not interrupt and not ctrl_c"  # processes of their own, and signals
PRELOADED = "numpy scipy.special scipy.optimize numba pandas sklearn.datasets torch mpmath click rich pytest"
MOST = 40  # seconds of tests for a mutant, the quickest first
LEFT_OUT = ("_BitOr_", "_Is", "ExceptionReplacer")  # operators left out


def copy_of_the_tree(folder):
    """The files of this one and what was built, in a folder of its own; a mutant that a kill has left there goes."""
    if not folder.exists():
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info"))
    for path in (ROOT / "fastgrad").rglob("*.py"):
        if (there := folder / path.relative_to(ROOT)).read_text() != path.read_text():
            replace(there, path.read_text())
    return folder


def places(tree):
    """One mutant for each place in the source that has one: (file, line, operator, its arguments, occurrence)."""
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB, use_db

    files = sorted(path for pattern in FILES for path in (tree / "fastgrad").glob(pattern))
    of_place: dict[tuple, list] = {}
    with use_db(":memory:", WorkDB.Mode.create) as work:
        init(files, work, {})
        for item in work.work_items:
            (change,) = item.mutations
            if not any(part in change.operator_name for part in LEFT_OUT):
                of_place.setdefault((str(change.module_path), *change.start_pos), []).append(change)
    draw = random.Random(SEED)
    return [
        (str(Path(file).relative_to(tree)), line, (change := draw.choice(found)).operator_name, change.occurrence)
        for (file, line, _), found in sorted(of_place.items())
    ]


class Reached:
    """A plugin of pytest that keeps which test reached which line, and how long it took."""

    def __init__(self, tree):
        import coverage
        import pytest

        self.hook = pytest.hookimpl(hookwrapper=True)
        self.coverage = coverage.Coverage(data_file=None, include=[f"{tree}/fastgrad/*"], config_file=False)
        self.seconds, self.failed = {}, set()
        self.coverage.start()

    def pytest_runtest_logstart(self, nodeid, location):
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if not report.passed:
            self.failed.add(report.nodeid)

    def save(self, path, tree):
        self.coverage.stop()
        data, lines = self.coverage.get_data(), {}
        for file in data.measured_files():
            for line, contexts in data.contexts_by_lineno(file).items():
                tests = sorted(
                    (c for c in contexts if c in self.seconds and c not in self.failed), key=self.seconds.get
                )
                lines[f"{Path(file).relative_to(tree)}:{line}"] = tests
        path.write_text(json.dumps({"seconds": self.seconds, "failed": sorted(self.failed), "lines": lines}))


def forked(function, log, seconds):
    """The exit code of a function in a forked process; 124 if it takes longer."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        code = 70
        try:
            code = int(function())
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124


def run_tests(tree, tests, *plugins):
    """pytest in this process on the copy, until a test fails."""
    import pytest

    os.chdir(tree)
    sys.path[:0] = [str(tree)]
    os.environ["PYTHONPATH"] = str(tree)
    assert "fastgrad" not in sys.modules, "what is imported already is no mutant"
    options = ("-q", "-x", "-pno:cacheprovider", "-pno:xdist", "-Wignore::pytest.PytestAssertRewriteWarning")
    return pytest.main([*options, *tests], plugins=list(plugins))


def map_of(tree, folder):
    """Which tests reach a line and how long each takes: each file of tests once, in a process of its own."""
    folder.mkdir(exist_ok=True)

    def run(name):
        reached = Reached(tree)
        try:
            run_tests(tree, ["--maxfail=1000", "-k", EXCEPT, f"tests/test_{name}.py"], reached)
        finally:
            reached.save(folder / f"{name}.json", tree)
        return 0

    lines, seconds = {}, {}
    with click.progressbar(TESTS, label="tests", file=sys.stderr) as bar:
        for name in bar:
            if not (folder / f"{name}.json").exists() and forked(partial(run, name), folder / f"{name}.log", 3600):
                raise RuntimeError(f"tests/test_{name}.py could not be run: {folder / name}.log")
            found = json.loads((folder / f"{name}.json").read_text())
            seconds |= found["seconds"]
            for place, tests in found["lines"].items():
                lines.setdefault(place, set()).update(tests)
    return lines, seconds


def replace(path, source):
    """Another source for a module; what was compiled of the old one may look as new."""
    path.write_text(source)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def within(tests, durations, seconds):
    """The quickest of these tests that take so many seconds together."""
    total, found = 0.0, []
    for test in sorted(tests, key=durations.get):
        total += durations[test]
        if found and total > seconds:
            break
        found.append(test)
    return found


def tests_of(name, source, line, lines):
    """The tests that reach a statement; where it runs at import, those of its module: one test has it imported."""

    def first(node):
        return min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])

    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    around = [node for node in statements if first(node) <= line <= node.end_lineno]
    statement = max(around, key=first)
    if any(isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line for node in around):
        end = statement.body[0].lineno - 1 if getattr(statement, "body", None) else statement.end_lineno
    else:  # runs at import; of a function's head its body tells
        end = statement.end_lineno if isinstance(statement, ast.FunctionDef) else 0
    found = set().union(*(lines.get(f"{name}:{at}", ()) for at in range(first(statement), end + 1)))
    return found or set().union(*(tests for place, tests in lines.items() if not end and place.startswith(f"{name}:")))


def survives(tree, mutant, lines, seconds, log):
    """Whether the tests that reach a mutant pass with it, and the line as it has become."""
    import cosmic_ray.plugins
    from cosmic_ray.mutating import mutate_code

    name, line, operator, occurrence = mutant
    path = tree / name
    source = path.read_text()
    changed = mutate_code(source, cosmic_ray.plugins.get_operator(operator)(), occurrence)
    pairs = zip(source.splitlines(), changed.splitlines(), strict=False)
    different = next((new for old, new in pairs if old != new), "")
    tests = within(tests_of(name, source, line, lines), seconds, MOST)
    took = sum(seconds[test] for test in tests)
    replace(path, changed)
    try:
        return not tests or forked(lambda: run_tests(tree, tests), log, 60 + 10 * took) == 0, different
    finally:
        replace(path, source)


def preload():
    """What the tests import beside fastgrad, with one thread each; pytest without plugins starts twice as fast."""
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for name in PRELOADED.split():
        importlib.import_module(name)


def prepared(work):
    """The copy of the tree and which tests reach which of its lines."""
    work.mkdir(parents=True, exist_ok=True)
    preload()
    tree = copy_of_the_tree(work / "tree")
    return tree, *map_of(tree, work / "map")


def source_mutants(work):
    """{mutant: whether it survives} for those of the sample, each kept as it is done."""
    tree, lines, seconds = prepared(work)
    chosen, kept, log = work / "sample.json", work / "mutants.jsonl", work / "last.log"
    if not chosen.exists():
        chosen.write_text(json.dumps(random.Random(SEED).sample(places(tree), COUNT)))
    sample = list(map(tuple, json.loads(chosen.read_text())))
    done = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    of = {tuple(one["mutant"]): one for one in done}
    with kept.open("a") as file, click.progressbar(sample, label="mutants", file=sys.stderr) as bar:
        for mutant in bar:
            if mutant not in of:
                survived, line = survives(tree, mutant, lines, seconds, log)
                of[mutant] = {"mutant": mutant, "survived": survived, "line": line.strip()}
                file.write(json.dumps(of[mutant]) + "\n")
                file.flush()
    return [of[mutant] for mutant in sample]


OF_CONSTANTS = ("tests/test_exponential.py", "tests/test_kernels.py")
CONSTANTS = [(dtype, f"c{i}") for dtype, last in (("f32", 7), ("f64", 12)) for i in range(2, last + 1)]


def constant_mutants(work):
    """{backend, type and name of a constant: whether a test fails where it is 1e-5 larger}, in C as it is printed."""
    tree, log = copy_of_the_tree(work / "tree"), work / "last.log"
    numbers = runpy.run_path(str(ROOT / "fastgrad" / "kernels" / "exponential.py"))["CONSTANTS"]
    python = tree / "fastgrad" / "kernels" / "exponential.py"
    noticed = {}
    with click.progressbar(CONSTANTS, label="constants", file=sys.stderr) as bar:
        for dtype, name in bar:
            header = tree / "fastgrad" / "include" / "fastgrad" / "set" / f"formulas_{dtype}.h"
            old = numbers[dtype][name]
            in_c = header.read_text().replace(f"FG_SET1({old!r})", f"FG_SET1({old * (1 + 1e-5)!r})")
            in_python = f'{python.read_text()}\nCONSTANTS["{dtype}"]["{name}"] *= 1 + 1e-5\n'
            for backend, path, changed in (("C", header, in_c), ("Python", python, in_python)):
                source = path.read_text()
                assert source != changed
                replace(path, changed)
                try:
                    code = forked(lambda: run_tests(tree, OF_CONSTANTS), log, 1200)
                    noticed[backend, dtype, name] = code != 0
                finally:
                    replace(path, source)
    return noticed


def mutants(work):
    """95 % are noticed; each survivor has a reason in survivors.json, by its file and its changed line."""
    found = source_mutants(work)
    reasons = json.loads((HERE / "survivors.json").read_text())
    survivors = [one for one in found if one["survived"]]
    unexplained = [one for one in survivors if f"{one['mutant'][0]}: {one['line']}" not in reasons]
    for one in unexplained:
        click.echo(f"{one['mutant'][0]}: {one['line']}  # {one['mutant'][1:]}", err=True)
    constants = constant_mutants(work)
    missed = [" ".join(of) for of, seen in constants.items() if not seen]
    click.echo("\n".join(missed), err=True)
    killed = len(found) - len(survivors)
    figure = (
        f"{killed} of {len(found)} noticed ({killed / len(found):.1%}), {len(unexplained)} survivors without a reason; "
        f"{len(constants) - len(missed)} of {len(constants)} constants"
    )
    return killed >= 0.95 * len(found) and not missed, figure
