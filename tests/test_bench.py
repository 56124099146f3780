"""Speed side by side: what is compared is equal, faults are told, and the figures follow from the times."""

import importlib.util
import os
import shutil
import sys
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from fastgrad.bench import activations, compare, limits, network, network_peers, parts, peers, timing, training
from fastgrad.bench.activations import ActivationCase, activation_cases, time_activation
from fastgrad.bench.audit import contestants
from fastgrad.bench.compare import Row
from fastgrad.report import plots
from fastgrad.report.tables import markdown

ACTIVATIONS = activations.activation_comparison()
HERE = [name for name in peers.installed() if name != "torch.compile"]


@pytest.fixture
def seconds(monkeypatch):
    """Times that are not measured: what interleaved returns, by contestant."""
    times = {"fastgrad": 2e-6, "numpy": 6e-6}

    def fake(functions, rounds, seed=0):
        return {name: times.get(name, 1e-6) for name in functions}

    monkeypatch.setattr(compare, "interleaved", fake)
    return times


@pytest.mark.parametrize("case", activation_cases(sizes=[100]), ids=lambda case: "-".join(map(str, case)))
def test_every_peer_here_gives_our_results(case, seconds):
    rows = time_activation(case, HERE, 1)
    assert rows[0].contestant == "fastgrad"
    assert rows[0].ratio == 1
    assert [row for row in rows if row.difference is not None] == []
    offered = {row.contestant for row in rows}
    assert "numpy" in offered
    assert ("numexpr" in offered) == (case.operation == "value" and "numexpr" in HERE)


def test_figures_follow_from_the_times(seconds):
    ours, numpy = time_activation(ActivationCase("tanh", "training", "float32", 1000), ["numpy"], 1)
    assert (ours.figures["ns_per_element"], numpy.figures["ns_per_element"]) == pytest.approx((2.0, 6.0), rel=1e-12)
    assert (ours.seconds, numpy.seconds) == (2e-6, 6e-6)
    assert numpy.ratio == pytest.approx(3.0, rel=1e-12)
    assert ours.figures["gb_per_s"] == pytest.approx(6 * 4 / 2.0, rel=1e-12)


@pytest.mark.parametrize(
    ("case", "limit", "ns"),
    [
        (ActivationCase("relu", "value", "float32", 1000), "L1", 2 * 4 / 8),
        (ActivationCase("relu", "value", "float64", 1000), "L1", 2 * 8 / 8),
        (ActivationCase("relu", "value", "float64", 3000), "memory", 2 * 8 / 4),
        (ActivationCase("tanh", "backward", "float32", 1000), "L1", 3 * 4 / 8),
        (ActivationCase("tanh", "training", "float32", 1638), "L1", 6 * 4 / 8),  # 5 arrays fit in 32 KiB
        (ActivationCase("tanh", "training", "float32", 1639), "memory", 6 * 4 / 4),
        (ActivationCase("tanh", "value", "float64", 1000), "peak", None),
    ],
)
def test_the_limit_is_of_the_work_and_of_the_memory_that_holds_the_arrays(case, limit, ns, seconds, monkeypatch):
    peaks = {"float32": 100e9, "float64": 1e9 if limit == "peak" else 100e9}
    found = limits.Limits("avx2", peaks, {"L1": 8e9, "memory": 4e9}, {"L1": 2**15})
    monkeypatch.setattr(limits, "limits", lambda: found)
    (row,) = time_activation(case, [], 1)
    ns = activations.operations_of(case) if ns is None else ns
    assert (row.figures["limit"], row.figures["limit_ns_per_element"]) == (limit, pytest.approx(ns, rel=1e-12))
    assert row.figures["percent_of_limit"] == pytest.approx(100 * ns * case.size * 1e-9 / 2e-6, rel=1e-12)
    (plain,) = time_activation(case, [], 1, bounded=False)
    assert set(plain.figures) == {"ns_per_element", "gb_per_s"}


