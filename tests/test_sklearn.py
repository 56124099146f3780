"""scikit-learn's contract: its checks of estimators in full, and its own tests of its MLPs, run on ours."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastgrad import activation, datasets
from fastgrad.sklearn import MLPClassifier, MLPRegressor

X, Y = (array[:400] for array in datasets.load("digits"))


@pytest.mark.filterwarnings("ignore")  # ConvergenceWarning, and what the checks provoke
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_estimator_checks(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it the check of array namespaces is skipped
    check(estimator)


# scikit-learn's tests that are left out (every test whose name begins so), and why.
NOT_APPLICABLE = {
    "test_fit": "private names", "test_gradient": "private names",
    # the private _optimizer: test_a_rate_that_falls_with_the_rows_... and test_a_rate_that_adapts_... test the same
    "test_learning_rate_warmstart": "private names", "test_adaptive_learning_rate": "private names",
    "test_multilabel_classification": "several labels per row",
    "test_predict_proba_multilabel": "several labels per row",
    "test_sparse_matrices": "sparse input, which is refused in one sentence",
    "test_mlp_sample_weight": "sample weights", "test_mlp_vs_poisson": "other losses",
    "test_early_stopping_stratified": "wants the wording ['True'] for the class 1",
    "test_preserve_feature_names[MLPClassifier]": "a classifier of one class, which is refused",
}  # fmt: skip


def test_scikit_learns_own_tests():
    left_out = [f"--deselect=::{name}" for name in NOT_APPLICABLE]
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider", "-p", "sklearn_suite"]
    run = subprocess.run(
        [*command, "--pyargs", "sklearn.neural_network.tests.test_mlp", *left_out],
        cwd=Path(__file__).parent, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert int(passed[1]) >= 40


def test_that_suite_tests_these_estimators_in_its_parametrized_tests_too(tmp_path):
    """With a subclass that raises in fit, every test that fits fails; of a class that was bound before, none would."""
    spoiled = (Path(__file__).parent / "sklearn_suite.py").read_text() + SPOILED
    (tmp_path / "spoiled_suite.py").write_text(spoiled)
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider", "-p", "spoiled_suite"]
    run = subprocess.run(
        [*command, "--pyargs", "sklearn.neural_network.tests.test_mlp", "-k", "test_early_stopping or warm_start"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    failed = re.search(r"(\d+) failed", run.stdout)
    assert "passed" not in run.stdout.splitlines()[-1], run.stdout[-3000:]
    assert int(failed[1]) >= 10


SPOILED = """

def pytest_sessionstart():
    from fastgrad import sklearn

    def fit(self, X, y):
        raise NotImplementedError

    sklearn.MLPClassifier.fit = sklearn.MLPRegressor.fit = fit
