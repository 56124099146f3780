"""A pytest plugin: scikit-learn's own tests of its MLPs, run on ours; see test_sklearn.py."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    from sklearn.neural_network.tests import test_mlp

    from fastgrad import sklearn

    test_mlp.MLPClassifier, test_mlp.MLPRegressor = sklearn.MLPClassifier, sklearn.MLPRegressor
