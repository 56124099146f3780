"""Costs of a call and of a place in memory: all agree before they are timed, and the tables say what stands in them."""

import json
import platform

import numpy as np
import pytest
from test_cli import call, refused

import fastgrad
from fastgrad.bench import calls, compare, placement


@pytest.mark.parametrize("case", calls.call_cases(sizes=[1, 10]), ids=lambda case: "-".join(map(str, case)))
def test_all_agree_and_give_what_a_user_gets(case):
    contestants = calls.CALLS.contestants()
    rows = calls.time_call(case, contestants, 1)
    assert [row.contestant for row in rows] == ["fastgrad", "with derivative", *contestants]
    assert [row.difference for row in rows] == [None] * len(rows)
    x, there = np.linspace(-3, 3, case.size, dtype=np.float32), case.operation == "out="
    for make in (calls.ours, calls.with_derivative, calls.numpy):
        once = make(case.activation, x, there)
        assert (once() is once()) == there


@pytest.mark.parametrize("which", ["with derivative", "numpy"])
def test_a_wrong_call_is_told_and_not_timed(which, monkeypatch):
    def wrong(name, x, there):
        return lambda: fastgrad.tanh(x) * np.float32(1.001)

    monkeypatch.setattr(calls, "with_derivative", wrong if which == "with derivative" else calls.with_derivative)
    monkeypatch.setitem(calls.PEERS, "numpy", wrong if which == "numpy" else calls.numpy)
    rows = calls.time_call(calls.CallCase("out=", "tanh", 10), ["numpy"], 1)
    assert [row.contestant for row in rows if row.seconds is None] == [which]
    assert f"{which} differs: its tanh of 10 (out=) is off" in calls.CALLS.verdict(rows)[-1]


def test_the_derivative_is_no_comparison_that_is_lost(monkeypatch):
    times = {"fastgrad": 1e-6, "with derivative": 0.9e-6, "numpy": 2e-6}
    monkeypatch.setattr(compare, "interleaved", lambda calls, rounds: times)
    rows = calls.time_call(calls.CallCase("out=", "tanh", 10), ["numpy"], 1)
    assert calls.CALLS.verdict(rows) == ["Ours is slower in 0 of 1 comparisons."]
    (table,) = calls.CALLS.tables(rows)
    assert table.columns == ("activation", "size", "ns", "with derivative", "numpy")
    assert table.groups[""] == [("tanh", "10", "1000", "0.9 !", "2")]


@pytest.mark.parametrize("place", placement.PLACES)
def test_arrays_lie_where_it_is_said(place, monkeypatch):
    seen = []
    real = placement.placed
    monkeypatch.setattr(placement, "placed", lambda *a: seen.append(real(*a)) or seen[-1])
    placement._call(placement.PlacementCase("value and derivative", "tanh", 65_536), *placement.PLACES[place])()
    assert tuple(array.ctypes.data % 4096 for array in seen) == placement.PLACES[place]
    assert all(array.any() for array in seen)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator puts arrays elsewhere")
def test_numpys_large_arrays_lie_where_the_table_says():
    arrays = [np.empty(10**7, np.float32) for _ in range(3)]
    assert tuple(array.ctypes.data % 4096 for array in arrays) == placement.PLACES["numpy's"]


@pytest.mark.parametrize("case", placement.placement_cases(sizes=[1000]), ids=lambda case: "-".join(map(str, case)))
def test_a_result_does_not_depend_on_its_place(case):
    rows = placement.time_placement(case, [], 1)
    assert [row.contestant for row in rows] == list(placement.PLACES)
    assert [row.difference for row in rows] == [None] * len(rows)


def test_a_result_that_depends_on_its_place_is_told(monkeypatch):
    real = placement._call

    def wrong(case, *offsets):
        return lambda: [array * (1 + (offsets[0] == 16)) for array in real(case, *offsets)()]

    monkeypatch.setattr(placement, "_call", wrong)
    rows = placement.time_placement(placement.PlacementCase("value", "relu", 100), [], 1)
    (said,) = placement.PLACEMENT.verdict(rows)
    assert said.startswith("numpy's differs: its value of relu (100) is off")


def test_commands():
    for command, columns in (
        (("calls", "--size", "10", "--peer", "numpy"), "ns with derivative numpy"),
        (("placement", "--size", "100"), "ns spread numpy's"),
    ):
        result = call("speed", *command, "--rounds", "1")
        assert result.exit_code == 0, result.output
        assert columns in " ".join(result.stdout.split())
        assert max(map(len, result.stdout.splitlines())) <= 100
    result = call("speed", "placement", "-a", "elu", "--size", "100", "--rounds", "1", "--json")
    found = [(row["activation"], row["contestant"]) for row in json.loads(result.stdout)["rows"]]
    assert found == [("elu", place) for place in placement.PLACES] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("calls", "-a", "tahn"), "unknown activation 'tahn'; did you mean 'tanh'"),
        (("calls", "--operation", "out"), "unknown operation 'out'; did you mean 'out='"),
        (("calls", "--peer", "jax"), "unknown peer 'jax'"),
        (("placement", "-a", "rleu"), "unknown activation 'rleu'; did you mean 'relu'"),
        (("placement", "--operation", "valu"), "unknown operation 'valu'; did you mean 'value'"),
        (("placement", "--size", "0"), "'--size': 0"),
    ],
)
def test_wrong_calls(arguments, message):
    refused(call("speed", *arguments), message)
