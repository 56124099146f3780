"""The comparison of dense layers and initial weights: what is equal is timed, what is not is said."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fastgrad.bench import compare, decay, network, parts
from fastgrad.cli import commands

SMALL = [*parts.dense_cases([(5, 8, 6)]), *parts.weights_cases([(200, 300)])]


def run(*arguments):
    return CliRunner().invoke(commands, ["speed", *arguments])


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case[0])
def test_every_installed_peer_agrees_and_is_timed(case):
    comparison = parts.DENSE if isinstance(case, parts.DenseCase) else parts.WEIGHTS
    contestants = comparison.contestants()
    rows = comparison.measure(case, contestants, rounds=1)
    assert [row.contestant for row in rows] == ["fastgrad", *contestants]
    assert [row.difference for row in rows] == [None] * len(rows)
    assert rows[0].ratio == 1
    count = 5 * 6 if comparison is parts.DENSE else 200 * 300
    assert rows[0].figures["ns_each"] == pytest.approx(rows[0].seconds / count * 1e9)


def test_a_wrong_layer_is_said_and_not_timed(monkeypatch):
    def wrong(x, weight, bias, dy):
        honest = parts.dense_numpy(x, weight, bias, dy)["backward"]
        return {"backward": lambda: [a * 1.001 for a in honest()]}

    monkeypatch.setitem(parts.DENSE_PEERS, "wrong", wrong)
    _, row = parts.time_dense(parts.DenseCase("backward", 5, 8, 6), ["wrong"], rounds=1)
    assert row.difference == pytest.approx(1e-3, rel=0.01)
    assert row.seconds is None
    assert parts.DENSE.verdict([row]) == [
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
        (["initializers", "--rule", "he_norml"], "unknown rule 'he_norml'; did you mean 'he_normal'?"),
        (["decay", "-a", "rleu"], "unknown activation 'rleu'; did you mean 'relu'?"),
        (["initializers", "--peer", "tourch"], "unknown peer 'tourch'; did you mean 'torch'?"),
    ],
)
def test_wrong_calls(arguments, message):
    done = CliRunner().invoke(commands, ["speed", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr


def test_memory_of_a_pass():
    kept = network.pass_megabytes(network.NetworkCase(40, 256, 256, "profile"), "fastgrad")
    activations = 2 * 40 * 256 * 256 * 4 / 1e6
    assert activations * 0.9 <= kept <= activations * 1.3


def test_decay_in_torch_finds_our_slopes():
    pytest.importorskip("torch")
    for case in decay.decay_cases(["tanh", "leaky_relu"], quick=True):
        ours, theirs = decay.time_decay(case, ["torch"], rounds=1)
        assert theirs.difference is None
        assert ours.ratio == 1
        assert ours.figures["ns_each"] == pytest.approx(ours.seconds / 6 * 1e9)


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

    monkeypatch.setattr(compare, "interleaved", timed)
    (case,) = decay.decay_cases(["tanh"], quick=True)
    rows = decay.time_decay(case, ["torch"], rounds=1)
    assert [row.contestant for row in rows] == ["fastgrad", "torch"]
    assert at_start == [6]
    assert len(drawn) == 6


def test_a_wrong_measurement_of_decay_is_said_and_not_timed(monkeypatch):
    def wrong(networks, X, y):
        honest = decay.in_fastgrad(networks, X, y)
        return lambda: [((delta, dweight + 0.01, signal), slope) for (delta, dweight, signal), slope in honest()]

    monkeypatch.setitem(decay.PEERS, "wrong", wrong)
    (case,) = decay.decay_cases(["relu"], quick=True)
    _, row = decay.time_decay(case, ["wrong"], rounds=1)
    assert row.difference == pytest.approx(10**0.01 - 1, rel=1e-3)
    assert row.seconds is None


def test_decay_command():
    done = run("decay", "--quick", "-a", "relu", "--rounds", "1", "--json")
    assert done.exit_code == 0
    row = json.loads(done.stdout)["rows"][0]
    assert [row[name] for name in ("activation", "inits", "depth", "width", "batch", "seeds")] == [
        "relu",
        3,
        10,
        32,
        32,
        2,
    ]
