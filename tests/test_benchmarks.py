"""The asv suite: every benchmark runs with its parameters, after a warm-up, and moves where a fault is planted."""

import ast
import inspect
import itertools
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastgrad

pytest.importorskip("asv_runner")
pytest.importorskip("numba")
from asv_runner.benchmarks.time import TimeBenchmark

from benchmarks.suite import bench_accuracy, bench_decay, bench_kernels, bench_networks
from benchmarks.suite.common import needs

ROOT = Path(__file__).resolve().parent.parent
MODULES = (bench_kernels, bench_accuracy, bench_networks, bench_decay)
KINDS = {
    name: kind
    for module in MODULES
    for name, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__
}
BENCHMARKS = [
    (name, method)
    for name, kind in KINDS.items()
    for method in dir(kind)
    if method.startswith(("time_", "track_", "peakmem_"))
]


def ready(name, chosen):
    """An instance after its setup."""
    found = KINDS[name]()
    if hasattr(found, "setup"):
        found.setup(*chosen)
    return found


@pytest.mark.parametrize(("name", "method"), [one for one in BENCHMARKS if one[0] != "Memory"])  # which runs below
def test_it_runs_with_its_first_and_last_parameters(name, method):
    combinations = list(itertools.product(*getattr(KINDS[name], "params", ())))
    assert KINDS[name].version.isdecimal()
    for chosen in dict.fromkeys((combinations[0], combinations[-1])):
        function = getattr(ready(name, chosen), method)
        found = function(*chosen)
        if method.startswith("track_"):
            assert np.isfinite(found)
            assert getattr(function, "unit", None) or KINDS[name].unit


class Quick:
    """What ``asv run --quick`` asks for: one call."""

    number, repeat, warmup_time = 1, 1, 0


@pytest.mark.parametrize(("name", "method"), [one for one in BENCHMARKS if one[1].startswith("time_")])
def test_a_quick_run_is_warm(name, method):
    """Its one sample holds neither Numba's compiler nor the making of inputs; a busy machine may delay it."""
    instance = KINDS[name]()
    function = getattr(instance, method)
    benchmark = TimeBenchmark(method, function, [Quick, function, instance])
    benchmark.set_param_idx(4 if name == "Backends" else 0)  # ReLU by Numba: nothing here has compiled it before
    assert not benchmark.do_setup()
    (first,) = benchmark.do_run()["samples"]
    later = min(benchmark.do_run()["samples"][0] for _ in range(3))
    assert first <= 1000 * later


# Faults that each benchmark must show.


def seconds(name, method, chosen=(), calls=20):
    """The least of some calls."""
    function = getattr(ready(name, chosen), method)
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        function(*chosen)
        times.append(time.perf_counter() - start)
    return min(times)


def twice(function):
    def planted(*arguments, **options):
        function(*arguments, **options)
        return function(*arguments, **options)

    return planted


TIMES = {
    ("Kernels", "time_value", ("elu(alpha=0.5)", "float32")): (fastgrad, "elu"),
    ("Kernels", "time_derivative", ("tanh", "float64")): (fastgrad, "tanh_derivative"),
    ("Kernels", "time_value_and_derivative", ("relu", "float32")): (fastgrad, "value_and_derivative"),
    ("Calls", "time_100_calls", ("tanh",)): (fastgrad, "tanh"),
    ("Backends", "time_value_and_derivative", ("relu", "numpy")): (fastgrad.Activation, "value_and_derivative"),
    ("Dense", "time_forward", (128,)): (fastgrad, "dense_forward"),
    ("Dense", "time_backward", (128,)): (fastgrad, "dense_backward"),
    ("Networks", "time_gradients", ((10, 32, 32),)): (fastgrad.MLP, "loss_and_gradients"),
    ("Networks", "time_profile", ((10, 32, 32),)): (fastgrad.MLP, "gradient_profile"),
    ("Initializers", "time_weights", ("he_normal",)): (fastgrad.initializers, "he_normal"),
    ("Theory", "time_predict", ("elu",)): (fastgrad.theory, "predict"),
    ("Sweep", "time_twelve_cells", ()): (fastgrad, "sweep"),
}


