"""The cost of entry points: each computes the same before it is timed, and the tables say what was measured."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from test_cli import refused

import fastgrad
from benchmarks.studies import entry_points
from benchmarks.studies.entry_points import Row

ROWS = [
    *(Row("entry point", "ctypes", name, 1.1e-6, "direct", 1e-6) for name in fastgrad.ACTIVATIONS),
    Row("njit loop", "float32", "tanh", 1e-5, "math.tanh", 2e-5),
    Row("torch", "forward and backward", "ReLU", 4e-5, "nn.ReLU", 3e-5),
    Row("watch", "a step, one in 20 measured", "mlp", 1.02e-3, "not watched", 1e-3),
]


def call(*arguments):
    return CliRunner().invoke(entry_points.main, arguments)


@pytest.mark.parametrize("name", ["tanh", "elu"])
def test_every_entry_point_writes_the_same_bits(name):
    z, y, calls = entry_points.entry_points(name, 100)
    true = fastgrad.elu(z, 0.5) if name == "elu" else fastgrad.tanh(z)
    for way, run in calls.items():
        y.fill(np.nan)
        result = run()
        got = y if result is None or np.ndim(result) == 0 else np.asarray(result)
        np.testing.assert_array_equal(got, true, err_msg=way)


def test_the_command_prints_three_tables(monkeypatch):
    monkeypatch.setattr(entry_points, "measure", lambda size, rounds: iter(ROWS))
    result = call()
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "ctypes +10.0 +10.0 +10.0 +10.0 +10.0" in text
    assert "njit loop float32 tanh 10.0 math.tanh 2.00" in text
    assert "torch forward and backward ReLU 40.0 nn.ReLU 0.75" in text
    assert "mlp a step, one in 20 measured +2.0" in text
    assert max(map(len, result.stdout.splitlines())) <= 100
    rows = json.loads(call("--json").stdout)["rows"]
    assert rows[0]["activation"] == "sigmoid"
    assert len(rows) == len(ROWS)


def test_wrong_options():
    refused(call("--size", "0"), "--size")
    refused(call("--rounds", "many"), "--rounds")
