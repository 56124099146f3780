"""``MLPClassifier`` and ``MLPRegressor``: scikit-learn's estimators on this package's networks.

Parameters, attributes and behaviour are those of scikit-learn's, with more activations, a choice of initial weights,
and a diagnosis of the gradients after ``fit``.
"""

# Design: - Built on scikit-learn's public interface only.
#         - Where scikit-learn's loss differs from this package's by a factor, the learning rate and the penalty make up
#           for it (``_scale``), so that the same numbers for ``alpha`` and ``learning_rate_init`` mean the same.
#         - Ctrl-C undoes the epoch (or, with L-BFGS, the iteration) it falls into and is raised on: the estimator can
#           predict and go on, and a search over many of them stops. scikit-learn's own warns and returns.
#         - A binary classifier has two outputs under a softmax, not one under a sigmoid: ``coefs_[-1]`` has two.

import warnings
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from fastgrad._validation import known, missing

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, shuffle
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets, unique_labels
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise missing("fastgrad.sklearn", "scikit-learn 1.6 or newer", "sklearn") from error

from fastgrad._validation import positive_int, real_number
from fastgrad.activations import ACTIVATIONS, activation
from fastgrad.diagnosis import Diagnosis, diagnose
from fastgrad.initializers import initializer
from fastgrad.learning.loop import Trainer
from fastgrad.learning.models import SKLEARN_ACTIVATIONS
from fastgrad.learning.monitor import WINDOW
from fastgrad.learning.optimizers import optimizer
from fastgrad.network import MLP

SOLVERS = ("adam", "sgd", "lbfgs")
RATES = ("constant", "invscaling", "adaptive")
DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
LOWEST_RATE = 1e-6  # where "adaptive" ends