@pytest.mark.parametrize("benchmark", TIMES, ids=lambda one: ".".join(one[:2]))
def test_work_done_twice_takes_longer(benchmark, monkeypatch):
    calls = 3 if benchmark[0] == "Sweep" else 50
    clean = seconds(*benchmark, calls=calls)
    owner, name = TIMES[benchmark]
    monkeypatch.setattr(owner, name, twice(getattr(owner, name)))
    assert seconds(*benchmark, calls=calls) >= 1.5 * clean


def test_50_ms_in_a_training(monkeypatch):
    clean, fit = seconds("Training", "time_fit"), fastgrad.fit
    monkeypatch.setattr(fastgrad, "fit", lambda *a, **k: (time.sleep(0.05), fit(*a, **k)))
    assert seconds("Training", "time_fit", calls=2) >= clean + 0.05 > 2 * clean


def test_a_slower_kernel_is_further_from_the_limit(monkeypatch):
    from fastgrad.bench import peers

    chosen, ours = ("tanh", "value"), peers.fastgrad
    clean = KINDS["Limit"]().track_time_over_limit(*chosen)
    monkeypatch.setattr(peers, "fastgrad", lambda *a: twice(ours(*a)))
    assert KINDS["Limit"]().track_time_over_limit(*chosen) >= 1.5 * clean


def slope_of_a_fifth(x, negative_slope=0.01, out=None):
    return np.where(x < 0, np.float32(0.21 if negative_slope == 0.2 else negative_slope) * x, x)


def from_output(x, out=None):
    y = np.tanh(x)
    return 1 - y * y


def with_a_dip(x, out=None):
    return fastgrad.activation("sigmoid")(x) - (np.abs(x - 1) < 1e-3) * np.float32(1e-2)


ERRORS = {
    "track_max_ulp": ("leaky_relu", slope_of_a_fifth, ("leaky_relu(negative_slope=0.2)", "value")),
    "track_false_zeros": ("tanh_derivative", from_output, ("tanh", "derivative")),
    "track_wrong_steps": ("sigmoid", with_a_dip, ("sigmoid", "value")),
}


@pytest.mark.parametrize("method", ERRORS)
def test_a_wrong_kernel_is_found_out(method, monkeypatch):
    name, kernel, chosen = ERRORS[method]
    benchmark = getattr(KINDS["Errors"](), method)
    clean = benchmark(*chosen)
    monkeypatch.setattr(fastgrad, name, kernel)
    bench_accuracy._errors.cache_clear()
    try:
        assert benchmark(*chosen) > clean + benchmark.gate_tolerance
    finally:
        bench_accuracy._errors.cache_clear()


@pytest.mark.parametrize("name", bench_accuracy.ACTIVATIONS)
def test_the_suites_truth_is_the_packages(name):
    """They share no code: where they differ, one is wrong."""
    from fastgrad.bench.audit.truth import true

    activation, parameter = bench_accuracy.ACTIVATIONS[name]
    phi, z = fastgrad.activation(activation, **parameter), np.linspace(-40, 40, 999, dtype=np.float32)
    for at, kind in enumerate(("value", "derivative")):
        ours = bench_accuracy.TEXTBOOK[activation][at](z[z != 0].astype(np.float64), **parameter)
        rounded = None if phi.parameter is None else float(np.float32(phi.parameter))
        theirs = true(kind, phi, z[z != 0], rounded)
        assert np.all(np.abs(ours - theirs) <= 1e-13 * np.abs(theirs))


