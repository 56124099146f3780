"""The grid and its cells: definitions, measurements, theory, and what a folder keeps of them."""

import copy
import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from fastgrad import datasets, machine, measurement, theory
from fastgrad.activations import activation
from fastgrad.diagnosis import VERDICTS
from fastgrad.initializers import initializer
from fastgrad.report import findings
from fastgrad.sweeps import networks, remedies, store, study
from fastgrad.sweeps import run as sweeps
from fastgrad.sweeps.store import Store

SMALL = {"width": 16, "batch": 8, "seeds": (0, 1, 2), "data": "normal"}


def small_grid(activations=("tanh", "relu"), inits=("xavier_normal",), depths=(2, 4), **changes):
    return study.grid(activations, inits, depths, **{**SMALL, **changes})


def test_grid_is_every_combination_once():
    cells = small_grid(("tanh", "relu", "tanh"), ("he_normal", "kaiming_normal"), (2, 3))
    assert [(cell.activation.name, cell.init.name, cell.depth) for cell in cells] == [
        ("tanh", "he_normal", 2),
        ("tanh", "he_normal", 3),
        ("relu", "he_normal", 2),
        ("relu", "he_normal", 3),
    ]


def test_a_cell_holds_records_and_names_become_records():
    phi, rule = activation("elu", alpha=0.5), initializer("xavier_normal", gain=2)
    (cell,) = study.grid([phi], [rule], [3])
    assert (cell.activation, cell.init) == (phi, rule)
    assert cell.label == "elu(alpha=0.5) + xavier_normal(gain=2)"
    named = study.Cell("elu", "he_normal", 2)
    same = study.Cell(activation("elu", alpha=1), initializer("kaiming_normal", mode="fan_in"), 2)
    assert (named, hash(named)) == (same, hash(same))
    assert named != replace(named, init=initializer("he_normal", mode="fan_out"))
    assert pickle.loads(pickle.dumps(cell)) == copy.deepcopy(cell) == cell


def test_only_its_columns_are_plain():
    """Flat, in today's order, and back."""
    cell = study.Cell(
        activation("elu", alpha=0.5), initializer("he_normal", mode="fan_out"), 3, seeds=[2, 1], bias_std=0
    )
    columns = cell.to_dict()
    assert columns == {
        "activation": "elu", "init": "he_normal", "depth": 3, "width": 128, "batch": 128, "data": "digits",
        "dtype": "float32", "backend": "compiled", "seeds": [2, 1], "parameter": 0.5,
        "init_options": [["mode", "fan_out"], ["negative_slope", 0.0]], "bias_std": 0.0,
    }  # fmt: skip
    assert study.Cell.from_dict(json.loads(json.dumps(columns, allow_nan=False))) == cell


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"activation": "rleu"}, ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
        (
            {"init": "xavier_norml"},
            ValueError,
            "unknown initializer 'xavier_norml'; did you mean 'xavier_normal'",
        ),
        ({"depth": 0}, ValueError, "depth must be at least 1, got 0"),
        ({"depth": 2.0}, TypeError, "depth must be an integer, got 2.0"),
        ({"width": -1}, ValueError, "width must be at least 1, got -1"),
        ({"batch": 0}, ValueError, "batch must be at least 1, got 0"),
        ({"seeds": ()}, ValueError, "seeds must name at least one"),
        ({"data": "mnist"}, ValueError, "unknown data set 'mnist'"),
        ({"dtype": "float16"}, ValueError, "unknown dtype 'float16'; did you mean 'float"),
        ({"backend": "torch"}, ValueError, "unknown backend 'torch'"),
    ],
)
def test_bad_definitions_name_what_is_wrong(changes, error, message):
    good = study.Cell("tanh", "xavier_normal", 2)
    with pytest.raises(error, match=message):
        replace(good, **changes)


