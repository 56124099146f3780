"""The machine's limits and the work beside them: what is measured, which limit binds, how operations are counted."""

import json
from functools import partial
from types import FunctionType

import numpy as np
import pytest
from test_cli import call

import fastgrad
from fastgrad import ACTIVATIONS
from fastgrad.bench import activations, arithmetic, limits, network, parts, training
from fastgrad.kernels import compiled, steps
from fastgrad.kernels.names import bind

KIB = 1024
MADE_UP = limits.Limits(
    "avx2",
    {"float32": 100e9, "float64": 50e9},
    {"L1": 400e9, "L2": 200e9, "memory": 20e9},
    {"L1": 32 * KIB, "L2": 1024 * KIB},
)


def test_the_limits_of_this_machine_have_the_order_that_they_must_have():
    found = limits.limits()
    assert limits.limits() is found  # one measurement for all tables
    assert found.cpu == compiled.CPU
    assert list(found.bandwidth) == [*found.caches, "memory"]
    assert list(found.caches.values()) == sorted(found.caches.values())
    assert all(np.isfinite(rate) and rate > 0 for rate in (*found.peak.values(), *found.bandwidth.values()))
    assert found.bandwidth["L1"] >= 0.8 * found.bandwidth["memory"]
    if compiled.CPU != "scalar":  # a vector holds twice as many float32
        assert found.peak["float32"] >= 1.2 * found.peak["float64"]


@pytest.mark.parametrize(
    ("operations", "moved", "held", "dtype", "limit", "percent"),
    [
        (100e3, 0, 1, "float32", "peak", 50.0),  # a microsecond of two
        (100e3, 0, 1, "float64", "peak", 100.0),
        (100e3, 600e3, 32 * KIB, "float32", "L1", 75.0),
        (100e3, 600e3, 32 * KIB + 1, "float32", "L2", 150.0),
        (100e3, 30e3, 1024 * KIB + 1, "float32", "memory", 75.0),
        (100e3, 300e3, 32 * KIB, "float32", "peak", 50.0),
    ],
)
def test_the_longer_time_binds(operations, moved, held, dtype, limit, percent):
    found = MADE_UP.figures(2e-6, operations, moved, held, dtype)
    assert found["limit"] == limit
    assert found["percent_of_limit"] == pytest.approx(percent, rel=1e-12)
    assert found["limit_seconds"] == pytest.approx(percent / 100 * 2e-6, rel=1e-12)


def test_rows_table_and_facts_have_units():
    assert [row["unit"] for row in MADE_UP.rows()] == ["GFLOP/s"] * 2 + ["GB/s"] * 3
    assert MADE_UP.table().groups[""] == [
        ("multiply-adds, float32, avx2", "100", "GFLOP/s", "", ""),
        ("multiply-adds, float64, avx2", "50", "GFLOP/s", "", ""),
        ("copy in L1", "400", "GB/s", "24 KiB", "32 KiB"),
        ("copy in L2", "200", "GB/s", "64 KiB", "1 MiB"),
        ("copy in memory", "20", "GB/s", "2 MiB", ""),
    ]
    assert MADE_UP.facts()["peak float32"] == "100 GFLOP/s"
    assert MADE_UP.facts()["copy in memory"] == "20 GB/s"


def test_caches_are_the_systems_or_small_ones(tmp_path):
    assert limits.caches(tmp_path) == limits.SMALL_CACHES
    for index, facts in enumerate((("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K"))):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, value in zip(("level", "type", "size"), facts, strict=True):
            (folder / name).write_text(f"{value}\n")
    assert limits.caches(tmp_path) == {"L1": 48 * KIB, "L2": 2048 * KIB}
    (tmp_path / "index2" / "size").unlink()  # as on a virtual machine that does not know it
    assert limits.caches(tmp_path) == limits.SMALL_CACHES


@pytest.mark.parametrize("held", [16 * KIB, 18 * KIB, 512 * KIB, 16 * KIB * KIB])
def test_a_copy_moves_what_it_says_and_stays_within_what_it_holds(held, monkeypatch):
    seen = []
    call, moved = limits._copy(held)
    with monkeypatch.context() as patched:
        patched.setattr(np, "copyto", lambda target, source: seen.append((target, source)))
        call()
    ((target, source),) = seen
    assert not np.shares_memory(target[:1], source[:1])
    assert target.shape == source.shape
    assert moved == 2 * target.size
    windows = [array.shape[1] + (len(array) - 1) * array.strides[0] for array in (target, source)]
    assert 0.7 * held <= sum(windows) <= held
    target[...] = 0
    assert source.all()
    call()
    assert np.array_equal(target, source)


