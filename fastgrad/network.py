"""A multilayer perceptron: weights, loss and gradients."""

import math
import secrets
from functools import cached_property
from itertools import pairwise

import numpy as np

from fastgrad import activations, draws, initializers, kernels
from fastgrad._validation import arrays_of_layers, data_matrix, float_dtype, known, layer_sizes, listed, real_number
from fastgrad.dense import affine_backward, affine_forward
from fastgrad.losses import LOSSES, SCALED, accuracy, check_n_out, check_targets, r_squared


def _plain(array, dtype=None):
    return np.require(array, dtype, ["C", "A"])


class MLP:
    """A multilayer perceptron: dense hidden layers of one activation, an affine output layer and a loss.

    Parameters
    ----------
    sizes : sequence of int
        ``[n_in, n_1, ..., n_out]``: features, one width per hidden layer (at least one), outputs.
    activation : str or Activation
    init : str or Initializer
    seed : int, SeedSequence or None
        A weight depends on the seed, its layer and its place in it alone; float32 and float64 draw the same network.
        None is fresh entropy: another network every time, which the number that ``seed`` then holds draws again.
    dtype : {"float32", "float64"}
    loss : {"cross_entropy", "mse"}
        Softmax cross-entropy on integer labels, or mean squared error over batch and outputs.
    bias_std : float, optional
        Biases are normal with this standard deviation; without it they are what the initializer says.
    backend : {"compiled", "numba", "numpy"}
        What runs the activation.

    Attributes
    ----------
    weights, biases : list of ndarray
        Shapes ``(fan_in, fan_out)`` and ``(fan_out,)``, from the input to the output. They may be replaced by
        others of the same shape and dtype; the next call says so if they are not.
    activation : Activation
    initializer : Initializer
    sizes : tuple of int
    seed, dtype, loss, bias_std, backend
        As given; ``dtype`` is a ``numpy.dtype``, and ``seed`` an integer if None was given.

    Raises
    ------
    ValueError
        If a name is unknown, a size is below 1, there is no hidden layer, a softmax would have one class, or
        ``bias_std`` is negative or not finite.
    TypeError
        If a size or the seed is not an integer, or the dtype is not float32 or float64.
    ImportError
        If the backend is not installed.
    """

    def __init__(
        self,
        sizes,
        activation="relu",
        init="he_normal",
        seed=0,
        dtype="float32",
        loss="cross_entropy",
        bias_std=None,
        backend="compiled",
    ):
        self.sizes = layer_sizes(sizes)
        check_n_out(known("loss", loss, LOSSES), self.sizes[-1])
        kernels.get(backend)
        self.activation = activations.activation(activation)
        self.initializer = initializers.initializer(init)
        self.seed = secrets.randbits(128) if seed is None else draws.check_seed(seed)
        self.dtype = float_dtype(dtype)
        self.loss = loss
        self.bias_std = None if bias_std is None else real_number("bias_std", bias_std, minimum=0.0)
        self.backend = backend

    # Design: parameters are drawn when first used, and `del net.weights` makes them be drawn again: what
    #         needs a network's description only (theory, a measurement over many seeds) does not hold them.

    @cached_property
    def weights(self) -> list[np.ndarray]:
        """One ``(fan_in, fan_out)`` array per layer, input to output."""
        return self._drawn(0, self._shapes)

    @cached_property
    def biases(self) -> list[np.ndarray]:
        """One ``(fan_out,)`` array per layer, from streams of their own: biases do not change the weights."""
        return self._drawn(1, self._bias_shapes)

    def _drawn(self, which, shapes):
        """Weights, 0, or biases, 1, each array from a stream of its own."""
        (kind, scales), key = self.draws()[which], draws.key(self.seed)
        layers = enumerate(zip(shapes, scales, strict=True))
        return [draws.drawn(shape, kind, scale, key, 2 * layer + which, self.dtype) for layer, (shape, scale) in layers]

    def draws(self):
        """How weights and biases are drawn, here and by ``compiled.profiles``: a distribution and scales of each."""
        rule, dtype, shapes = self.initializer, self.dtype, self._shapes
        kind, what = rule.distribution, f"weights of {rule}"
        weights = [draws.scale(what, kind, math.sqrt(rule.weight_variance(*shape)), dtype) for shape in shapes]
        if self.bias_std is not None:
            biases = "normal", [draws.scale("biases", "normal", self.bias_std, dtype)] * len(shapes)
        else:
            what = f"biases of {rule}"
            biases = kind, [draws.scale(what, kind, math.sqrt(rule.bias_variance(*s)), dtype) for s in shapes]
        return (kind, np.array(weights)), (biases[0], np.array(biases[1]))

    def like(self, **changes) -> "MLP":
        """A network of the same description but for what is changed; its weights and biases are drawn, not taken over.

        Parameters
        ----------
        **changes
            Parameters of :class:`MLP` by name, such as ``activation="relu", init="he_normal"``. The others, ``seed``
            and ``bias_std`` among them, are those of this network, so that ``net.like()`` is the network as it was
            drawn.

        Returns
        -------
        MLP

        Raises
        ------
        TypeError
            If :class:`MLP` has no parameter of that name. Its own errors are raised too.
        """
        same = {
            "sizes": self.sizes, "activation": self.activation, "init": self.initializer, "seed": self.seed,
            "dtype": self.dtype, "loss": self.loss, "bias_std": self.bias_std, "backend": self.backend,
        }  # fmt: skip
        return type(self)(**same | changes)

    def with_parameters(self, weights, biases) -> "MLP":
        """A network of the same description with copies of these weights and biases.

        Parameters
        ----------
        weights, biases : sequence of ndarray
            One ``(fan_in, fan_out)`` and one ``(fan_out,)`` array per layer, of this network's dtype and of any layout.

        Returns
        -------
        MLP
            Its arrays are C-contiguous and its own: what changes them changes neither this network nor those given.

        Raises
        ------
        ValueError
            If a shape or the number of layers does not fit.
        TypeError
            If something is not an array or has another dtype.
        """
        arrays_of_layers("weight", weights, self._shapes, self.dtype)
        arrays_of_layers("bias", biases, self._bias_shapes, self.dtype)
        other = self.like()
        other.weights, other.biases = ([array.copy("C") for array in arrays] for arrays in (weights, biases))
        return other

    def __repr__(self) -> str:
        return (
            f"MLP({list(self.sizes)}, activation={str(self.activation)!r}, init={str(self.initializer)!r}, "
            f"seed={self.seed!r}, dtype={self.dtype.name!r}, loss={self.loss!r}, bias_std={self.bias_std!r})"
        )

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.sizes) - 2

    @np.errstate(over="ignore", invalid="ignore")  # a network that overflows answers inf or NaN
    def forward(self, X) -> np.ndarray:
        """The outputs, shape (batch, n_out), of X, shape (batch, n_in): logits if the loss is the cross-entropy.

        Errors concerning X are those of :meth:`loss_and_gradients`.
        """
        self.check_parameters()
        h = self.check_data(X)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = affine_forward(h, weight, bias)
            h = self.activation(z, out=z, backend=self.backend)
        return affine_forward(h, self.weights[-1], self.biases[-1])

    def predict(self, X) -> np.ndarray:
        """The label of each row, int64, shape (batch,); for the mean squared error the values, as :meth:`forward`.

        A label is the index of the largest output, of equals the first. ValueError if an output is NaN, as there is no
        largest then; other errors are those of :meth:`forward`.
        """
        outputs = self.forward(X)
        if self.loss == "mse":
            return outputs
        bad = np.flatnonzero(np.isnan(outputs).any(axis=1))
        if bad.size:
            raise ValueError(f"the network overflows: the outputs of row {bad[0]} are NaN, and no label is the largest")
        return outputs.argmax(axis=1).astype(np.int64, copy=False)

    def score(self, X, y) -> float:
        """How good the predictions are: the share of right labels, or R^2 for the mean squared error.

        R^2 is scikit-learn's: the mean over the outputs, and for constant targets 1 if they are met exactly and else 0;
        of a single row, and where the network overflows, it is NaN. X, y and the errors are those of
        :meth:`loss_and_gradients` and :meth:`predict`.
        """
        y = self.check_targets(y, len(self.check_data(X)))
        return (accuracy if self.loss == "cross_entropy" else r_squared)(self.predict(X), y)

    def loss_and_gradients(self, X, y, *, out=None) -> tuple[float, list[tuple[np.ndarray, np.ndarray]]]:
        """The mean loss over a batch and its gradients by plain backpropagation, as training uses them.

        What lies below the dtype's range comes out as 0; ``gradient_profile`` measures it all the same.

        Parameters
        ----------
        X : array_like, shape (batch, n_in)
            Finite real numbers.
        y : array_like
            Integer labels, shape (batch,), or for the mean squared error targets, shape (batch, n_out); those of one
            output may have shape (batch,).
        out : list of (dweight, dbias), optional
            What an earlier call returned, to be written over: C-contiguous arrays of the weights' and biases' shapes
            and dtype.

        Returns
        -------
        loss : float
        gradients : list of (dweight, dbias)
            One pair per layer, input to output, shaped as ``weights`` and ``biases``.

        Raises
        ------
        ValueError
            If a shape does not fit, the batch is empty, a value is NaN or infinite, a label is out of range,
            or weights, biases or ``out`` have the wrong shape or layout.
        TypeError
            If X, y, weights, biases or ``out`` have the wrong dtype.
        """
        compiled = kernels.get("compiled") if self.backend == "compiled" else None
        found = compiled and compiled.loss_and_gradients(*self.kind(), self.weights, self.biases, X, y, out)
        if not found:  # an array is to be converted, or wrong
            X, y = self.check(X, y)
            dweights, dbiases = gradients = self._gradient_arrays(out)
            pairs = list(zip(dweights, dbiases, strict=True))
            if compiled:
                found = compiled.loss_and_gradients(*self.kind(), *self.plain_arrays(X, y), pairs)
            else:
                found = self.plain_pass(X, y, *gradients)[0], pairs
        return found

    @np.errstate(over="ignore", invalid="ignore")
    def plain_pass(self, X, y, dweights, dbiases):
        """(loss, outputs) layer by layer with NumPy's products; the gradients go to the lists; nothing is checked."""
        hs, ds = [X], []  # layer inputs, (batch, fan_in); phi' of the hidden layers, (batch, fan_out)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = affine_forward(hs[-1], weight, bias)
            h, d = self.activation.value_and_derivative(z, out=(z, np.empty_like(z)), backend=self.backend)
            hs.append(h)
            ds.append(d)
        outputs = affine_forward(hs[-1], self.weights[-1], self.biases[-1])
        loss, delta, exponent = SCALED[self.loss](outputs, y)

        delta = np.ldexp(delta, exponent)
        for layer in reversed(range(self.depth + 1)):
            dh, dweights[layer][...], dbiases[layer][...] = affine_backward(
                delta, hs[layer], self.weights[layer], need_dx=layer > 0
            )
            if layer > 0:
                delta = np.multiply(dh, ds[layer - 1], out=dh)  # h = phi(z), d = phi'(z)
        return loss, outputs

    def _gradient_arrays(self, out):
        """What a list of (dweight, dbias) holds, as two lists; new arrays without one."""
        if out is None:
            return kernels.get("compiled").gradient_arrays(self.sizes, self.dtype)
        pairs = [listed("out's pairs (dweight, dbias)", pair) for pair in listed("out", out)]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("out must hold a pair (dweight, dbias) per layer")
        dweights, dbiases = ([pair[i] for pair in pairs] for i in (0, 1))
        arrays_of_layers("dweight of out", dweights, self._shapes, self.dtype)
        arrays_of_layers("dbias of out", dbiases, self._bias_shapes, self.dtype)
        if not all(array.flags.carray for array in (*dweights, *dbiases)):
            raise ValueError("out must hold C-contiguous, aligned, writeable arrays")
        return list(map(np.asarray, dweights)), list(map(np.asarray, dbiases))

    def gradient_profile(self, X, y, *, recompute=False):
        """How delta and dL/dW change from layer to layer: a :class:`fastgrad.decay.GradientProfile`.

        X, y and the errors are those of :meth:`loss_and_gradients`, ``recompute`` is that of
        :func:`fastgrad.decay.profile`.
        """
        from fastgrad.decay import profile

        return profile(self, X, y, recompute=recompute)

    def kind(self):
        """What the compiled passes are told of this network before its arrays."""
        return self.sizes, self.dtype, self.activation.name, self.activation.parameter, self.loss == "cross_entropy"

    def plain_arrays(self, X, y):
        """(weights, biases, X, y) as C code reads them; X and y are checked ones."""
        weights, biases = ([_plain(a) for a in arrays] for arrays in (self.weights, self.biases))
        return weights, biases, *self.plain_data(X, y)

    def plain_data(self, X, y):
        """X and y, which are checked, as C code reads them."""
        return _plain(X), _plain(y, np.int64 if self.loss == "cross_entropy" else self.dtype)

    def check(self, X, y):
        """X and y as this network wants them, or the error that says what is wrong with them or the parameters."""
        self.check_parameters()
        X = self.check_data(X)
        return X, self.check_targets(y, len(X))

    def check_parameters(self) -> None:
        """ValueError or TypeError unless weights and biases are arrays of the network's shapes and dtype."""
        arrays_of_layers("weight", self.weights, self._shapes, self.dtype)
        arrays_of_layers("bias", self.biases, self._bias_shapes, self.dtype)

    @cached_property
    def _shapes(self):
        return tuple(pairwise(self.sizes))

    @cached_property
    def _bias_shapes(self):
        return tuple((n,) for n in self.sizes[1:])

    def check_data(self, X) -> np.ndarray:
        """X as a finite (batch, n_in) array of this network's dtype, or the error that says why not."""
        return data_matrix("X", X, (None, self.sizes[0]), self.dtype)

    def check_targets(self, y, batch: int) -> np.ndarray:
        """y as the loss wants it for this many rows, or the error that says why not."""
        return check_targets(self.loss, y, batch, self.sizes[-1], self.dtype)