def test_measured_cell_is_what_decay_and_theory_say():
    (cell,) = small_grid(("tanh",), depths=(4,))
    result = study.measure_cell(cell)
    X, y = (array[:8] for array in datasets.load("normal"))
    measured = measurement.measure("tanh", "xavier_normal", 4, 16, X, y, seeds=(0, 1, 2), n_out=10)
    predicted = theory.predict("tanh", "xavier_normal", [64, 16, 16, 16, 16, 10], X)
    assert result.log10_delta == tuple(measured.log10_delta)
    assert result.decades_per_layer == measured.decades_per_layer
    assert result.log10_delta_ratio[-1] == 0.0
    difference = measured.log10_delta - measured.log10_delta[-1]
    assert np.abs(np.array(result.log10_delta_ratio) - difference).max() <= 1e-13
    assert abs(result.predicted_decades_per_layer / predicted.decades_per_layer - 1) <= 1e-12
    interval = (result.log10_delta_ratio_low, result.log10_delta_ratio, result.log10_delta_ratio_high)
    assert all(low < mid < high for low, mid, high in list(zip(*interval, strict=True))[:-1])
    bands = [*predicted.mean_band(3), predicted.decades_per_layer_band(3)]  # of a mean over the three seeds
    slope_band = (result.predicted_decades_per_layer_low, result.predicted_decades_per_layer_high)
    for ours, theirs in zip((result.predicted_low, result.predicted_high, slope_band), bands, strict=True):
        assert np.abs(np.subtract(ours, theirs)).max() <= 1e-12
    assert result.verdict in VERDICTS
    assert 1 <= result.verdict_seeds <= 3
    assert result.evidence


def remedied(results):
    return remedies.diagnoses(results, map(study.measure_cell, remedies.needed(results)))


def test_a_remedy_says_what_was_measured_and_what_theory_says():
    (cell,) = study.grid(["relu"], ["torch_linear"], [12], **SMALL)
    ((_, found),) = remedied([study.measure_cell(cell)])
    he = {cause.change: cause for cause in found.causes}["he_normal"]
    X = datasets.load("normal")[0][:8]
    predicted = theory.predict("relu", "he_normal", [64, *[16] * 12, 10], X)
    measured = study.measure_cell(replace(cell, init="he_normal"))
    assert abs(he.predicted_after - predicted.decades_lost) <= 1e-12
    assert he.decades_lost_after == measured.decades_lost != he.predicted_after


def test_whatever_is_not_healthy_has_a_remedy():
    cells = study.grid(["relu"], ["he_normal", initializer("normal", std=1.0)], [12], **SMALL)
    healthy, ill = map(study.measure_cell, cells)
    assert (healthy.verdict, ill.verdict) == ("healthy", "exploding")
    ((result, found),) = remedied([healthy, ill])
    assert result is ill
    assert found.verdict == "exploding"
    assert found.remedy.change == "he_normal"


def test_one_seed_has_no_interval_and_one_layer_no_slope():
    (cell,) = small_grid(("relu",), depths=(1,), seeds=(0,))
    result = study.measure_cell(cell)
    assert result.log10_delta_ratio_high == (math.inf, math.inf)
    assert math.isnan(result.decades_per_layer)
    assert study.CellResult.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False))).cell == cell


@pytest.mark.parametrize("init", ["normal", "xavier_normal"])
def test_a_network_without_gradient_still_has_a_result(init):
    """Weights of 0 make delta exactly 0 below the output: logarithms of -inf, strict JSON all the same."""
    cells = study.grid(["relu"], [initializer("normal", std=0.0)], [3], **SMALL)
    (result,) = sweeps.run_study(cells)
    assert result.verdict != "healthy"
    text = json.dumps(result.to_dict(), allow_nan=False)
    again = study.CellResult.from_dict(json.loads(text))
    assert again.log10_delta == result.log10_delta
    assert again.to_dict() == result.to_dict()


def test_results_round_trip_through_json():
    for result in sweeps.run_study(small_grid()):
        assert study.CellResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_the_numbers_do_not_depend_on_workers():
    cells = small_grid()
    alone = {r.cell: replace(r, seconds=0.0) for r in sweeps.run_study(cells)}
    together = {r.cell: replace(r, seconds=0.0) for r in sweeps.run_study(cells, workers=3)}
    assert alone == together


def test_finished_cells_are_on_disk_at_once_and_not_measured_again(tmp_path, monkeypatch):
    cells = small_grid()
    stream = sweeps.run_study(cells, tmp_path)
    first = next(stream)
    stream.close()
    with Store(tmp_path / "cells.db") as file:
        assert file.get(first.cell) == first

    measured = []
    real = study.measure_cell
    monkeypatch.setattr(study, "measure_cell", lambda cell: measured.append(cell) or real(cell))
    seen = []
    results = list(sweeps.run_study(cells, tmp_path, progress=lambda result, reused: seen.append(reused)))
    assert first.cell not in measured
    assert {result.cell for result in results} == set(cells)
    assert sum(seen) == len(cells) - len(measured)
    assert first in results


def test_what_is_not_stored_is_not_encoded(tmp_path, monkeypatch):
    """Results went through columns in memory too, and each activation became a record again."""
    monkeypatch.setattr(store, "encode", lambda result: pytest.fail("encoded"))
    cells = small_grid()
    results = list(sweeps.run_study(cells, workers=2))
    assert {id(result.cell) for result in results} == {id(cell) for cell in cells}
    with pytest.raises(pytest.fail.Exception, match="encoded"):
        list(sweeps.run_study(cells, tmp_path))