@pytest.mark.parametrize(
    ("wrong", "says"), [(1.001, "1.0e-03 of ours"), (np.nan, "any number"), (np.inf, "any number")]
)
def test_a_peer_that_differs_is_told_and_not_timed(wrong, says, monkeypatch):
    calls = []

    def peer(name, operation, x, dy, zeros):
        def call():
            calls.append(1)
            return np.tanh(x) * np.where(np.arange(x.size) == 3, wrong, 1.0)

        return call

    monkeypatch.setitem(peers.PEERS, "numpy", peer)
    rows = time_activation(ActivationCase("tanh", "value", "float32", 100), ["numpy"], 1)
    assert len(calls) == 1
    assert (rows[1].seconds, rows[1].ratio, rows[1].figures) == (None, None, {})
    assert rows[0].seconds > 0
    (table,) = ACTIVATIONS.tables(rows)
    assert table.groups[""][0][-1] == "differs"
    assert says in ACTIVATIONS.verdict(rows)[-1]
    assert len(plots.speed_figure([row.record() for row in rows]).axes[0].lines) == 2


def test_cases_are_every_combination_once():
    found = activation_cases(["tanh", "relu", "tanh"], ["value", "backward"], ["float32"], [10, 5, 10])
    assert [tuple(case) for case in found] == [
        (name, operation, "float32", size)
        for size in (10, 5) for name in ("tanh", "relu") for operation in ("value", "backward")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"activations": ["tahn"]}, ValueError, "unknown activation 'tahn'; did you mean 'tanh'"),
        ({"operations": ["trainig"]}, ValueError, "unknown operation 'trainig'; did you mean 'training'"),
        ({"dtypes": ["float16"]}, TypeError, "dtype must be float32 or float64"),
        ({"sizes": [0]}, ValueError, "size must be at least 1"),
    ],
)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        activation_cases(**options)


