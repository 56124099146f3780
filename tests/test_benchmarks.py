"""The asv suite: every benchmark runs with its parameters, and what it tracks is positive and of order 1."""

import ast
import inspect
import itertools
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.importorskip("asv_runner")


def suite():
    """(function, parameters) of every benchmark, with its first and its last parameters."""
    from benchmarks.suite import bench_activations, bench_decay, bench_networks

    for module in (bench_activations, bench_networks, bench_decay):
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ != module.__name__:
                continue
            combinations = list(itertools.product(*getattr(kind, "params", ())))
            for method in dir(kind):
                if method.startswith(("time_", "track_", "peakmem_")):
                    for chosen in dict.fromkeys((combinations[0], combinations[-1])):
                        yield pytest.param(kind, method, chosen, id=f"{name}.{method}{chosen}")


@pytest.mark.parametrize(("kind", "method", "chosen"), list(suite()))
def test_benchmark(kind, method, chosen):
    found = getattr(kind(), method)(*chosen)
    assert not hasattr(kind, "setup")
    assert kind.version.isdecimal()
    if method.startswith("track_"):
        assert 0.5 <= found <= 1000
        assert getattr(kind, method).__dict__.get("unit") or kind.unit


def test_every_module_needs_only_what_asv_installs():
    """asv imports every file of the folder and below, also one that holds no benchmark."""
    folder = ROOT / json.loads(configuration())["benchmark_dir"]
    paths = sorted(folder.rglob("*.py"))
    assert {path.name for path in paths if not path.name.startswith("bench_")} == {"__init__.py", "common.py"}
    for path in paths:
        foreign = imported(ast.walk(ast.parse(path.read_text()))) - sys.stdlib_module_names
        assert foreign <= {"numpy", "asv_runner", "fastgrad"}, path.name


def configuration():
    """asv's, without its comments."""
    return re.sub(r"^\s*//.*$", "", (ROOT / "asv.conf.json").read_text(), flags=re.M)


def imported(nodes):
    """The packages that these nodes import, this one's own left out."""
    nodes = list(nodes)
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names}


def test_what_a_commit_lacks_is_skipped_and_nothing_else():
    from asv_runner.benchmarks.mark import SkipNotImplemented

    from benchmarks.suite.common import needs

    def time_it(self):
        return 1

    assert needs("elu", "fit")(time_it) is time_it
    with pytest.raises(SkipNotImplemented, match="this commit has no such_a_name"):
        needs("elu", "such_a_name")(time_it)(None)


def test_thresholds_are_disjoint():
    patterns = json.loads(configuration())["regressions_thresholds"]
    for name in (
        "bench.A.time_a",
        "bench.timeraw_import",
        "bench.A.peakmem_a",
        "bench.A.track_a",
        "bench.A.track_time_a",
    ):
        assert sum(bool(re.match(pattern, name)) for pattern in patterns) == 1
