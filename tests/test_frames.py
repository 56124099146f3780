"""Stores as tables: pandas, xarray, Parquet, CSV and netCDF say what the store says."""

import csv
import math
import sys

import numpy as np
import pytest

import fastgrad
from fastgrad import machine
from fastgrad.sweeps import frames
from fastgrad.sweeps.rows import ARRAYS, StoreError
from fastgrad.sweeps.store import Store

COMMON = {"activation": ["tanh", "elu"], "depth": [1, 3], "width": 8, "batch": 4, "data": "normal", "seeds": [[3, 4]]}
AXES = [
    {**COMMON, "init": "normal", "std": [0.0, 0.1]},
    {**COMMON, "init": "xavier_normal", "bias_std": [None, 0.5]},
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "a.db"
    fastgrad.sweep(path, AXES, workers=1)
    return path


@pytest.fixture(scope="module")
def results(path):
    with Store(path) as store:
        return list(store.results())


def test_the_frame_has_a_row_for_every_cell(path, results):
    frame = pytest.importorskip("pandas") and fastgrad.load(path).frame
    assert len(frame) == len(results) == 16
    for row, result in zip(frame.itertuples(), results, strict=True):
        assert (row.activation, row.init_label, row.depth) == (
            result.cell.activation.name,
            result.cell.init_label,
            result.cell.depth,
        )
        assert row.seeds == "3 4"
        assert repr(float(row.decades_per_layer)) == repr(result.decades_per_layer)
        assert row.weight_variance == result.cell.weight_variance
        assert row.bias_variance == result.cell.bias_variance
    assert set(frame["flush_to_zero"]) == {"off"}
    assert set(frame["code"]) == {machine.code()}


def test_the_dataset_has_the_layers(path, results):
    pytest.importorskip("xarray")
    dataset = fastgrad.load(path).dataset
    assert dict(dataset.sizes) == {"cell": 16, "layer": 4}
    assert dataset["layer"].values.tolist() == [1, 2, 3, 4]
    for name in ARRAYS:
        for values, result in zip(dataset[name].values, results, strict=True):
            array = np.array(getattr(result, name))
            assert np.array_equal(values[: len(array)], array, equal_nan=True)
            assert np.isnan(values[len(array) :]).all()
    assert "depth" in dataset.coords
    assert dataset.where(dataset.depth == 3, drop=True).sizes["cell"] == 8


def test_csv(path, results, tmp_path):
    assert frames.export([path], tmp_path / "a.csv") == 16
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == [result.verdict for result in results]
    lost = [float(row["decades_lost"]) for row in rows]
    assert all(a == r.decades_lost or math.isnan(r.decades_lost) for a, r in zip(lost, results, strict=True))
    assert not list(tmp_path.glob("*.partial"))


def test_parquet(path, results, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert frames.export([path], tmp_path / "a.parquet") == 16
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == [*frames._columns(), *ARRAYS]
    for name in ARRAYS:
        for values, result in zip(table[name].to_pylist(), results, strict=True):
            assert np.array_equal(values, getattr(result, name), equal_nan=True)
    assert table["float32_zero_layer"].to_pylist() == [result.float32_zero_layer for result in results]
    assert table["bias_std"].to_pylist() == [result.cell.bias_std for result in results]


def test_netcdf(path, results, tmp_path):
    xarray = pytest.importorskip("xarray")
    assert frames.export([path], tmp_path / "a.nc") == 16
    with xarray.open_dataset(tmp_path / "a.nc") as dataset:
        for values, result in zip(dataset["log10_delta"].values, results, strict=True):
            assert np.array_equal(values[: len(result.log10_delta)], result.log10_delta, equal_nan=True)
        assert dataset["verdict"].values.tolist() == [result.verdict for result in results]


def test_several_stores_are_one_table(path, tmp_path):
    pytest.importorskip("pandas")
    fastgrad.sweep(tmp_path / "b.db", [{**axes, "seeds": [[7]]} for axes in AXES], workers=1)
    frame = fastgrad.load(path, tmp_path / "b.db").frame
    assert len(frame) == 32
    assert set(frame["seeds"]) == {"3 4", "7"}


def test_stores_of_different_code_are_not_mixed(path, tmp_path):
    fastgrad.sweep(tmp_path / "b.db", [{**axes, "seeds": [[7]]} for axes in AXES], workers=1)
    with Store(tmp_path / "b.db", writable=True) as store:
        store._db.execute("UPDATE facts SET value = '0.0+other' WHERE name = 'code'")
    with pytest.raises(ValueError, match="were measured by different code"):
        fastgrad.load(path, tmp_path / "b.db")


def test_wrong_calls_and_files_leave_what_was_there(path, tmp_path):
    out = tmp_path / "a.csv"
    out.write_text("mine")
    with pytest.raises(TypeError, match="load needs the path of a store"):
        fastgrad.load()
    with pytest.raises(StoreError, match="there is no store"):
        frames.export([tmp_path / "none.db"], out)
    with pytest.raises(ValueError, match=r"must end in .parquet, .csv, .nc, or say the format, got 'a.txt'"):
        frames.export([path], tmp_path / "a.txt")
    with pytest.raises(ValueError, match="unknown format 'cvs'; did you mean 'csv'"):
        frames.export([path], out, "cvs")
    assert out.read_text() == "mine"


@pytest.mark.parametrize(("package", "ending"), [("pyarrow", "parquet"), ("xarray", "nc")])
def test_a_missing_package_is_named(package, ending, path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"this needs {package}: pip install 'fastgrad\[sweep\]'"):
        frames.export([path], tmp_path / f"a.{ending}")


def test_a_sweep_without_a_path_is_in_memory(tmp_path):
    found = fastgrad.sweep(activation=["tanh", "sigmoid"], depth=[2, 3], width=8, batch=8, data="normal", seeds=2)
    assert repr(found) == "<Sweep of 12 cells>"
    assert len(found.frame) == len(found.results) == 12
    (folder,) = {path.parent for path in found._paths}
    assert found.report(tmp_path / "report").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {axes.get_title(loc="left") for axes in found.plot().axes} >= {"tanh", "sigmoid"}
    elsewhere = frames.load(found._paths[0])
    del found
    assert not folder.exists()
    assert repr(elsewhere) == "<Sweep of 1 stores that cannot be read>"
    with pytest.raises(ValueError, match="unknown activation"):
        fastgrad.sweep(activation="tahn", depth=2)