def test_peers_that_cannot_run(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jax" else find(name))
    assert "jax" not in peers.installed()
    with pytest.raises(ImportError, match="peer 'jax' is not available: install it with `pip install jax`"):
        peers.check(["numpy", "jax"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert peers.installed() == ["numpy", "numexpr", "torch", "jax"]
    with pytest.raises(ImportError, match=r"'torch\.compile' is not available: it needs a C\+\+ compiler"):
        peers.check(["torch.compile"])


def test_each_contestant_is_told_before_its_first_call(monkeypatch):
    """Compiling takes minutes for some."""
    told = []
    monkeypatch.setitem(peers.PEERS, "numpy", lambda *_: lambda: told.append("numpy works") or np.zeros(100))
    time_activation(ActivationCase("tanh", "value", "float32", 100), ["numpy"], 1, told.append)
    assert told == ["fastgrad", "numpy", "numpy works"]


def test_quick_speed_is_what_reports_show():
    rows = activations.quick_speed()
    assert [row["kernel"] for row in rows] == ["sigmoid", "tanh", "relu", "leaky_relu", "elu"]
    for row in rows:
        assert row["ratio"] == pytest.approx(row["peer_ns_per_element"] / row["ns_per_element"], rel=1e-9)


def test_interleaved_takes_the_least_and_gives_all_the_same_number_of_samples(monkeypatch):
    now, calls = [0.0], {"fast": 0, "slow": 0}

    def spend(name, duration):
        def call():
            calls[name] += 1
            now[0] += duration * (1 + calls[name] % 3)

        return call

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    best = timing.interleaved({"fast": spend("fast", 1e-3), "slow": spend("slow", 2e-3)}, 12)
    assert best == pytest.approx({"fast": 1e-3, "slow": 2e-3}, rel=1e-6)
    assert calls == {"fast": 16, "slow": 16}
    timing.interleaved({"slow": spend("slow", 10.0)}, 12)
    assert calls["slow"] == 16 + 4 + timing.FEWEST
    timing.interleaved({"slow": spend("slow", 10.0)}, 2)
    assert calls["slow"] == 16 + 4 + timing.FEWEST + 4 + 2


CASE = ActivationCase("tanh", "value", "float32", 1000)
FIGURES = {
    "ns_per_element": 0.5, "gb_per_s": 16.0, "limit": "peak", "limit_ns_per_element": 0.3, "percent_of_limit": 60.0,
}  # fmt: skip
ROW = Row(CASE, "fastgrad", None, 5e-7, 1.0, FIGURES)
RELU = replace(ROW, case=CASE._replace(activation="relu"), figures=FIGURES | {"limit": "L1"})
ROWS = [
    ROW,
    replace(ROW, contestant="numpy", figures=FIGURES | {"ns_per_element": 2.0}, ratio=4.0),
    replace(ROW, contestant="jax", figures=FIGURES | {"ns_per_element": 0.4}, ratio=0.8),
    replace(ROW, case=CASE._replace(size=100)),
    RELU,
    replace(RELU, contestant="numpy", ratio=1234.5),
    replace(ROW, case=CASE._replace(operation="backward")),
]


def test_tables_show_what_is_lost():
    value, backward = ACTIVATIONS.tables(ROWS)
    assert value.columns[-2:] == ("numpy", "jax")
    assert value.groups[""] == [
        ("tanh", "100", "0.5", "16", "60 peak", "", ""),
        ("tanh", "1,000", "0.5", "16", "60 peak", "4", "0.8 !"),
        ("relu", "1,000", "0.5", "16", "60 L1", "1234", ""),
    ]
    assert backward.title == "backward, float32"
    assert ACTIVATIONS.verdict(ROWS) == ["Ours is slower in 1 of 3 comparisons."]
    assert markdown(backward).splitlines() == [
        "| activation | size | ns | GB/s | % of limit |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| tanh | 1,000 | 0.5 | 16 | 60 peak |",
    ]


def test_a_record_names_the_case_the_contestant_and_the_figures():
    assert ROW.record() == {
        "activation": "tanh", "operation": "value", "dtype": "float32", "size": 1000,
        "contestant": "fastgrad", "difference": None, "seconds": 5e-7, "ratio": 1.0, **FIGURES,
    }  # fmt: skip
    differs = Row(CASE, "numpy", 0.1).record()
    assert (differs["difference"], differs["seconds"], differs["ratio"]) == (0.1, None, None)


def test_the_chart_draws_every_contestant_and_the_limit():
    rows = [row.record() for row in ROWS[:-1]]
    figure = plots.speed_figure(rows)
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.axison] == ["tanh", "relu"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(lines) == {"fastgrad", "numpy", "jax", "machine's limit"}
    assert list(lines["fastgrad"].get_xdata()) == [100, 1000]
    assert list(lines["machine's limit"].get_ydata()) == [0.3, 0.3]
    assert lines["machine's limit"].get_linestyle() == "--"
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "fastgrad",
        "numpy",
        "jax",
        "machine's limit",
    ]
    assert plots.picture(figure, "svg") == plots.picture(plots.speed_figure(rows), "svg")


def test_jax_gets_one_thread_and_the_environment_stays(monkeypatch):
    seen = []

    class Jax:
        class config:
            update = staticmethod(lambda name, value: seen.append((name, value)))

        @staticmethod
        def devices():
            seen.append(os.environ["NPROC"])

    monkeypatch.setitem(sys.modules, "jax", Jax)
    for before in ("7", None):
        if before is None:
            monkeypatch.delenv("NPROC", raising=False)
        else:
            monkeypatch.setenv("NPROC", before)
        assert peers.jax_on_one_thread() is Jax
        assert os.environ.get("NPROC") == before
    assert seen == [("jax_cpu_enable_async_dispatch", False), "1"] * 2


@pytest.mark.parametrize("peer", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "elu"])
def test_the_audit_judges_what_the_speed_tables_time(peer, name):
    """The same bits: one form of each formula per library."""
    if peers.missing(peer):
        pytest.skip(f"{peer} is not installed")
    z = np.linspace(-20, 20, contestants.CHUNK, dtype=np.float32)
    judged = {}
    for kind in ("value", "derivative"):
        (judged[kind],) = (one.run(z) for one in contestants.contestants(kind, name, "peers") if one.name == peer)
    y, dx = peers.PEERS[peer](name, "training", z, np.ones_like(z))()
    assert np.array_equal(judged["value"], np.asarray(y))
    assert np.array_equal(judged["derivative"], np.asarray(dx))


def test_another_form_of_a_peer_is_another_contestant(monkeypatch):
    """So that a resumed audit does not join the findings of two."""
    (before,) = (one for one in contestants.contestants("value", "elu", "peers") if one.name == "numpy")
    monkeypatch.setattr(contestants, "_form_of_peers", lambda: "another")
    (after,) = (one for one in contestants.contestants("value", "elu", "peers") if one.name == "numpy")
    assert before.version == after.version
    assert before.identity != after.identity


@pytest.mark.parametrize("which", [0, 1])
def test_training_that_gives_a_wrong_y_or_dx_is_told_and_not_timed(which, monkeypatch):
    def peer(name, operation, x, dy, zeros):
        def call():
            y, dx = peers.fastgrad(name, operation, x, dy, zeros)()
            return (y * 1.001, dx) if which == 0 else (y, dx * 1.001)

        return call

    monkeypatch.setitem(peers.PEERS, "numpy", peer)
    ours, theirs = time_activation(ActivationCase("tanh", "training", "float32", 100), ["numpy"], 1)
    assert ours.difference is None
    assert theirs.difference == pytest.approx(1e-3, rel=0.01)
    assert theirs.seconds is None


def starts_of(arrays):
    """Bytes by which these arrays miss the start of a cache line."""
    return [array.ctypes.data % 64 for array in arrays]


def test_ours_has_no_better_place_in_memory_than_the_others(monkeypatch, seconds):
    """Inputs are the same arrays, on a cache line, and what a peer writes to is as well."""
    at = {}

    def noting(name, make):
        def peer(*arguments):
            at[name] = starts_of(array for array in arguments if isinstance(array, np.ndarray))
            return make(*arguments)

        return peer

    monkeypatch.setitem(peers.PEERS, "numpy", noting("activations", peers.numpy))
    monkeypatch.setitem(parts.DENSE_PEERS, "numpy", noting("dense", parts.dense_numpy))
    monkeypatch.setitem(network.PEERS, "numpy", noting("network", network_peers.numpy))
    time_activation(ActivationCase("tanh", "training", "float32", 1001), ["numpy"], 1)
    parts.time_dense(parts.DenseCase("forward", 5, 7, 9), ["numpy"], 1)
    network.time_network(network.NetworkCase(2, 7, 5, "gradients"), ["numpy"], 1)
    assert at == {"activations": [0, 0], "dense": [0] * 4, "network": [0, at["network"][1]]}  # the last are the labels

    x = np.ones(1001, np.float32)
    assert starts_of(peers.numpy("elu", "training", x, x)()) == [0, 0]
    _, gradients = network._call(network.NetworkCase(2, 7, 5, "gradients"), "numpy")()
    assert starts_of(array for pair in gradients for array in pair) == [0] * 6
    x, weight, bias, dy = (np.ones(shape, np.float32) for shape in ((5, 7), (7, 9), 9, (5, 9)))
    layer = parts.dense_numpy(x, weight, bias, dy)
    assert starts_of([*layer["forward"](), *layer["backward"]()]) == [0] * 4
    assert starts_of([parts.weights_numpy("he_normal", (7, 9))()]) == [0]


def test_arrays_lie_where_numpy_puts_them_if_that_is_asked_for(monkeypatch, seconds):
    """Ours too: all get the same makers of arrays."""
    made, real = [], np.zeros
    monkeypatch.setitem(
        activations.PLACEMENTS, "numpy", (lambda *a: made.append(a) or real(*a), activations.PLACEMENTS["numpy"][1])
    )
    case = ActivationCase("tanh", "training", "float32", 1001)
    time_activation(case, ["numpy"], 1)
    assert made == []
    (_, row) = time_activation(case, ["numpy"], 1, placement="numpy")
    assert made == [(1001, "float32")] * 9  # x, dy, 3 of ours, 4 of NumPy's
    assert row.difference is None
    with pytest.raises(ValueError, match="unknown placement 'nmpy'; did you mean 'numpy'"):
        time_activation(case, ["numpy"], 1, placement="nmpy")


def trained(contestant, accuracy, rounds=5):
    figures = {"accuracy": accuracy, "spread": 0.01, "rounds": rounds}
    return Row(training.TrainingCase(3, 64), contestant, None, 2.0, 1.0, figures)


@pytest.mark.parametrize(("rounds", "told"), [(5, False), (6, True), (10, True), (1, None)])
def test_accuracies_are_judged_by_the_rounds_there_were(rounds, told):
    """Two standard errors of a difference: 2 sqrt(2) 0.01 / sqrt(rounds - 1), 0.0141 for 5 rounds and 0.0126 for 6."""
    (line,) = training.TRAINING.verdict([trained("fastgrad", 0.9, rounds), trained("torch", 0.9132, rounds)])
    if told is None:
        assert line.startswith("One seed has no spread")
    else:
        assert line == ("torch, 3 x 64: +1.3 points of accuracy." if told else line)
        assert line.startswith("All accuracies are equal") != told


def test_every_round_of_training_is_a_seed_and_is_told(monkeypatch):
    seeds, told = [], []

    def peer(net, train, seed):
        seeds.append((seed, net.seed))
        return lambda: net

    monkeypatch.setitem(training.PEERS, "torch", peer)
    monkeypatch.setattr(training, "EPOCHS", 1)
    case = training.TrainingCase(1, 4)
    rows = training.time_training(case, ["torch"], 2, told.append)
    assert [row.contestant for row in rows] == ["fastgrad", "without monitor", "torch"]
    assert seeds == [(0, 0), (1, 1)]
    assert sorted(told) == sorted(f"{row.contestant}, {i} of 2" for row in rows for i in (1, 2))
    (table,) = training.TRAINING.tables(rows)
    assert table.columns == ("network", "contestant", "seconds", "times ours", "% of limit", "test accuracy", "spread")
    assert [line[:2] for line in table.groups[""]] == [("1 x 4", row.contestant) for row in rows]


def test_what_is_started_anew_takes_turns_and_only_the_call_is_timed(monkeypatch):
    now, started, told = [0.0], [], []

    def start(name, number):
        def call():
            now[0] += 1 + number
            return f"{name} {number}"

        now[0] += 100
        started.append((number, name))
        return call

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    starts = {name: lambda number, name=name: start(name, number) for name in "abc"}
    found = timing.round_by_round(starts, 3, tell=told.append)
    assert found == {name: [(1 + number, f"{name} {number}") for number in range(3)] for name in "abc"}
    assert [number for number, _ in started] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert told == [f"{name}, {number + 1} of 3" for number, name in started]
    assert len({tuple(name for number, name in started if number == turn) for turn in range(3)}) > 1


def test_pytorch_trains_with_its_fused_optimiser(monkeypatch):
    torch = pytest.importorskip("torch")
    asked, real = [], torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda *a, **options: asked.append(options) or real(*a, **options))
    monkeypatch.setattr(training, "EPOCHS", 1)
    training.time_training(training.TrainingCase(1, 4), ["torch"], 1)
    assert asked == [{"fused": True}]


def test_numpy_makes_no_array_while_it_is_timed():
    """Every step writes to an array that is there already."""
    x, dy = np.linspace(-3, 3, 100_000), np.ones(100_000)
    for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu"):
        call = peers.numpy(name, "training", x, dy)
        call()
        tracemalloc.start()
        call()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < x.nbytes / 4, name


def test_pytorch_is_timed_without_autograd_and_enters_nothing_in_the_call(monkeypatch):
    torch = pytest.importorskip("torch")
    modes, entered = [], []

    def timed(calls, rounds):
        modes.append(torch.is_inference_mode_enabled())
        with monkeypatch.context() as patched:
            for name in ("no_grad", "inference_mode"):
                patched.setattr(torch, name, lambda: entered.append(1))
            for call in calls.values():
                call()
        return dict.fromkeys(calls, 1.0)

    monkeypatch.setattr(compare, "interleaved", timed)
    time_activation(ActivationCase("tanh", "training", "float32", 100), ["torch"], 1)
    for operation in parts.OPERATIONS:
        parts.time_dense(parts.DenseCase(operation, 4, 5, 6), ["torch"], 1)
    assert modes == [True] * 3
    assert entered == []
    assert not torch.is_inference_mode_enabled()
