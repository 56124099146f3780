"""The comparison of dense layers and initial weights: what is equal is timed, what is not is said."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fastgrad.bench import decay, network, parts, peers, tables
from fastgrad.cli import commands

SMALL = {"dense": (5, 8, 6), "initializers": (200, 300)}


def run(*arguments):
    return CliRunner().invoke(commands, ["speed", *arguments])


@pytest.mark.parametrize(
    ("part", "operation"), [(p, o) for p, operations in parts.OPERATIONS.items() for o in operations]
)
def test_every_installed_peer_agrees_and_is_timed(part, operation):
    contestants = [name for name in parts.PEERS[part] if not peers.missing(name)]
    rows = parts.measure(parts.Case(part, operation, SMALL[part]), contestants, rounds=1)
    assert [row.contestant for row in rows] == ["fastgrad", *contestants]
    assert [row.difference for row in rows] == [None] * len(rows)
    assert rows[0].ratio == 1


def test_a_wrong_layer_is_said_and_not_timed(monkeypatch):
    def wrong(x, weight, bias, dy):
        honest = parts.dense_numpy(x, weight, bias, dy)["backward"]
        return {"backward": lambda: [a * 1.001 for a in honest()]}

    monkeypatch.setitem(parts.PEERS["dense"], "wrong", wrong)
    _, row = parts.measure(parts.Case("dense", "backward", SMALL["dense"]), ["wrong"], rounds=1)
    assert row.difference == pytest.approx(1e-3, rel=0.01)
    assert row.seconds is None
    assert tables.part_verdict([row]) == [
        "wrong differs: its backward of 5 x 8 x 6 is off by 1.0e-03 of ours; not timed."
    ]


@pytest.mark.parametrize(("part", "shape"), [("dense", "4,8,6"), ("initializers", "64,64")])
def test_command(part, shape):
    done = run(part, "--shape", shape, "--quick", "--peer", "numpy", "--json")
    assert done.exit_code == 0
    rows = json.loads(done.stdout)["rows"]
    assert [row["contestant"] for row in rows] == ["fastgrad", "numpy"] * 2
    table = run(part, "--shape", shape, "--quick", "--peer", "numpy").stdout
    assert shape.replace(",", " x ") in table
    assert max(map(len, table.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dense", "--shape", "1,2"], "--shape must be 3 whole numbers as in 1,64,64, got '1,2'"),
        (["dense", "--shape", "0,2,3"], "batch must be at least 1, got 0"),
        (["dense", "--operation", "sideways"], "unknown operation 'sideways'"),
        (["initializers", "--rule", "he_norml"], "unknown operation 'he_norml'; did you mean 'he_normal'?"),
        (["decay", "-a", "rleu"], "unknown activation 'rleu'; did you mean 'relu'?"),
        (["initializers", "--peer", "tourch"], "unknown peer 'tourch'; did you mean 'torch'?"),
    ],
)
def test_wrong_calls(arguments, message):
    done = CliRunner().invoke(commands, ["speed", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr


def test_memory_of_a_pass():
    kept = network.pass_megabytes(network.Case(40, 256, 256, "profile"), "fastgrad")
    activations = 2 * 40 * 256 * 256 * 4 / 1e6
    assert activations * 0.9 <= kept <= activations * 1.3


def test_decay_in_torch_finds_our_slopes():
    pytest.importorskip("torch")
    for some in decay.cells(["tanh", "leaky_relu"], quick=True):
        ours, theirs = decay.measure(some, ["torch"], rounds=1)
        assert theirs.difference is None
        assert (ours.ratio, ours.count) == (1, 6)


def test_decay_draws_no_network_while_it_is_timed(monkeypatch):
    """Ours and PyTorch's measure the same networks, drawn before."""
    pytest.importorskip("torch")
    drawn, at_start = [], []
    real = decay.MLP
    monkeypatch.setattr(decay, "MLP", lambda *a: drawn.append(a) or real(*a))

    def timed(calls, rounds):
        at_start.append(len(drawn))
        for call in calls.values():
            first, second = call(), call()
            assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
        return dict.fromkeys(calls, 1.0)

    monkeypatch.setattr(decay, "interleaved", timed)
    (some,) = decay.cells(["tanh"], quick=True)
    rows = decay.measure(some, ["torch"], rounds=1)
    assert [row.contestant for row in rows] == ["fastgrad", "torch"]
    assert at_start == [6]
    assert len(drawn) == 6


def test_a_wrong_measurement_of_decay_is_said_and_not_timed(monkeypatch):
    def wrong(networks, X, y):
        honest = decay.in_fastgrad(networks, X, y)
        return lambda: [((delta, dweight + 0.01, signal), slope) for (delta, dweight, signal), slope in honest()]

    monkeypatch.setitem(decay.PEERS, "wrong", wrong)
    (some,) = decay.cells(["relu"], quick=True)
    _, row = decay.measure(some, ["wrong"], rounds=1)
    assert row.difference == pytest.approx(10**0.01 - 1, rel=1e-3)
    assert row.seconds is None


def test_decay_command():
    done = run("decay", "--quick", "-a", "relu", "--rounds", "1", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"][0]["operation"] == "relu"