def test_three_percent_in_the_theory(monkeypatch):
    from fastgrad import prediction

    chosen, second_moment = ("tanh", "torch_linear"), prediction.derivative_second_moment
    clean = ready("Decay", chosen).track_predicted()
    monkeypatch.setattr(prediction, "derivative_second_moment", lambda *a, **k: 1.03 * second_moment(*a, **k))
    assert abs(ready("Decay", chosen).track_predicted() - clean) > 10 * KINDS["Decay"].gate_tolerance


def test_three_percent_in_the_weights(monkeypatch):
    chosen, initializer = ("relu", "xavier_normal"), fastgrad.initializer
    clean = ready("Decay", chosen).track_measured()
    monkeypatch.setattr(fastgrad, "initializer", lambda name: initializer(name, gain=1.03))
    assert clean - ready("Decay", chosen).track_measured() > 10 * KINDS["Decay"].gate_tolerance


HELD_TWICE = r"""
import re, sys
from benchmarks.suite.bench_networks import Memory
import fastgrad
if sys.argv[2:]:
    plain = getattr(fastgrad.MLP, sys.argv[1])
    def planted(net, X, y):
        held = [X + i for i in range(40)]  # as much as the values and derivatives of twenty layers
        return plain(net, X, y)
    setattr(fastgrad.MLP, sys.argv[1], planted)
memory = Memory()
memory.setup()
getattr(memory, {"loss_and_gradients": "peakmem_gradients", "gradient_profile": "peakmem_profile"}[sys.argv[1]])()
# ru_maxrss would begin at the size of the process that started this one
print(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
"""


def printed(code, *arguments, **options):
    run = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, cwd=ROOT, **options)
    return float(run.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("method", ["loss_and_gradients", "gradient_profile"])
def test_a_doubled_buffer_moves_memory_by_half(method):
    assert printed(HELD_TWICE, method, "planted") >= 1.5 * printed(HELD_TWICE, method)


IMPORTED = """
import sys, time
class Late:
    def find_spec(self, name, path=None, target=None):
        if name == "fastgrad.formulas":
            time.sleep(float(sys.argv[1]))
sys.meta_path.insert(0, Late())
start = time.perf_counter()
{}
print(time.perf_counter() - start)
"""


def test_half_a_second_in_the_import():
    """So much, since the test may share its machine."""
    code = IMPORTED.format(bench_networks.timeraw_import())
    clean, late = (min(printed(code, wait) for _ in range(2)) for wait in ("0", "0.5"))
    assert late >= clean + 0.25


def test_every_benchmark_has_a_fault_that_it_shows():
    planted = {one[:2] for one in TIMES} | {("Errors", method) for method in ERRORS}
    planted |= {("Training", "time_fit"), ("Limit", "track_time_over_limit")}
    planted |= {("Decay", "track_predicted"), ("Decay", "track_measured")}
    planted |= {("Memory", "peakmem_gradients"), ("Memory", "peakmem_profile")}
    assert planted == set(BENCHMARKS)


# What asv needs.


def configuration():
    """asv's, without its comments."""
    return re.sub(r"^\s*//.*$", "", (ROOT / "asv.conf.json").read_text(), flags=re.M)


def imported(nodes):
    """The packages that these nodes import, this one's own left out."""
    nodes = list(nodes)
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names}


def test_every_module_needs_only_what_asv_installs():
    """asv imports every file of the folder and below, also one that holds no benchmark."""
    paths = sorted((ROOT / json.loads(configuration())["benchmark_dir"]).rglob("*.py"))
    assert {path.stem for path in paths} == {"__init__", "common"} | {
        module.__name__.split(".")[-1] for module in MODULES
    }
    for path in paths:
        foreign = imported(ast.walk(ast.parse(path.read_text()))) - sys.stdlib_module_names
        assert foreign <= {"numpy", "asv_runner", "fastgrad"}, path.name


def test_what_a_commit_lacks_is_skipped_and_nothing_else():
    from asv_runner.benchmarks.mark import SkipNotImplemented

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
