"""``MLPClassifier`` and ``MLPRegressor``: scikit-learn's estimators on this package's networks.

Parameters, attributes and behaviour are those of scikit-learn's, with more activations, a choice of initial weights,
and a diagnosis of the gradients after ``fit``.
"""

# Design: - Built on scikit-learn's public interface only.
#         - Where scikit-learn's loss differs from this package's by a factor, the learning rate and the penalty make up
#           for it (``_scale``), so that the same numbers for ``alpha`` and ``learning_rate_init`` mean the same.
#         - Ctrl-C undoes the epoch (or, with L-BFGS, the iteration) it falls into and is raised again: the estimator
#           can predict and go on, and a search over many of them stops. scikit-learn's own warns and returns.
#         - Epochs, early stopping and schedules are those of ``fastgrad.fit``, whose loop goes here by scikit-learn's
#           measures of what is better: the penalised loss, or the score on held-out rows.
#         - ``partial_fit`` is an epoch of that loop with the optimiser's state of the call before; "adaptive" does not
#           lower its rate, since no call knows of another.
#         - A file of more than 350 lines: two thirds are scikit-learn's contract (parameters, records, refusals), which
#           a reader checks against its documentation in one go.
#         - A binary classifier has two outputs under a softmax, not one under a sigmoid: ``coefs_[-1]`` has two.

import warnings
from typing import Any

import numpy as np

from fastgrad._validation import known, missing

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets, unique_labels
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise missing("fastgrad.sklearn", "scikit-learn 1.6 or newer", "sklearn") from error

from fastgrad._validation import boolean, positive_int, real_number, shown
from fastgrad.activations import ACTIVATIONS, activation
from fastgrad.counterfactual import own_rule
from fastgrad.diagnosis import Diagnosis
from fastgrad.initializers import initializer
from fastgrad.learning import schedules
from fastgrad.learning.epochs import Loop, Plan
from fastgrad.learning.history import Interrupted
from fastgrad.learning.lbfgs import minimise
from fastgrad.learning.loop import Trainer
from fastgrad.learning.models import SKLEARN_ACTIVATIONS
from fastgrad.learning.monitor import GradientMonitor
from fastgrad.learning.optimizers import optimizer
from fastgrad.losses import accuracy, r_squared
from fastgrad.network import MLP

SOLVERS = ("adam", "sgd", "lbfgs")
RATES = ("constant", "invscaling", "adaptive")
DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)

_PARAMETERS = """
    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Units of each hidden layer, from the input.
    activation : {"identity", "logistic", "tanh", "relu", "sigmoid", "leaky_relu", "elu"} or Activation
        ``fastgrad.activation("elu", alpha=0.5)`` for another alpha or slope.
    init : str or Initializer
        ``"auto"``: Xavier's for bounded activations, He's for the others; or a name of
        ``fastgrad.INITIALIZERS``.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, \
verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun : as in scikit-learn
        What they mean there.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights ``(fan_in, fan_out)`` and biases, of the dtype of X (float32 or float64).
    diagnosis_ : Diagnosis
        The verdict on the fitted network's gradients, on rows of the training data.
    loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, t_, n_iter_, n_layers_, n_outputs_, \
out_activation_, n_features_in_, feature_names_in_
        As in scikit-learn.
"""


def _stochastic(estimator):
    if estimator.solver not in ("adam", "sgd"):
        raise AttributeError(f"partial_fit is only available for stochastic solvers, not for {shown(estimator.solver)}")
    return True