"""


def the_same(ours, theirs):
    """Whether ten scores are as good and as even as ten of theirs, by the noise of theirs alone.

    Noise of ours must not buy a wider band: Student's t and F at 99.5 %, for 9 and for 9 and 9 degrees of freedom.
    """
    noise = np.std(theirs, ddof=1)
    near = abs(np.mean(ours) - np.mean(theirs)) <= 3.25 * noise * np.sqrt(2 / 10)
    return bool(near and 1 / 2.56 <= np.std(ours, ddof=1) / noise <= 2.56)


def test_the_same_accuracy_as_scikit_learns():
    data, labels = datasets.load("digits")
    ours, theirs = [], []
    for seed in range(10):
        options = {
            "hidden_layer_sizes": (32, 32), "activation": "tanh", "max_iter": 20, "batch_size": 32,
            "random_state": seed,
        }  # fmt: skip
        for kind, scores in ((MLPClassifier, ours), (TheirClassifier, theirs)):
            with pytest.warns(ConvergenceWarning):
                scores.append(kind(**options).fit(data[:1400], labels[:1400]).score(data[1400:], labels[1400:]))
    assert the_same(ours, theirs), (ours, theirs)
    worse = np.array(ours) - 0.02
    noisier = np.array(ours) + 0.1 * np.resize([-1, 1], 10)
    assert not any(the_same(scores, theirs) for scores in (worse, noisier, np.array(ours) + 0.03, np.full(10, 0.9)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("solver", "outputs", "tolerance"),
    [
        ("sgd", 3, 1e-9),
        ("adam", 1, 1e-4),  # theirs adds epsilon before the correction of the bias
        ("adam", 3, 1e-4),
        ("lbfgs", 1, 1e-6),  # with several outputs their gradient is not that of their loss
    ],
)
def test_one_epoch_is_scikit_learns(solver, outputs, tolerance):
    """From the same weights, with the same rows in the same order, in float64."""
    from sklearn.neural_network import MLPRegressor as TheirRegressor

    rng = np.random.default_rng(0)
    data = rng.standard_normal((50, 4))
    targets = (data @ rng.standard_normal((4, outputs))).squeeze()
    options = {
        "hidden_layer_sizes": (5,), "activation": "tanh", "solver": solver, "max_iter": 1, "shuffle": False,
        "batch_size": 10, "alpha": 0.5, "learning_rate_init": 0.01, "warm_start": True, "random_state": 0,
    }  # fmt: skip
    ours, theirs = MLPRegressor(**options), TheirRegressor(**options)
    ours.fit(data, targets)
    theirs.fit(data, targets)
    theirs.coefs_, theirs.intercepts_ = [w.copy() for w in ours.coefs_], [b.copy() for b in ours.intercepts_]
    ours.fit(data, targets)
    theirs.fit(data, targets)
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def test_a_rate_that_falls_with_the_rows_is_scikit_learns():
    """Without momentum the rate is all that a pass over the rows takes from those before it."""
    rng = np.random.default_rng(0)
    data, labels = rng.standard_normal((60, 4)), np.arange(60) % 3
    options = {
        "hidden_layer_sizes": (5,), "activation": "tanh", "solver": "sgd", "learning_rate": "invscaling",
        "power_t": 0.3, "momentum": 0.0, "shuffle": False, "batch_size": 10, "learning_rate_init": 0.5,
        "random_state": 0,
    }  # fmt: skip
    ours, theirs = MLPClassifier(**options), TheirClassifier(**options)
    for model in (ours, theirs):
        model.partial_fit(data, labels, classes=np.arange(3))
    theirs.coefs_, theirs.intercepts_ = [w.copy() for w in ours.coefs_], [b.copy() for b in ours.intercepts_]
    for _ in range(3):
        ours.partial_fit(data, labels)
        theirs.partial_fit(data, labels)
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        assert np.linalg.norm(a - b) <= 1e-9 * np.linalg.norm(b)


def test_a_rate_that_adapts_ends_the_run_later():
    """Nothing is better by 99: ten epochs at each rate, 0.001 / 5^0 to 0.001 / 5^5 (below a millionth)."""
    options = {"solver": "sgd", "tol": 99.0, "n_iter_no_change": 9, "random_state": 0, "max_iter": 999}
    for kind in (MLPClassifier, TheirClassifier):
        assert kind((8,), **options).fit(X, Y).n_iter_ == 1 + 10
        assert kind((8,), learning_rate="adaptive", **options).fit(X, Y).n_iter_ == 1 + 10 * 6


def test_early_stopping_goes_back_to_the_best_score_of_the_held_out_rows():
    model = MLPClassifier((8,), early_stopping=True, random_state=0, max_iter=400, n_iter_no_change=5, tol=0.0)
    model.fit(X, Y)
    scores = model.validation_scores_
    best = int(np.argmax(scores))
    assert model.n_iter_ == len(scores) == len(model.loss_curve_) == best + 1 + 6
    assert model.best_validation_score_ == scores[best]
    whole = MLPClassifier((8,), early_stopping=True, random_state=0, max_iter=best + 1)
    with pytest.warns(ConvergenceWarning):
        whole.fit(X, Y)
    assert np.array_equal(model.coefs_[0], whole.coefs_[0])
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        model.partial_fit(X, Y)


def test_early_stopping_may_be_switched_on_and_off_between_fits():
    model = MLPClassifier((8,), warm_start=True, max_iter=2, random_state=0)
    for early in (False, True, False):
        model.set_params(early_stopping=early)
        with pytest.warns(ConvergenceWarning):
            model.fit(X, Y)
    assert len(model.validation_scores_) == 2
    assert model.best_loss_ == min(model.loss_curve_[-2:])


def test_warm_start_goes_on_and_counts_its_own_iterations():
    model = MLPClassifier((8,), warm_start=True, max_iter=3, random_state=0)
    for fits in (1, 2):
        with pytest.warns(ConvergenceWarning):
            model.fit(X, Y)
        assert (model.n_iter_, len(model.loss_curve_), model.t_) == (3, 3 * fits, 3 * fits * len(X))
    assert model.loss_curve_[3] < model.loss_curve_[2]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_diagnosis_of_a_network_that_vanishes():
    deep = MLPClassifier([16] * 15, "sigmoid", max_iter=2, random_state=0).fit(X, Y)
    shallow = MLPClassifier([16], "elu", init="xavier_uniform", max_iter=2, random_state=0).fit(X, Y)
    assert deep.diagnosis_.verdict == "vanishing"
    assert shallow.diagnosis_.verdict == "healthy"


@pytest.mark.parametrize("phi", ["leaky_relu", "elu", "identity", activation("elu", alpha=0.5)])
def test_activations_and_pickling(phi):
    data, targets = make_regression(60, 5, random_state=0)
    model = MLPRegressor(
        (8, 8), phi, random_state=0, max_iter=20
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        model.fit(data, targets)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(data), model.predict(data))
    assert clone(model).get_params() == model.get_params()


def test_float32_stays():
    with pytest.warns(ConvergenceWarning):
        model = MLPClassifier((8,), max_iter=2).fit(X.astype(np.float32), Y)
    assert {w.dtype for w in model.coefs_} == {np.dtype(np.float32)}
    assert model.predict_proba(X[:3].astype(np.float32)).dtype == np.float32


def test_partial_fit_goes_on_where_it_was():
    labels = np.arange(10)
    once, twice = MLPClassifier((8,), random_state=0, shuffle=False), MLPClassifier((8,), random_state=0, shuffle=False)
    for _ in range(2):
        once.partial_fit(X, Y, classes=labels)
    twice.partial_fit(X, Y, classes=labels)
    pickle.loads(pickle.dumps(twice)).partial_fit(X, Y)
    twice = pickle.loads(pickle.dumps(twice)).partial_fit(X, Y)
    assert np.array_equal(once.coefs_[0], twice.coefs_[0])
    assert twice.partial_fit(X[:20], np.zeros(20, int)).n_iter_ == 3  # a batch may lack classes


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"activation": "rleu"}, ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
        ({"solver": "adma"}, ValueError, "unknown solver 'adma'; did you mean 'adam'"),
        ({"learning_rate_init": -1}, ValueError, "learning_rate_init must be greater than 0, got -1"),
        ({"hidden_layer_sizes": ()}, ValueError, "must hold a hidden layer at least"),
        ({"hidden_layer_sizes": (0,)}, ValueError, "hidden_layer_sizes must be at least 1"),
        ({"momentum": 1.0, "solver": "sgd"}, ValueError, "momentum must be below 1"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction must be below 1"),
        ({"init": "he"}, ValueError, "unknown initializer 'he'"),
        ({"alpha": -0.1}, ValueError, "alpha must be at least 0"),
        ({"shuffle": "yes"}, TypeError, "shuffle must be True or False, got 'yes'"),
    ],
)
def test_wrong_parameters(parameters, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        MLPClassifier(**parameters).fit(X, Y)


def test_wrong_data():
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        MLPClassifier().fit(csr_array(X), Y)
    with pytest.raises(ValueError, match="at least two classes, got one class: 3"):
        MLPClassifier().fit(X, np.full(len(X), 3))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        MLPClassifier().fit(np.where(X > 2, np.nan, X), Y)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        MLPRegressor(solver="sgd", learning_rate_init=1e8).fit(X, 1e3 * Y)


def test_a_network_that_goes_on_keeps_its_dtype():
    """float32 rows into a float64 network, and the other way round."""
    for first, second in ((np.float32, np.float64), (np.float64, np.float32)):
        model = MLPClassifier((8,), random_state=0, shuffle=False).partial_fit(
            X.astype(first), Y, classes=np.arange(10)
        )
        model.partial_fit(X.astype(second), Y)
        twin = MLPClassifier((8,), random_state=0, shuffle=False).partial_fit(X.astype(first), Y, classes=np.arange(10))
        twin.partial_fit(X.astype(second).astype(first), Y)
        assert model.coefs_[0].dtype == first
        assert np.array_equal(model.coefs_[0], twin.coefs_[0])
