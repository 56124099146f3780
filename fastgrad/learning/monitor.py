"""The gradient monitor: gradient profiles of a network in training, on the same rows every so many steps."""

# Design: - A reading is a whole gradient profile on a fixed window of rows, delta included: one mini-batch proves
#           nothing about dead units, and dL/dW proves nothing about vanishing (see decay.py).
#         - The window's gradients are those of the data's loss: weight decay is not in them, as He et al. 2015
#           (section 3.3) measure them. Where gradients are fed that hold it, it is subtracted.
#         - How often is counted in steps, not in seconds, so that a run's readings repeat; what a step and a reading
#           take is estimated from the operations. The second reading waits twice as long: it pays for the first too.
#         - What is fed is pooled over successive calls until ``window`` rows are seen, so that dead means dead on all.

import math
from collections import deque
from dataclasses import replace

import numpy as np

from fastgrad._validation import listed, plain_array, positive_int, real_number
from fastgrad.activations import activation as activation_record
from fastgrad.diagnosis import diagnose, judge
from fastgrad.learning.alarm import vanishing_alarm
from fastgrad.learning.models import as_array, parameters_of
from fastgrad.learning.reading import Reading
from fastgrad.losses import baseline
from fastgrad.network import MLP

WINDOW = 128  # rows
BUDGET = 0.03  # of the time that training takes
EVERY = 500  # steps, in loops that this package does not run
# What a reading and a step take: seconds beside their arithmetic, and operations per second. Readings come rarely, so
# that they find nothing in the caches; both estimates are on the cautious side.
READING, READING_SPEED, STEP, STEP_SPEED = 5e-4, 2.5e10, 1e-5, 1e11