def test_operations_of_the_formulas_counted_by_hand():
    def count(kind, dtype="float32"):
        return [arithmetic.operations(kind, name, dtype) for name in ("sigmoid", "relu", "leaky_relu")]

    exponential = 2 + 1 + 4 + 1 + 10 + 2 + 1  # n + shifter, n, r, r^2, the polynomial, p, 1 + p
    quotient = 1 + 1 + 1 + 1 + 2 + 2  # 1 + e, its reciprocal, q, n - q, the remainder, its correction
    assert count("value") == [exponential + quotient + 1, 0, 1]
    assert count("derivative") == [exponential + quotient + 2, 0, 0]
    assert count("value_and_derivative") == [exponential + quotient + 1 + 2, 0, 1]
    assert count("value", "float64")[0] == count("value")[0] + 12  # five more terms, r^2 r^2 r


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_pass_takes_no_more_operations_than_two(name):
    value, derivative, both = (
        arithmetic.operations(kind, name) for kind in ("value", "derivative", "value_and_derivative")
    )
    assert max(value, derivative) <= both <= value + derivative
    case = activations.ActivationCase(name, "training", "float32", 10)
    assert activations.operations_of(case) == both + 1
    assert activations.operations_of(case._replace(operation="backward")) == 1
    assert activations.operations_of(case._replace(operation="value")) == value


def test_work_of_layers_and_networks():
    tanh = arithmetic.operations("value_and_derivative", "tanh")
    x, w, b, y = 3 * 4, 4 * 5, 5, 3 * 5
    forward, backward = (parts.dense_work(parts.DenseCase(name, 3, 4, 5)) for name in parts.OPERATIONS)
    assert forward == (2 * 3 * w + y * (1 + tanh), *[4 * (x + w + b + 2 * y)] * 2)
    assert backward == (4 * 3 * w + 2 * y, *[4 * (2 * (x + w) + b + 2 * y)] * 2)
    sizes = [1, 64, 64, 10]
    operations, moved, held = network.work_of(sizes, 8, "tanh", gradients=True)
    weights, states = 64 + 64 * 64 + 64 * 10, 2 * 8 * (1 + 64 + 64)
    assert operations == 3 * 2 * 8 * weights + 8 * (64 + 64) * (tanh + 1)
    assert (moved, held) == (4 * (3 * weights + 2 * states), 4 * (2 * weights + states))
    narrow = network.work_of(sizes, 8, "tanh", gradients=False)
    saved = 2 * 8 * (64 * 64 + 64 * 10) - 8 * 8 * (64 + 64 + 64 + 10)  # of the first layer the product is less
    assert narrow == (operations - saved, moved - 4 * weights, held - 4 * weights)


def test_command():
    result = call("speed", "limits")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    rows = json.loads(call("speed", "limits", "--json").stdout, parse_constant=pytest.fail)["rows"]
    assert rows == limits.limits().rows()
    assert f"| multiply-adds, float32, {compiled.CPU} |" in call("speed", "limits", "--markdown").stdout


@pytest.mark.parametrize(
    "command",
    [
        ("activations", "-a", "relu", "--operation", "value", "--dtype", "float32", "--size", "10"),
        ("dense", "--shape", "2,3,4"),
        ("network", "--network", "2,8,4"),
        ("decay", "-a", "tanh", "--quick"),
    ],
)
def test_every_table_that_has_limits_says_which_and_in_json(command, monkeypatch):
    monkeypatch.setattr(limits, "limits", lambda: MADE_UP)
    options = (*command, "--rounds", "1", *(() if command[0] == "decay" else ("--peer", "numpy")))
    text = call("speed", *options)
    assert text.exit_code == 0, text.output
    assert "% of limit" in text.stdout
    assert "copy in memory 20 GB/s" in " ".join(text.stdout.split())
    assert max(map(len, text.stdout.splitlines())) <= 100
    data = json.loads(call("speed", *options, "--json").stdout)
    assert data["machine"]["peak float32"] == "100 GFLOP/s"
    assert all(row["limit"] in ("peak", "L1", "L2") and row["percent_of_limit"] > 0 for row in data["rows"])


def test_what_training_takes():
    """The passes of every epoch, and Adam's operations and numbers a parameter, as its formulas have them."""
    known: dict[tuple, int] = {}
    symbol = partial(arithmetic.Symbol, known)
    functions = {name: formula for name, formula in vars(steps).items() if isinstance(formula, FunctionType)}
    names = bind({"sqrt": partial(symbol, "sqrt"), "one": symbol("one")}, functions, symbol)
    w, g, m, v, rate, scale, epsilon, *betas = map(symbol, ("w", "g", "m", "v", "rate", "scale", "epsilon", "1", "2"))
    g = names["decayed"](g, w, symbol("decay"))
    m, v = names["first_moment"](m, g, betas[0]), names["second_moment"](v, g, betas[1])
    names["adam"](w, m, v, rate, scale, epsilon)
    counted = [(arithmetic.COUNTED | {"sqrt": 1}).get(operation, 0) for operation, *_ in known]
    assert sum(counted) - len(betas) == training.ADAM  # 1 - beta is a constant

    net = fastgrad.MLP([4, 8, 3], "tanh", "xavier_normal", seed=0)
    operations, moved, held = training.work_of_training(net, samples=96)
    parameters, passes = 4 * 8 + 8 + 8 * 3 + 3, training.EPOCHS * 3
    one = network.work_of(net.sizes, 32, "tanh", gradients=True)
    assert operations == passes * (one[0] + 15 * parameters)
    assert (moved, held) == (passes * (one[1] + 28 * parameters), one[2] + 8 * parameters)