@pytest.mark.parametrize("change", [{"depth": 3}, {"seeds": (0, 1)}, {"dtype": "float64"}, {"batch": 9}])
def test_a_changed_definition_is_measured_again(tmp_path, change):
    (cell,) = small_grid(("relu",), depths=(2,))
    list(sweeps.run_study([cell], tmp_path))
    reused = []
    list(sweeps.run_study([replace(cell, **change)], tmp_path, lambda result, was: reused.append(was)))
    assert reused == [False]


def test_another_version_is_measured_again_and_the_old_store_set_aside(tmp_path, monkeypatch):
    cells = small_grid(("relu",), depths=(2,))
    (old,) = sweeps.run_study(cells, tmp_path)
    code = machine.code()
    monkeypatch.setattr(machine, "code", lambda: "999.0+feed")
    reused = []
    list(sweeps.run_study(cells, tmp_path, lambda result, was: reused.append(was)))
    assert reused == [False]
    with Store(tmp_path / f"cells-{code}.db") as file:
        assert list(file.results()) == [old]


def test_bad_folders_fail_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "measure_cell", lambda cell: pytest.fail("measured"))
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "below"):
        with pytest.raises(OSError, match="file"):
            sweeps.run_study(small_grid(), out)
    assert file.read_text() == "mine"


def test_bad_batches_and_workers_fail_before_any_work(monkeypatch):
    monkeypatch.setattr(study, "measure_cell", lambda cell: pytest.fail("measured"))
    with pytest.raises(ValueError, match="batch must be at most the 2048 rows of 'normal', got 2049"):
        sweeps.run_study(small_grid(batch=2049))
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        sweeps.run_study(small_grid(), workers=0)


def test_deepest_and_headline():
    results = list(sweeps.run_study(small_grid(("sigmoid", "relu"), ("xavier_normal",), (3, 6))))
    assert [(r.cell.activation.name, r.cell.depth) for r in networks.deepest(results)] == [
        ("sigmoid", 6),
        ("relu", 6),
    ]
    text = findings.headline(results)
    (steepest,) = (r for r in results if (r.cell.activation.name, r.cell.depth) == ("sigmoid", 6))
    assert text.startswith(f"sigmoid + xavier_normal loses {steepest.decades_per_layer:.3f} decades")
    assert f"theory {steepest.predicted_decades_per_layer:.3f}" in text
    assert "Of 4 networks:" in text


def test_headline_of_growth_of_nothing_to_fit_and_of_all_lost():
    grown = small_grid(("relu",), [initializer("xavier_normal", gain=4)], (8,))
    text = findings.headline(list(sweeps.run_study(grown)))
    assert text.startswith("relu + xavier_normal(gain=4) gains 0.")
    assert text.endswith("Of 1 network: 1 exploding.")
    shallow = list(sweeps.run_study(small_grid(depths=(1,))))
    assert findings.headline(shallow) == "There is no slope of delta to fit. Of 2 networks: 2 healthy."
    lost = replace(shallow[0], decades_per_layer=math.inf)
    assert findings.headline([lost]).startswith("tanh + xavier_normal loses all of gradient per layer")


def test_cells_of_numpy_integers_are_plain_and_are_stored(tmp_path):
    """As from ``np.arange``: they used to be measured, and then JSON could not hold them."""
    options = {"width": np.int64(8), "batch": np.int64(4), "seeds": np.arange(2), "data": "normal"}
    (cell,) = study.grid(["relu"], ["he_normal"], np.array([2]), **options)
    assert cell == study.Cell("relu", "he_normal", 2, 8, 4, "normal", seeds=(0, 1))
    assert {type(n) for n in (cell.depth, cell.width, cell.batch, *cell.seeds)} == {int}
    assert [result.cell for result in sweeps.run_study([cell], tmp_path)] == [cell]


def test_a_network_at_its_minimum_has_no_ratio_and_warns_of_nothing():
    """One sample, outputs of 1e100: about one network in ten is right by that margin, and its delta is 0."""
    options = {"width": 8, "batch": 1, "data": "normal", "seeds": range(20)}
    result = study.measure_cell(study.Cell("leaky_relu", initializer("normal", std=1e6), 20, **options))
    assert math.isinf(result.log10_delta[-1])
    assert math.isnan(result.log10_delta_ratio[0])
    assert study.CellResult.from_dict(json.loads(json.dumps(result.to_dict()))).verdict == result.verdict