class GradientMonitor:
    """Watches the gradients of a network in training, in this package's loop or in any other.

    :func:`fastgrad.fit` runs one by itself. In another loop, call :meth:`measure` with the network as it is at that
    step, which needs its weights only, or :meth:`feed` with gradients that were computed anyway.

    Parameters
    ----------
    X, y : array_like, optional
        The rows to measure on, for :meth:`measure`; as for :meth:`fastgrad.MLP.loss_and_gradients`.
    activation : str or Activation, optional
        Of the hidden layers, where the network does not say it: weights and biases alone, and a PyTorch model that
        calls it as a function. Where a model says another one, that is an error.
    loss : {"cross_entropy", "mse"}
    every : int, optional
        Steps between readings. Without it: in :func:`fastgrad.fit` as often as 3 % of the training time allow, in
        other loops (:meth:`due`) 500.
    window : int
        Rows that saturated and dead units are counted over; of more rows that many are taken, evenly spaced.
    max_readings : int, optional
        How many readings are kept, the latest; all of them without it. ``alarm`` needs five.

    Attributes
    ----------
    readings : list of Reading

    Raises
    ------
    ValueError
        If an argument is out of range, or X and y have not as many rows.
    TypeError
        If an argument has the wrong type, or only one of X and y is given.
    """

    def __init__(self, X=None, y=None, *, activation=None, loss="cross_entropy", every=None, window=WINDOW,
                 max_readings=None):  # fmt: skip
        if (X is None) != (y is None):
            raise TypeError("X and y must be given together, got one of them")
        self.window = positive_int("window", window)
        self.every = None if every is None else positive_int("every", every)
        self.max_readings = None if max_readings is None else positive_int("max_readings", max_readings)
        self.activation = None if activation is None else activation_record(activation)
        self.loss = loss
        self.readings: list[Reading] = []
        self._fed = deque()
        self.X = self.y = None
        if X is not None:
            self.watch(X, y)

    def watch(self, X, y) -> "GradientMonitor":
        """Measure on these rows from now on, at most ``window`` of them."""
        X, y = plain_array("X", X), plain_array("y", y)
        counts = [len(array) if array.ndim else "a single value" for array in (X, y)]
        if counts[0] != counts[1] or not X.ndim:
            raise ValueError(f"X and y must have as many rows, got {counts[0]} and {counts[1]}")
        rows = np.linspace(0, len(X) - 1, min(len(X), self.window)).astype(int)
        self.X, self.y = X[rows], y[rows]
        return self

    def due(self, step: int) -> bool:
        """Whether there is to be a reading at this step, 0 being the first."""
        return step % (self.every or EVERY) == 0

    def next_due(self, step: int, batch_size: int, parameters: int) -> int:
        """The next step with a reading, this one or a later one, in :func:`fastgrad.fit`."""
        flops = 6 * parameters
        reading, taken = READING + self.window * flops / READING_SPEED, STEP + batch_size * flops / STEP_SPEED
        every = self.every or math.ceil(reading / taken / BUDGET)
        multiple = -(-step // every)
        return every * (2 if multiple == 1 and not self.every else multiple)

    @property
    def verdict(self) -> str | None:
        """That of the latest reading, None before the first."""
        return self.readings[-1].verdict if self.readings else None

    @property
    def diagnosis(self):
        """That of the latest reading, None before the first."""
        return self.readings[-1].diagnosis if self.readings else None

    @property
    def alarm(self) -> bool:
        """Whether vanishing gradients keep the network from learning: :func:`~fastgrad.learning.alarm.vanishing_alarm`.

        A verdict is one reading's; this asks for five in a row on the window's rows, and ends when they end. False
        where readings were fed, which have no loss, and before the fifth.
        """
        both = [(r.log10_delta, r.relative_loss) for r in self.readings]
        known = [(delta, loss) for delta, loss in both if delta is not None and loss is not None]
        return vanishing_alarm([delta for delta, _ in known], [loss for _, loss in known])

    def measure(self, step: int, network) -> Reading:
        """A reading on the window, of a network as it is at this step.

        Parameters
        ----------
        step : int
        network : MLP, or (weights, biases), or what :func:`fastgrad.learning.models.parameters_of` takes

        Returns
        -------
        Reading
            Without an update ratio; :meth:`note_step` adds it.

        Raises
        ------
        ValueError
            If there are no rows to measure on, no activation is known, or shapes do not fit; if a PyTorch or Keras
            model has something that an MLP of this package has not (it is named), such as BatchNorm, dropout that is
            on, residual connections or several activations: :func:`fastgrad.torch.watch` measures any PyTorch model.
        TypeError
            If the network is of no known kind.
        """
        if self.X is None:
            raise ValueError("there are no rows to measure on: give X and y to GradientMonitor, or call watch(X, y)")
        net = network if isinstance(network, MLP) else self._as_mlp(network)
        profile = net.gradient_profile(self.X, self.y)
        return self._keep(
            Reading(
                step,
                profile.log10_delta,
                profile.log10_weight_gradient,
                profile.log10_signal,
                None,
                profile.saturated_fraction,
                profile.dead_fraction,
                diagnose(profile),
                _relative_loss(profile),
            )
        )

    def note_step(self, before, after) -> Reading:
        """The latest reading again, with the update ratio of the step that followed it.

        Parameters
        ----------
        before, after : list of array_like
            The weights, one array per layer.
        """
        before, after = _arrays("before", before), _arrays("after", after)
        changes = [new - old for new, old in zip(after, before, strict=True)]
        ratio = _update_ratio(changes, before)
        self.readings[-1] = replace(self.readings[-1], log10_update_ratio=ratio)
        return self.readings[-1]

    def feed(self, step: int, weight_gradients, *, deltas=None, derivatives=None, signals=None, weights=None,
             updates=None, weight_decay=0.0) -> Reading:  # fmt: skip
        """A reading from arrays that a training loop has at hand: one per layer in each list, from the input.

        Parameters
        ----------
        step : int
        weight_gradients : list of array_like, one per weight layer
            dL/dW, of any shape.
        deltas : list of array_like, optional
            dL/dz of every weight layer, (batch, units): what a verdict needs.
        derivatives : list of array_like, optional
            phi'(z) of every hidden layer, (batch, units): for saturated and dead units, counted over the calls
            whose rows make up ``window``. Saturation needs the monitor's ``activation``.
        signals : list of array_like, optional
            z of every weight layer, (batch, units).
        weights : list of array_like, optional
            Before the step; for the update ratio and for weight decay.
        updates : list of array_like, optional
            What the step adds to the weights.
        weight_decay : float
            What of the gradients is ``weight_decay * weights``, which is subtracted.

        Returns
        -------
        Reading

        Raises
        ------
        ValueError
            If lists are of different length, weight decay or updates come without weights, or a value is not finite.
        """
        gradients = _arrays("weight_gradients", weight_gradients)
        layers = len(gradients)
        deltas, signals, weights, updates = (
            _arrays(name, values, layers)
            for name, values in (("deltas", deltas), ("signals", signals), ("weights", weights), ("updates", updates))
        )
        derivatives = _arrays("derivatives", derivatives, layers - 1)
        decay = real_number("weight_decay", weight_decay, minimum=0.0)
        if weights is None and (decay or updates is not None):
            raise ValueError(f"{'weight_decay' if decay else 'updates'} needs the weights: give weights=[...]")
        if decay:
            gradients = [g - decay * w for g, w in zip(gradients, weights, strict=True)]
        saturated, dead = self._pooled(derivatives) if derivatives is not None else (None, None)
        reading = Reading(
            step,
            None if deltas is None else _log10_rms(deltas),
            _log10_rms(gradients),
            None if signals is None else _log10_rms(signals),
            None if updates is None else _update_ratio(updates, weights),
            saturated,
            dead,
        )
        if deltas is not None and saturated is None:
            nothing = np.zeros(layers - 1)
            return self._keep(replace(reading, diagnosis=judge(reading.log10_delta, nothing, nothing)))
        return self._keep(reading.judged())

    def plot(self, **options):
        """log10 of delta per layer over the steps (needs matplotlib)."""
        from fastgrad.report import curves

        return curves.readings_figure({"": self.readings}, **options)

    def _keep(self, reading):
        self.readings.append(reading)
        if self.max_readings is not None:
            del self.readings[: -self.max_readings]
        return reading

    def _as_mlp(self, network):
        weights, biases, phi = parameters_of(network, self.X, self.activation)
        phi = phi or self.activation
        if phi is None:
            raise ValueError("the network does not say its activation: give activation= to GradientMonitor")
        dtype = np.float32 if all(array.dtype == np.float32 for array in (*weights, *biases)) else np.float64
        sizes = [weights[0].shape[0], *(weight.shape[1] for weight in weights)]
        weights, biases = ([np.asarray(array, dtype) for array in arrays] for arrays in (weights, biases))
        return MLP(sizes, phi, dtype=dtype, loss=self.loss).with_parameters(weights, biases)

    def _pooled(self, derivatives):
        """Saturated and dead fractions per hidden layer over the latest calls that make up a window."""
        phi = self.activation
        bound = phi.saturation_threshold if phi is not None else 0.0
        rows = [d.reshape(-1, d.shape[-1]) for d in derivatives]
        self._fed.append((len(rows[0]), [np.mean(d < bound) for d in rows], [(d > 0).any(axis=0) for d in rows]))
        while sum(fed[0] for fed in self._fed) - self._fed[0][0] >= self.window:
            self._fed.popleft()
        counts, saturated, open_units = zip(*self._fed, strict=True)
        dead = [1 - np.mean(np.any(units, axis=0)) for units in zip(*open_units, strict=True)]
        return np.average(np.array(saturated), axis=0, weights=counts), np.array(dead)


def _relative_loss(profile):
    """Over that of the best constant outputs; NaN on rows that are all alike."""
    constant = baseline(profile.network.loss, profile.y)
    return profile.mean_loss / constant if constant > 0 else math.nan


def _arrays(name, values, layers=None):
    """The arrays of a list with one per layer, None if it is None."""
    if values is None:
        return None
    arrays = [as_array(value) for value in listed(name, values)]
    if layers is not None and len(arrays) != layers:
        raise ValueError(f"{name} must hold {layers} arrays, one per layer, got {len(arrays)}")
    if not arrays:
        raise ValueError(f"{name} must hold an array per layer, got none")
    for layer, array in enumerate(arrays, start=1):
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{name} of layer {layer} must hold finite real numbers")
    return arrays


def _rms(array):
    flat = array.astype(np.float64).ravel()
    return math.sqrt(flat @ flat / flat.size)


def _log10_rms(arrays):
    return np.array([math.log10(rms) if (rms := _rms(array)) else -math.inf for array in arrays])


def _update_ratio(updates, weights):
    """log10 of RMS(update) / RMS(weight) per layer; weights that are all 0 give inf, or NaN if they stay so."""
    with np.errstate(invalid="ignore"):
        return _log10_rms(updates) - _log10_rms(weights)