class _BaseMLP(BaseEstimator):
    """What classifier and regressor share: everything but targets and scores."""

    def __init__(
        self, hidden_layer_sizes=(100,), activation="relu", *, init="auto", solver="adam", alpha=0.0001,
        batch_size="auto", learning_rate="constant", learning_rate_init=0.001, power_t=0.5, max_iter=200, shuffle=True,
        random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9, nesterovs_momentum=True,
        early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10,
        max_fun=15000,
    ):  # fmt: skip
        # scikit-learn's rule: every parameter is an attribute of its name, as it was given
        self.__dict__.update({name: value for name, value in locals().items() if name != "self"})

    def fit(self, X, y):
        """Fit the network to X, shape (rows, features), and y; a network that has weights keeps them if ``warm_start``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, the data are not finite or of fitting length, or the weights leave the range
            of numbers on the way.
        TypeError
            If a parameter has the wrong type, or the data are sparse.
        KeyboardInterrupt
            On Ctrl-C; the estimator is as it was after the last whole epoch, fitted and usable.
        """
        return self._fit(X, y, incremental=False)

    @available_if(_stochastic)
    def partial_fit(self, X, y):
        """One pass over X and y from where the network is; see :meth:`fit`."""
        return self._fit(X, y, incremental=True)

    def _fit(self, X, y, incremental):
        self._check_parameters()
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        onward = hasattr(self, "coefs_") and (incremental or self.warm_start)
        X, y = self._validated(X, y, onward, incremental)
        if not onward:
            self._begin(X, y)
        net = self._network()
        X, y = net.check_data(X), net.check_targets(y, len(X))  # a network that goes on keeps its dtype
        interrupt = self._minimise(net, X, y) if self.solver == "lbfgs" else self._descend(net, X, y, incremental)
        self.coefs_, self.intercepts_ = ([a.copy() for a in arrays] for arrays in (net.weights, net.biases))
        self.diagnosis_: Diagnosis | None = GradientMonitor(X, y).measure(0, net).diagnosis
        if interrupt is not None:
            raise interrupt
        return self

    def _check_parameters(self):
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if np.iterable(sizes) and not isinstance(sizes, str) else [sizes]
        if not sizes:
            raise ValueError("hidden_layer_sizes must hold a hidden layer at least, got ()")
        self._sizes = [positive_int("hidden_layer_sizes", size) for size in sizes]
        if isinstance(self.activation, str) and self.activation not in SKLEARN_ACTIVATIONS:
            known("activation", self.activation, (*ACTIVATIONS, *SKLEARN_ACTIVATIONS))
        known("solver", self.solver, SOLVERS)
        known("learning_rate", self.learning_rate, RATES)
        counts = {"max_iter": (), "max_fun": (), "n_iter_no_change": (np.inf,), "batch_size": ("auto",)}
        for name, instead in counts.items():
            if getattr(self, name) not in instead:
                positive_int(name, getattr(self, name))
        real_number("learning_rate_init", self.learning_rate_init, above=0.0)
        for name in ("alpha", "tol", "power_t"):
            real_number(name, getattr(self, name), minimum=0.0)
        share = real_number("validation_fraction", self.validation_fraction, minimum=0.0)
        if share >= 1:
            raise ValueError(f"validation_fraction must be below 1, got {share:g}")
        for name in ("shuffle", "warm_start", "early_stopping", "nesterovs_momentum"):
            boolean(name, getattr(self, name))
        self._step_rule()

    def _step_rule(self):
        if self.solver == "sgd":
            return optimizer("nesterov" if self.nesterovs_momentum else "momentum", momentum=self.momentum)
        return optimizer("adam", beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)

    def _record(self):
        phi = self.activation
        return SKLEARN_ACTIVATIONS[phi] if isinstance(phi, str) and phi in SKLEARN_ACTIVATIONS else activation(phi)

    def _rule(self):
        automatic = isinstance(self.init, str) and self.init == "auto"
        return own_rule(self._record()) if automatic else initializer(self.init)

    def _begin(self, X, y):
        """A new network and empty records."""
        self._random = check_random_state(self.random_state)
        seed = int(self._random.randint(2**31 - 1))
        sizes = [X.shape[1], *self._sizes, self._outputs(y)]
        net = MLP(sizes, self._record(), self._rule(), seed, X.dtype, self._loss)
        self.coefs_, self.intercepts_ = net.weights, net.biases
        self.n_outputs_, self.n_layers_ = sizes[-1], len(sizes)
        self.n_iter_ = self.t_ = 0
        self.loss_curve_ = []
        self._kept = {}  # the optimiser's, between calls of partial_fit
        self.best_loss_: Any = np.inf
        self.validation_scores_: Any = None
        self.best_validation_score_: Any = None

    def _network(self):
        """The estimator's weights as a network of this package."""
        sizes = [self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_)]
        described = MLP(sizes, self._record(), self._rule(), dtype=self.coefs_[0].dtype, loss=self._loss)
        return described.with_parameters(self.coefs_, self.intercepts_)

    def _descend(self, net, X, y, incremental):
        """Epochs of mini-batches, as long as they help; the KeyboardInterrupt that ended them, or None."""
        X, y, validation = self._split(X, y) if self.early_stopping else (X, y, None)
        batch, seed = self._batch(len(X)), int(self._random.randint(2**31 - 1))
        decay = self.alpha / batch / self._scale(net)
        trainer = Trainer(net, X, y, self._step_rule(), batch, decay, self.shuffle, seed)
        if incremental and self._kept:
            trainer.restore(self._kept | {"parameters": trainer.parameters})
        loop, interrupt = Loop(trainer, self._plan(trainer, validation, incremental)), None
        try:
            loop.run()
        except Interrupted as error:
            interrupt = error
        self._no_improvement_count = loop.stopping.waited
        self._check_end(loop, incremental)
        self._kept = {name: array for name, array in trainer.state().items() if name != "parameters"}
        return interrupt

    def _split(self, X, y):
        """Rows to train on, and a pair to judge early stopping on; its records are begun."""
        if self.validation_scores_ is None:
            self.best_loss_, self.validation_scores_, self.best_validation_score_ = None, [], -np.inf
        stratify = y if self._loss == "cross_entropy" else None
        X, X_val, y, y_val = train_test_split(
            X, y, random_state=self._random, test_size=self.validation_fraction, stratify=stratify
        )
        if len(X_val) < 2:
            raise ValueError("The validation set is too small. Increase validation_fraction or the number of rows.")
        return X, y, (X_val, y_val)

    def _plan(self, trainer, validation, incremental):
        """One epoch, or as many as help; the records are written as each of them is judged."""
        net, rows, before = trainer.network, len(trainer.X), self.t_
        iterations, losses = self.n_iter_ if incremental else 0, len(self.loss_curve_)

        def judge(history):
            self.n_iter_, self.t_ = iterations + history.epochs, before + history.epochs * rows
            squares = sum(float(np.vdot(w, w)) for w in net.weights)
            self.loss_ = float(self._factor * history.loss[-1] + 0.5 * self.alpha * squares / trainer.batch_size)
            self.loss_curve_[losses + history.epochs - 1 :] = [self.loss_]
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            if validation is None:
                self.best_loss_ = min(self.loss_, np.inf if self.best_loss_ is None else self.best_loss_)
                return self.loss_
            self.validation_scores_.append(self._score(net, *validation))
            self.best_validation_score_ = max(self.best_validation_score_, self.validation_scores_[-1])
            return -self.validation_scores_[-1]

        schedule = self.learning_rate if self.solver == "sgd" else "constant"
        if schedule == "invscaling":
            schedule = schedules.inverse_power(self.power_t, before, rows)
        patience = None if self.n_iter_no_change == np.inf else self.n_iter_no_change + 1
        rate = self.learning_rate_init * (self._scale(net) if self.solver == "sgd" else 1.0)
        epochs = 1 if incremental else self.max_iter
        return Plan(epochs, rate, schedule, patience, self.tol, judge, go_back=self.early_stopping)

    def _check_end(self, loop, incremental):
        """ValueError or ConvergenceWarning unless the run came to a good end."""
        diverged = loop.history.stopped == "diverged"
        if not np.isfinite(loop.trainer.parameters).all() or (diverged and loop.best is None):
            raise ValueError(DIVERGED)
        if diverged:
            self.validation_scores_.append(float("nan"))
            warnings.warn(f"{DIVERGED} The weights are those of the best epoch.", ConvergenceWarning, stacklevel=5)
        elif loop.history.stopped == "epochs" and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _score(self, net, X, y):
        outputs = net.forward(X)
        return accuracy(outputs.argmax(axis=1), y) if self._loss == "cross_entropy" else r_squared(outputs, y)

    def _minimise(self, net, X, y):
        """L-BFGS over all rows at once; the KeyboardInterrupt that ended it, or None."""
        found, interrupt = minimise(
            net, X, y, scale=self._factor, weight_decay=self.alpha / len(X), iterations=self.max_iter,
            evaluations=self.max_fun, tolerance=self.tol, record=self.loss_curve_.append,
        )  # fmt: skip
        if not np.isfinite(found.x).all():
            raise ValueError(DIVERGED)
        self.loss_, self.n_iter_ = float(found.fun), min(int(found.nit), self.max_iter)
        if not found.success:
            warnings.warn(f"lbfgs failed to converge: {found.message}", ConvergenceWarning, stacklevel=4)
        return interrupt

    def _batch(self, rows):
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5
            )
        return min(self.batch_size, rows)

    def _scale(self, net):
        """scikit-learn's gradient over this package's: its squared loss is a half, and summed over outputs."""
        return net.sizes[-1] / 2 if self._loss == "mse" else 1.0

    def _predicted(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return self._network().forward(X.astype(self.coefs_[0].dtype, copy=False))


class MLPClassifier(ClassifierMixin, _BaseMLP):
    __doc__ = f"""A multilayer perceptron that classifies, trained by this package.
{_PARAMETERS}    classes_ : ndarray, shape (classes,)
        The labels, sorted.
    """
    _loss, _factor = "cross_entropy", 1.0

    @available_if(_stochastic)
    def partial_fit(self, X, y, classes=None):
        """One pass over X and y from where the network is; ``classes`` are all labels, wanted by the first call."""
        if not hasattr(self, "coefs_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self._classes = unique_labels(classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(f"classes must be those of the first call, {self.classes_}, got {unique_labels(classes)}")
        return self._fit(X, y, incremental=True)

    def _validated(self, X, y, onward, incremental):
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32), reset=not onward, order="C")
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        labels = unique_labels(y)
        if not onward:
            self.classes_ = self._classes if incremental else labels
            self.out_activation_ = "softmax"
        if not onward and len(self.classes_) < 2:
            raise ValueError(f"y must hold at least two classes, got one class: {self.classes_[0]}")
        if onward and not incremental and not np.array_equal(labels, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {labels}"
            )
        if not np.isin(labels, self.classes_).all():
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {labels}."
            )
        return X, np.searchsorted(self.classes_, y)

    def _outputs(self, y):
        return len(self.classes_)

    def predict(self, X):
        """The most probable class of every row, shape (rows,)."""
        outputs = self._predicted(X)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X):
        """The classes' probabilities, shape (rows, classes)."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Their logarithms, right where a probability is too small for a number."""
        from scipy.special import log_softmax

        return log_softmax(self._predicted(X), axis=1)


class MLPRegressor(RegressorMixin, _BaseMLP):
    __doc__ = f"""A multilayer perceptron that predicts numbers, trained by this package.
{_PARAMETERS}    """
    _loss, _factor = "mse", 0.5  # of this package's loss

    def _validated(self, X, y, onward, incremental):
        X, y = validate_data(
            self, X, y, dtype=(np.float64, np.float32), reset=not onward, order="C", multi_output=True, y_numeric=True
        )
        y = np.asarray(y, X.dtype)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not onward:
            self._flat = y.ndim == 1
            self.out_activation_ = "identity"
        return X, np.ascontiguousarray(y.reshape(len(y), -1))

    def _outputs(self, y):
        return y.shape[1]

    def predict(self, X):
        """The predictions, shape (rows,) or (rows, outputs) as y was."""
        outputs = self._predicted(X)
        return outputs[:, 0] if self._flat else outputs
