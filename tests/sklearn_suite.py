"""A pytest plugin: scikit-learn's own tests of its MLPs, run on ours; see test_sklearn.py."""


def pytest_configure():
    """Before the tests are imported: their parameters hold the classes too."""
    from sklearn import neural_network

    from fastgrad import sklearn

    neural_network.MLPClassifier, neural_network.MLPRegressor = sklearn.MLPClassifier, sklearn.MLPRegressor
