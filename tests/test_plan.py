"""Plans: axes from lists and TOML, their number and their time, and every wrong axis."""

import itertools
import math

import numpy as np
import pytest

from fastgrad.sweeps import plan, study

SMALL = {"data": "normal", "width": 8, "batch": 4, "depth": [2, 3]}


def test_a_grid_is_the_product_of_its_axes_once():
    grid = plan.grid(activation=["tanh", "relu", "tanh"], gain=[1, 2.0], init="xavier_normal", seeds=[3, 4], **SMALL)
    cells = list(grid)
    assert len(grid) == len(cells) == len(set(cells)) == 2 * 2 * 2
    found = {(c.activation.name, c.init.options["gain"], c.depth) for c in cells}
    assert found == set(itertools.product(("tanh", "relu"), (1.0, 2.0), (2, 3)))
    assert {c.seeds for c in cells} == {(3, 4)}


def test_options_go_to_those_who_take_them():
    grid = plan.grid(activation=["elu", "tanh"], alpha=[0.5, 1], init=["normal", "he_normal"], std=0.1, **SMALL)
    found = {(c.activation.label, c.init_label) for c in grid}
    assert found == set(itertools.product(("elu(alpha=0.5)", "elu(alpha=1)", "tanh"), ("normal(std=0.1)", "he_normal")))


def test_numbers_evenly_spaced():
    grid = plan.grid(
        gain={"start": 1, "stop": 2, "num": 5}, init="xavier_normal", depth={"start": 2, "stop": 6, "num": 3}
    )
    assert [rule.options["gain"] for rule in grid.axes["init"]] == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert grid.axes["depth"] == (2, 4, 6)


@pytest.mark.parametrize(
    ("seeds", "cells"),
    [(2, [(0, 1)]), ([5, 7], [(5, 7)]), ([[0], [1, 2]], [(0,), (1, 2)]), (np.arange(2), [(0, 1)])],
)
def test_seeds_are_a_number_a_list_or_a_list_of_lists(seeds, cells):
    assert list(plan.grid(seeds=seeds).axes["seeds"]) == cells


def test_time_from_the_axes_is_the_sum_over_the_cells():
    grid = plan.grid(width=[4, 32], batch=[2, 64], depth=[1, 9], seeds=[[0], [1, 2]], data="normal")
    assert abs(math.fsum(map(plan.seconds, grid)) / grid.seconds() - 1) <= 1e-12


def test_a_file_may_have_several_grids(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        'data = "normal"\nwidth = 8\nbatch = 4\n'
        '[[grid]]\nactivation = "tanh"\n[[grid]]\nactivation = "relu"\nwidth = 9\n'
    )
    first, second = plan.read(path)
    assert (first.axes["width"], second.axes["width"]) == ((8,), (9,))
    assert [phi.name for phi in second.axes["activation"]] == ["relu"]
    path.write_text("depth = [1, 2]\n")
    assert [grid.axes["depth"] for grid in plan.read(path)] == [(1, 2)]


def test_a_plan_as_data_says_every_axis_exactly():
    grid = plan.grid(gain=[1 / 3], init="xavier_normal", alpha=1 / 7, activation="elu")
    data = grid.to_dict()
    assert data["init"] == [["xavier_normal", {"gain": 1 / 3}]]
    assert data["activation"] == [["elu", 1 / 7]]
    assert set(data) == set(plan.AXES)


HOSTILE = [
    ("depht = [1]", ValueError, "unknown axis 'depht'; did you mean 'depth'"),
    ("gain = [1.0, nan]", ValueError, "gain must be finite, got nan"),
    ("bias_std = [nan]", ValueError, "bias_std must be finite, got nan"),
    ("bias_std = -1", ValueError, "bias_std must be at least 0, got -1"),
    ("bias_std = 'x'", TypeError, "bias_std must be a real number, got 'x'"),
    ("depth = [5, 0]", ValueError, "depth must be at least 1, got 0"),
    ("depth = 2.5", TypeError, "depth must be an integer, got 2.5"),
    ("depth = []", ValueError, "depth must have at least one value, got none"),
    ("activation = 'rleu'", ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
    ("activation = '<b>tanh</b>'", ValueError, "unknown activation '<b>tanh</b>'"),
    ("init = 'he_normal'\ngain = 2.0", ValueError, "gain does not apply to he_normal"),
    ("alpha = nan", ValueError, "alpha must be between 0 and 2**100, got nan"),
    ("seeds = []", ValueError, "seeds must have at least one value"),
    ("seeds = [1, 1]", ValueError, "seeds must differ, but 1 is there twice"),
    ("seeds = -1", ValueError, "seeds must be at least 1, got -1"),
    ("gain = {start = 0.0}", ValueError, "gain as a table takes start, stop and num, got start"),
    ("gain = {start = 1.0, stop = inf, num = 3}", ValueError, "gain: stop must be a finite number, got inf"),
    ("gain = {start = 1.0, stop = 2.0, num = 10000000}", ValueError, "gain: num must be at most 100,000"),
    ("batch = 5000", ValueError, "batch must be at most the 1797 rows of 'digits', got 5000"),
    ("batch = [4, 2000, 16]", ValueError, "batch must be at most the 1797 rows of 'digits', got 2000"),
    ("data = ['normal', 'digits']\nbatch = [4, 2000]", ValueError, "the 1797 rows of 'digits', got 2000"),
    ("data = 'mnist'", ValueError, "unknown data set 'mnist'"),
    ("grid = 3", TypeError, "grid must be tables, [[grid]]"),
    ("grid = []", ValueError, "the plan has no grid"),
    ("depth = ", ValueError, "is not TOML"),
]


@pytest.mark.parametrize(("text", "error", "message"), HOSTILE, ids=[row[0] for row in HOSTILE])
def test_hostile_plans_get_one_sentence(text, error, message, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(error) as found:
        plan.read(path)
    assert message in str(found.value)
    assert "\n" not in str(found.value)


def test_too_many_cells_are_refused_with_their_number_and_time():
    many = {"start": 1, "stop": 10_000, "num": 10_000}
    axes = {
        "activation": ["tanh"],
        "init": "he_normal",
        "depth": many,
        "width": many,
        "seeds": [[i] for i in range(10_000)],
    }
    with pytest.raises(
        ValueError, match=r"1,000,000,000,000 cells, about [\d,]+ years on one core; at most 100,000,000"
    ):
        plan.read(axes)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        plan.read(tmp_path / "none.toml")


def test_defaults_are_cells_of_a_study():
    assert next(iter(plan.grid())) == study.Cell("sigmoid", "xavier_normal", 20)
