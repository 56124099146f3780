"""The comparison of whole networks: what is equal is timed, what is not is said, wrong calls get one line."""

import json

import pytest
from click.testing import CliRunner

from fastgrad.bench import network, tables
from fastgrad.cli import commands

SMALL = network.Case(2, 8, 4, "gradients")


def run(*arguments):
    return CliRunner().invoke(commands, ["speed", "network", *arguments])


@pytest.mark.parametrize("operation", network.OPERATIONS)
def test_every_installed_peer_agrees_and_is_timed(operation):
    contestants = network.installed()
    rows = network.measure(SMALL._replace(operation=operation), contestants, rounds=1)
    assert [row.contestant for row in rows] == ["fastgrad", *contestants]
    assert [row.difference for row in rows] == [None] * len(rows)
    assert rows[0].ratio == 1
    assert all(row.seconds > 0 and 0 < row.percent_of_peak < 100 for row in rows)


def test_a_wrong_gradient_is_said_and_not_timed(monkeypatch):
    def wrong(net, X, y, operation):
        honest = network.fastgrad(net, X, y, operation)
        return lambda: [(weight * 1.001, bias) for weight, bias in honest()]

    monkeypatch.setitem(network.PEERS, "wrong", wrong)
    _, row = network.measure(SMALL, ["wrong"], rounds=1)
    assert row.difference == pytest.approx(1e-3, rel=1e-3)
    assert row.seconds is None
    assert "wrong differs" in tables.network_verdict([row])[0]


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
