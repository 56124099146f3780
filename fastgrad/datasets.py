"""Small data to measure gradients on: real images that come with scikit-learn, and noise."""

import numpy as np

from fastgrad._errors import unknown

DATASETS = ("digits", "normal")


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of the named data set, ready to be fed to a network.

    Parameters
    ----------
    name : str
        ``"digits"``: the 1797 images of 8 x 8 pixels of handwritten digits that scikit-learn carries in its
        wheel (the test half of Optdigits, Alpaydin & Kaynak 1998); nothing is downloaded. Each pixel is
        standardised to mean 0 and variance 1 over the 1797 images; the three pixels that are constant stay 0.
        ``"normal"``: 2048 rows of 64 standard normal features with random labels, the same on every call.

    Returns
    -------
    X : float64 array of shape (rows, 64)
    y : int64 array of shape (rows,), values 0 to 9

    Raises
    ------
    ValueError
        If there is no data set of that name.
    ImportError
        If ``"digits"`` is asked for and scikit-learn is not installed.
    """
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    return _digits() if name == "digits" else _normal()


def _digits():
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("the data set 'digits' needs scikit-learn: pip install 'fastgrad[cli]'") from error
    X, y = load_digits(return_X_y=True)
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return X, y.astype(np.int64)


def _normal():
    rng = np.random.default_rng(0)
    return rng.standard_normal((2048, 64)), rng.integers(0, 10, size=2048)