_PARAMETERS = """
    Parameters
    ----------
    hidden_layer_sizes : sequence of int
    activation : {"identity", "logistic", "tanh", "relu", "sigmoid", "leaky_relu", "elu"} or Activation
        ``fastgrad.activation("elu", alpha=0.5)`` for another alpha or slope.
    init : str or Initializer
        ``"auto"``: Xavier's for bounded activations, He's for the others; or a name of
        ``fastgrad.INITIALIZERS``.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, \
verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun
        As in scikit-learn.

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
        raise AttributeError(f"partial_fit is only available for stochastic solvers, not for {estimator.solver!r}")
    return True


class _Memory:
    """What the optimiser remembers between epochs and, for partial_fit, between calls."""

    def __init__(self, learning_rate):
        self.learning_rate, self.kept = learning_rate, {}


class _BaseMLP(BaseEstimator):
    """What classifier and regressor share: everything but targets and scores."""

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        init="auto",
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    def fit(self, X, y):
        """Fit the network to X, shape (rows, features), and y; a network that has weights keeps them if ``warm_start``.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, the data are not finite, dense and of fitting length, or the weights leave
            the range of numbers on the way.
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
        onward = hasattr(self, "coefs_") and (incremental or self.warm_start)
        X, y = self._validated(X, y, onward, incremental)
        if not onward:
            self._begin(X, y)
        net = self._network()
        X, y = net.check_data(X), net.check_targets(y, len(X))  # a network that goes on keeps its dtype
        interrupt = self._minimise(net, X, y) if self.solver == "lbfgs" else self._descend(net, X, y, incremental)
        self.coefs_, self.intercepts_ = net.weights, net.biases
        rows = np.linspace(0, len(X) - 1, min(len(X), WINDOW)).astype(int)
        self.diagnosis_: Diagnosis = diagnose(net.gradient_profile(X[rows], y[rows]))
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
        for name in ("max_iter", "max_fun"):
            positive_int(name, getattr(self, name))
        if self.n_iter_no_change != np.inf:
            positive_int("n_iter_no_change", self.n_iter_no_change)
        real_number("learning_rate_init", self.learning_rate_init, above=0.0)
        for name in ("alpha", "tol", "power_t"):
            real_number(name, getattr(self, name), minimum=0.0)
        share = real_number("validation_fraction", self.validation_fraction, minimum=0.0)
        if share >= 1:
            raise ValueError(f"validation_fraction must be below 1, got {share:g}")
        for name in ("shuffle", "warm_start", "early_stopping", "nesterovs_momentum"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.batch_size != "auto":
            positive_int("batch_size", self.batch_size)
        self._step_rule()

    def _step_rule(self):
        if self.solver == "sgd":
            return optimizer("nesterov" if self.nesterovs_momentum else "momentum", momentum=self.momentum)
        return optimizer("adam", beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)

    def _record(self):
        return SKLEARN_ACTIVATIONS[phi] if (phi := self.activation) in SKLEARN_ACTIVATIONS else activation(phi)

    def _rule(self):
        if self.init != "auto":
            return initializer(self.init)
        phi = self._record()
        if phi.name == "leaky_relu":
            return initializer("he_normal", negative_slope=phi.parameter)
        return initializer("xavier_normal" if phi.bounded else "he_normal")

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
        self._no_improvement_count = 0
        self._optimizer = _Memory(self.learning_rate_init)
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_scores_: Any = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None

    def _network(self):
        """The estimator's weights as a network of this package."""
        sizes = [self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_)]
        net = MLP(sizes, self._record(), dtype=self.coefs_[0].dtype, loss=self._loss)
        net.weights, net.biases = [w.copy() for w in self.coefs_], [b.copy() for b in self.intercepts_]
        return net

    def _descend(self, net, X, y, incremental):
        """Epochs of mini-batches, as long as they help; the KeyboardInterrupt that ended them, or None."""
        validation = None
        if self.early_stopping and not incremental:
            stratify = y if self._loss == "cross_entropy" else None
            X, X_val, y, y_val = train_test_split(
                X, y, random_state=self._random, test_size=self.validation_fraction, stratify=stratify
            )
            if len(X_val) < 2:
                raise ValueError(
                    "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
                )
            validation = X_val, y_val
        batch = self._batch(len(X))
        scale = self._scale(net)
        trainer = Trainer(net, X, y, self._step_rule(), batch, self.alpha / batch / scale, False, 0)
        if not incremental:
            self._no_improvement_count = 0
            self._optimizer = _Memory(self.learning_rate_init)
        elif self._optimizer.kept:
            trainer.restore(self._optimizer.kept | {"parameters": trainer.parameters})
        best, interrupt = self._epochs(trainer, validation, incremental)
        if best is not None:
            trainer.parameters[...] = best
        self._optimizer.kept = {name: array for name, array in trainer.state().items() if name != "parameters"}
        net.weights, net.biases = [w.copy() for w in net.weights], [b.copy() for b in net.biases]
        return interrupt

    def _epochs(self, trainer, validation, incremental):
        """One epoch, or as many as it takes.

        Returns the parameters after the best epoch (None without early stopping), and the KeyboardInterrupt that came
        (None without); then the epoch that it fell into is undone.
        """
        memory, best, rows = self._optimizer, None, np.arange(len(trainer.X))
        factor = self._scale(trainer.network) if self.solver == "sgd" else 1.0
        before, recorded = trainer.state(), self.n_iter_
        try:
            for iteration in range(1 if incremental else self.max_iter):
                if self.shuffle:
                    rows = shuffle(rows, random_state=self._random)
                before, recorded = trainer.state(), self.n_iter_
                run = trainer.run(rows, memory.learning_rate * factor)
                if not run.finite or not np.isfinite(trainer.parameters).all():
                    if best is None:
                        raise ValueError(DIVERGED)
                    self.validation_scores_.append(float("nan"))
                    warnings.warn(
                        f"{DIVERGED} The weights are those of the best epoch.", ConvergenceWarning, stacklevel=5
                    )
                    break
                self._record_epoch(trainer, run)
                if self._improved(trainer.network, validation):
                    best = trainer.parameters.copy()
                if self.solver == "sgd" and self.learning_rate == "invscaling":
                    memory.learning_rate = self.learning_rate_init / (self.t_ + 1) ** self.power_t
                if self._no_improvement_count > self.n_iter_no_change and not self._slower():
                    break
                if not incremental and iteration == self.max_iter - 1:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                        "hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=5,
                    )
        except KeyboardInterrupt as interrupt:
            if self.n_iter_ == recorded:  # the epoch is not finished
                trainer.restore(before)
            return best, interrupt
        return best, None

    def _record_epoch(self, trainer, run):
        loss = scale_of_loss(self._loss) * run.loss / len(trainer.X)
        self.loss_ = float(loss + self._penalty(trainer.network, trainer.batch_size))
        self.loss_curve_.append(self.loss_)
        self.n_iter_, self.t_ = self.n_iter_ + 1, self.t_ + len(trainer.X)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")

    def _improved(self, net, validation):
        """Count epochs without enough progress; whether this one was the best."""
        if validation is not None:
            self.validation_scores_.append(self._score(net, *validation))
            last, best = self.validation_scores_[-1], self.best_validation_score_
            self._no_improvement_count = 0 if last >= best + self.tol else self._no_improvement_count + 1
            if last > best:
                self.best_validation_score_ = last
            return last > best
        if self.best_loss_ is None:  # partial_fit with early_stopping has nothing to score
            return False
        self._no_improvement_count = (
            0 if self.loss_curve_[-1] <= self.best_loss_ - self.tol else self._no_improvement_count + 1
        )
        self.best_loss_ = min(self.best_loss_, self.loss_curve_[-1])
        return False

    def _slower(self):
        """Whether there is a lower learning rate to go on with."""
        if self.solver != "sgd" or self.learning_rate != "adaptive" or self._optimizer.learning_rate <= LOWEST_RATE:
            return False
        self._optimizer.learning_rate /= 5.0
        self._no_improvement_count = 0
        return True

    def _minimise(self, net, X, y):
        """L-BFGS over all rows at once; the KeyboardInterrupt that ended it, or None."""
        trainer = Trainer(net, X, y, optimizer("sgd"), len(X), 0.0, False, 0)
        factor, layers = scale_of_loss(self._loss), len(net.weights)
        pairs = list(zip(trainer.gradient_views[:layers], trainer.gradient_views[layers:], strict=True))
        decaying = np.arange(trainer.parameters.size) < trainer.decaying

        def loss_and_gradient(flat):
            trainer.parameters[...] = flat
            loss, _ = net.loss_and_gradients(X, y, out=pairs)
            gradient = factor * trainer.gradient.astype(np.float64)
            gradient += np.where(decaying, self.alpha / len(X) * flat, 0.0)
            self.loss_curve_.append(factor * loss + self._penalty(net, len(X)))
            return self.loss_curve_[-1], gradient

        start, interrupt = trainer.parameters.astype(np.float64), None
        whole = OptimizeResult(x=start, fun=np.inf, nit=0, success=True)  # after the latest whole iteration

        def keep(intermediate_result):
            whole.update(x=intermediate_result.x.copy(), fun=intermediate_result.fun, nit=whole.nit + 1)

        try:
            found = minimize(
                loss_and_gradient, start, method="L-BFGS-B", jac=True, callback=keep,
                options={"maxiter": self.max_iter, "maxfun": self.max_fun, "gtol": self.tol},
            )  # fmt: skip
        except KeyboardInterrupt as error:
            found, interrupt = whole, error
        if not np.isfinite(found.x).all():
            raise ValueError(DIVERGED)
        trainer.parameters[...] = found.x
        self.loss_, self.n_iter_ = float(found.fun), min(int(found.nit), self.max_iter)
        if not found.success:
            warnings.warn(f"lbfgs failed to converge: {found.message}", ConvergenceWarning, stacklevel=5)
        net.weights, net.biases = [w.copy() for w in net.weights], [b.copy() for b in net.biases]
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

    def _penalty(self, net, rows):
        return 0.5 * self.alpha * sum(float(np.vdot(w, w)) for w in net.weights) / rows

    def _predicted(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return self._network().forward(X.astype(self.coefs_[0].dtype, copy=False))


def scale_of_loss(loss: str) -> float:
    """What scikit-learn's loss is of this package's: its squared loss has a half."""
    return 0.5 if loss == "mse" else 1.0


class MLPClassifier(ClassifierMixin, _BaseMLP):
    __doc__ = f"""A multilayer perceptron that classifies, trained by this package.
{_PARAMETERS}    classes_ : ndarray
    """
    _loss = "cross_entropy"

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

    def _score(self, net, X, y):
        return accuracy_score(y, net.forward(X).argmax(axis=1))

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
{_PARAMETERS}
    """
    _loss = "mse"

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

    def _score(self, net, X, y):
        outputs = net.forward(X)
        return float(r2_score(y, outputs)) if np.isfinite(outputs).all() else float("nan")

    def predict(self, X):
        """The predictions, shape (rows,) or (rows, outputs) as y was."""
        outputs = self._predicted(X)
        return outputs[:, 0] if self._flat else outputs
