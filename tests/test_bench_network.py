"""The comparison of whole networks: what is equal is timed, what is not is said, wrong calls get one line."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fastgrad.bench import network, network_peers
from fastgrad.bench.compare import Row
from fastgrad.cli import commands

NETWORKS = network.network_comparison()
SMALL = network.NetworkCase(2, 8, 4, "gradients")


def run(*arguments):
    return CliRunner().invoke(commands, ["speed", "network", *arguments])


@pytest.mark.parametrize("operation", network.OPERATIONS)
def test_every_installed_peer_agrees_and_is_timed(operation):
    contestants = NETWORKS.contestants()
    rows = network.time_network(SMALL._replace(operation=operation), contestants, rounds=1)
    assert [row.contestant for row in rows] == ["fastgrad", *contestants]
    assert [row.difference for row in rows] == [None] * len(rows)
    assert rows[0].ratio == 1
    assert all(row.seconds > 0 and row.figures["percent_of_limit"] > 0 for row in rows)


@pytest.mark.parametrize("contestant", ["numpy", "torch", "jax"])
def test_a_peer_gives_all_that_ours_gives(contestant):
    """The loss, and dL/dW and dL/db of every layer in the shapes of ours."""
    if contestant not in NETWORKS.contestants():
        pytest.skip(f"{contestant} is not installed")
    (loss, ours), (theirs_loss, theirs) = (network._call(SMALL, name)() for name in ("fastgrad", contestant))
    assert float(theirs_loss) == pytest.approx(loss, rel=1e-5)
    for mine, other in zip(ours, theirs, strict=True):
        assert [np.shape(array) for array in mine] == [np.shape(array) for array in other]


def test_numpy_computes_in_float32():
    """As its users do; our float64 yardstick of that name is no contestant."""
    _, gradients = network._call(SMALL, "numpy")()
    assert {array.dtype for pair in gradients for array in pair} == {np.dtype(np.float32)}


SABOTEURS = {
    "weights of another size": lambda loss, pairs: (loss, [(w * 1.001, b) for w, b in pairs]),
    "biases of another size": lambda loss, pairs: (loss, [(w, b * 1.001) for w, b in pairs]),
    "one layer's biases": lambda loss, pairs: (loss, [(pairs[0][0], -pairs[0][1]), *pairs[1:]]),
    "no biases": lambda loss, pairs: (loss, [(w, 0 * b) for w, b in pairs]),
    "the sign, which no norm sees": lambda loss, pairs: (loss, [(-w, b) for w, b in pairs]),
    "the order of units, which no norm sees": lambda loss, pairs: (loss, [(w[::-1], b[::-1]) for w, b in pairs]),
    "the loss": lambda loss, pairs: (1.001 * loss, pairs),
    "NaN": lambda loss, pairs: (loss, [(w * np.nan, b) for w, b in pairs]),
}


@pytest.mark.parametrize("saboteur", SABOTEURS)
def test_wrong_gradients_are_said_and_not_timed(saboteur, monkeypatch):
    def wrong(net, X, y, operation):
        honest = network_peers.fastgrad(net, X, y, operation)
        return lambda: SABOTEURS[saboteur](*honest())

    monkeypatch.setitem(network.PEERS, "wrong", wrong)
    _, row = network.time_network(SMALL, ["wrong"], rounds=1)
    assert row.seconds is None
    assert not row.difference < 0.99e-3
    assert "wrong differs" in NETWORKS.verdict([row])[0]


def test_what_a_peer_does_not_offer_has_no_row(monkeypatch):
    monkeypatch.setitem(network.PEERS, "gradients only", lambda *_: None)
    (row,) = network.time_network(SMALL._replace(operation="profile"), ["gradients only"], rounds=1)
    assert row.contestant == "fastgrad"


def test_a_wrong_delta_is_said_and_not_timed(monkeypatch):
    def wrong(net, X, y, operation):
        honest = network_peers.fastgrad(net, X, y, operation)
        return lambda: [honest()[0] + 0.001, honest()[1]]

    monkeypatch.setitem(network.PEERS, "wrong", wrong)
    _, row = network.time_network(SMALL._replace(operation="profile"), ["wrong"], rounds=1)
    assert row.difference == pytest.approx(10**0.001 - 1, rel=1e-3)
    assert row.seconds is None


def test_the_memory_of_each_contestant_has_a_table_of_its_own_if_it_was_measured():
    def row(contestant, **more):
        return Row(
            SMALL, contestant, None, 1e-6, 1.0, {"gflops": 1.0, "limit": "peak", "percent_of_limit": 5.0, **more}
        )

    rows = [row("fastgrad", megabytes=1.234), row("numpy", megabytes=20.0), Row(SMALL, "jax", 0.5)]
    _, memory = NETWORKS.tables(rows)
    assert memory.columns == ("depth", "width", "batch", "operation", "fastgrad", "numpy", "jax")
    assert memory.groups[""] == [("2", "8", "4", "gradients", "1.23", "20", "")]
    assert len(NETWORKS.tables([row("fastgrad")])) == 1


def test_command():
    result = run("--network", "2,8,4", "--peer", "numpy", "--rounds", "1")
    assert result.exit_code == 0, result.output
    assert "Ours is slower in" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    data = json.loads(run("--network", "2,8,4", "--peer", "numpy", "--rounds", "1", "--json").stdout)
    assert {row["operation"] for row in data["rows"]} == {"gradients", "profile"}
    assert "| 2 | 8 | 4 |" in run("--network", "2,8,4", "--peer", "numpy", "--rounds", "1", "--markdown").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--network", "2,8"], "--network must be 3 whole numbers as in 50,64,32, got '2,8'"),
        (["--network", "a,b,c"], "--network must be 3 whole numbers"),
        (["--network", "0,8,4"], "depth must be at least 1, got 0"),
        (["--operation", "gradient"], "unknown operation 'gradient'; did you mean 'gradients'"),
        (["--peer", "trch"], "unknown peer 'trch'; did you mean 'torch'"),
        (["--peer", "numexpr"], "unknown peer 'numexpr'"),
        (["--rounds", "0"], "rounds"),
    ],
)
def test_wrong_calls(arguments, says):
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
