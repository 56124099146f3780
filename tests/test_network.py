"""Networks: gradients against complex step and PyTorch, reproducible parameters, clear errors."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import checks_network
import numpy as np
import pytest
from checks_network import LIMIT, assert_all_close, data

import fastgrad
from fastgrad.activations import ACTIVATIONS
from fastgrad.initializers import initializer
from fastgrad.losses import LOSSES
from fastgrad.network import MLP

BACKENDS = ["compiled", "numba", "numpy"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_against_complex_step(name, loss, dtype, backend):
    if backend == "numba":
        pytest.importorskip("numba")
    checks_network.gradients(name, loss, dtype, backend)


def test_the_test_sees_wrong_gradients():
    net = MLP([3, 5, 4, 3], "tanh", "xavier_normal", dtype="float64", backend="numpy")
    X, y = data("cross_entropy")
    _, good = net.loss_and_gradients(X, y)
    for wrong in (
        [(w * (1 + 1e-8), b) for w, b in good],
        [(w, b * len(X)) for w, b in good],  # the sum of the loss where the mean is meant
        [(w * np.nan, b) for w, b in good],
    ):
        with pytest.raises(AssertionError):
            assert_all_close(wrong, good, LIMIT["float64"])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_against_pytorch(name, loss, dtype):
    """PyTorch always in float64, on the same parameters: its float32 tanh backward is less accurate."""
    torch = pytest.importorskip("torch")
    net = MLP([20, *[32] * 8, 10], name, "he_normal", seed=2, dtype=dtype, loss=loss, bias_std=0.1, backend="numpy")
    X, y = data(loss, 20, 10, 16)
    value, gradients = net.loss_and_gradients(X, y)

    parameters = [
        [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in pair]
        for pair in zip(net.weights, net.biases, strict=True)
    ]
    F = torch.nn.functional
    h = torch.tensor(X, dtype=torch.float64)
    for weight, bias in parameters[:-1]:
        h = getattr(F, name)(h @ weight + bias)
    outputs = h @ parameters[-1][0] + parameters[-1][1]
    target = torch.tensor(y)
    total = F.cross_entropy(outputs, target) if loss == "cross_entropy" else F.mse_loss(outputs, target)
    total.backward()
    assert abs(value / total.item() - 1) <= LIMIT[dtype]
    assert_all_close(gradients, [[p.grad.numpy() for p in pair] for pair in parameters], LIMIT[dtype])
    assert_all_close([[net.forward(X)]], [[outputs.detach().numpy()]], LIMIT[dtype])


def test_layer_streams_depend_on_seed_and_layer_alone():
    one = MLP([7, 6, 5, 4, 3], seed=3, backend="numpy")
    other = MLP([9, 8, 5, 4, 3, 2], seed=3, bias_std=1.0, backend="numpy")
    assert np.array_equal(one.weights[2], other.weights[2])
    assert not np.array_equal(one.weights[2], MLP([7, 6, 5, 4, 3], seed=4, backend="numpy").weights[2])
    assert np.array_equal(one.weights[2], initializer("he_normal").weight((5, 4), 3, stream=4))
    square = MLP([4, 4, 4, 4], seed=3, backend="numpy").weights
    assert not np.array_equal(square[0], square[1])


def test_seed_sequence_is_a_seed():
    root = np.random.SeedSequence(3)
    first, again = (MLP([7, 6, 5], seed=root, backend="numpy") for _ in range(2))
    assert np.array_equal(first.weights[1], again.weights[1])
    assert np.array_equal(first.weights[1], MLP([7, 6, 5], seed=3, backend="numpy").weights[1])


def test_no_seed_is_a_network_that_its_own_seed_draws_again():
    """SPEC 7: None is fresh entropy; what came of it is kept, so that ``del``, pickle and repr mean this network."""
    one, other = (MLP([7, 6, 5], seed=None, init="torch_linear", backend="numpy") for _ in range(2))
    assert not np.array_equal(one.weights[1], other.weights[1])
    again = MLP([7, 6, 5], seed=one.seed, init="torch_linear", backend="numpy")
    for mine, theirs in zip(one.weights + one.biases, again.weights + again.biases, strict=True):
        assert np.array_equal(mine, theirs)
    assert repr(one) == repr(again)
    kept = one.weights[1]
    del one.weights
    assert np.array_equal(one.weights[1], kept)


def test_parameters_may_be_replaced_and_drawn_again():
    net = MLP([4, 3, 2], seed=1, backend="numpy")
    drawn = [w.copy() for w in net.weights]
    net.weights = [0 * w for w in drawn]
    assert not net.forward(np.ones((1, 4))).any()
    del net.weights
    assert all(np.array_equal(a, b) for a, b in zip(net.weights, drawn, strict=True))


def test_biases():
    assert all(not b.any() for b in MLP([4, 3, 2], backend="numpy").biases)
    torch_like = MLP([4, 3, 2], init="torch_linear", backend="numpy")
    assert [b.shape for b in torch_like.biases] == [(3,), (2,)]
    assert all(b.all() for b in torch_like.biases)
    assert not np.array_equal(torch_like.biases[0], torch_like.weights[0].ravel()[:3])  # streams of their own
    assert all(not b.any() for b in MLP([4, 3, 2], init="torch_linear", bias_std=0, backend="numpy").biases)
    wide = np.concatenate(MLP([1, 20_000, 20_000, 2], bias_std=0.5, init="normal", backend="numpy").biases[:1])
    assert abs(wide.astype(np.float64).std() / 0.5 - 1) <= 5 / np.sqrt(2 * wide.size)


def test_attributes_and_repr():
    net = MLP([4, 3, 3, 2], "elu", "xavier_uniform", 5, "float64", "mse", 0.1, "numpy")
    assert (net.sizes, net.depth, net.seed, net.loss, net.bias_std) == ((4, 3, 3, 2), 2, 5, "mse", 0.1)
    assert net.dtype == np.float64
    assert str(net.activation) == "elu(alpha=1)"
    assert net.initializer == initializer("glorot_uniform")
    assert repr(net) == (
        "MLP([4, 3, 3, 2], activation='elu(alpha=1)', init='xavier_uniform', seed=5, "
        "dtype='float64', loss='mse', bias_std=0.1)"
    )


def test_overflow_is_not_hidden():
    net = MLP([4, *[8] * 60, 2], "relu", initializer("normal", std=10.0), backend="numpy")
    X, y = data("cross_entropy", 4, 2)
    loss, gradients = net.loss_and_gradients(X, y)
    assert np.isnan(loss)
    assert np.isnan(gradients[0][0]).any()


NET = MLP([4, 3, 2], backend="numpy")
REGRESSION = MLP([4, 3, 2], loss="mse", backend="numpy")
X, Y = np.ones((5, 4)), np.zeros(5, int)


def with_bad(row, value):
    bad = X.copy()
    bad[row:, 1] = value
    return bad


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: MLP([4, 2]),
            ValueError,
            "sizes must be [n_in, hidden ..., n_out] with a hidden layer, got [4, 2]",
        ),
        (lambda: MLP(4), TypeError, "sizes must be [n_in, hidden ..., n_out], got 4"),
        (lambda: MLP([4, 0, 2]), ValueError, "sizes[1] must be at least 1, got 0"),
        (lambda: MLP([4, 3.5, 2]), TypeError, "sizes[1] must be an integer, got 3.5"),
        (lambda: MLP([4, "3", 2]), TypeError, "sizes[1] must be an integer, got '3'"),
        (
            lambda: MLP([4, 3, 1]),
            ValueError,
            "the cross-entropy needs at least 2 outputs, one per class, got 1",
        ),
        (lambda: MLP([4, 3, 2], "rleu"), ValueError, "unknown activation 'rleu'; did you mean 'relu'?"),
        (lambda: MLP([4, 3, 2], init="he_norml"), ValueError, "did you mean 'he_normal'?"),
        (
            lambda: MLP([4, 3, 2], loss="cross_entorpy"),
            ValueError,
            "unknown loss 'cross_entorpy'; did you mean 'cross_ent",
        ),
        (lambda: MLP([4, 3, 2], backend="compield"), ValueError, "did you mean 'compiled'?"),
        (
            lambda: MLP([4, 3, 2], dtype="float16"),
            TypeError,
            "dtype must be float32 or float64, got 'float16': weights, losses and gradients are not kept in it",
        ),
        (lambda: MLP([4, 3, 2], dtype=complex), TypeError, "dtype must be float32 or float64"),
        (lambda: MLP([4, 3, 2], seed=-1), ValueError, "a seed must be at least 0, got -1"),
        (lambda: MLP([4, 3, 2], seed=1.5), TypeError, "a seed must be an integer"),
        (lambda: MLP([4, 3, 2], bias_std=-0.1), ValueError, "bias_std must be at least 0, got -0.1"),
        (lambda: MLP([4, 3, 2], bias_std=np.nan), ValueError, "bias_std must be finite, got nan"),
        (lambda: NET.predict(X[0]), ValueError, "X must have shape (any, 4), got (4,)"),
        (lambda: NET.predict(X[:, :3]), ValueError, "X must have shape (any, 4), got (5, 3)"),
        (lambda: NET.predict(X[:0]), ValueError, "X is an empty batch: it has no rows"),
        (
            lambda: NET.predict(with_bad(2, np.nan)),
            ValueError,
            "X must be finite in float32, but row 2 holds NaN",
        ),
        (
            lambda: NET.predict(with_bad(3, 1e300)),
            ValueError,
            "X must be finite in float32, but row 3 holds NaN or inf",
        ),
        (lambda: NET.predict(X * 1j), TypeError, "X must hold real numbers, got dtype complex128"),
        (lambda: NET.predict(X.astype(object)), TypeError, "X must hold real numbers, got dtype object"),
        (lambda: NET.loss_and_gradients(X, Y[:4]), ValueError, "y must have shape (5,), one label per row"),
        (
            lambda: NET.loss_and_gradients(X, Y + 2),
            ValueError,
            "y must hold labels from 0 to 1, but row 0 holds 2",
        ),
        (
            lambda: NET.loss_and_gradients(X, Y - 1),
            ValueError,
            "y must hold labels from 0 to 1, but row 0 holds -1",
        ),
        (lambda: NET.loss_and_gradients(X, Y * 1.0), TypeError, "y must hold integer labels"),
        (lambda: REGRESSION.loss_and_gradients(X, Y), ValueError, "y must have shape (5, 2), a column for"),
        (
            lambda: REGRESSION.gradient_profile(X, X[:, :2] * np.nan),
            ValueError,
            "y must be finite in float32, but row 0",
        ),
        (lambda: NET.gradient_profile(X, Y[:4]), ValueError, "y must have shape (5,)"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_pickled_networks_are_the_same_networks():
    net = MLP([4, 3, 2], fastgrad.activation("elu", alpha=0.5), "torch_linear", np.random.SeedSequence(5), "float64")
    net.weights[0] *= 2.0  # as training does
    back = pickle.loads(pickle.dumps(net))
    assert repr(back) == repr(net)
    assert all(np.array_equal(a, b) for a, b in zip(back.weights + back.biases, net.weights + net.biases, strict=True))
    assert np.array_equal(back.forward(X), net.forward(X))


def test_a_spawning_seed_sequence_is_the_same_seed():
    root = np.random.SeedSequence(3)
    before = MLP([7, 6, 5], seed=root, backend="numpy").weights[1]
    root.spawn(4)
    assert np.array_equal(before, MLP([7, 6, 5], seed=root, backend="numpy").weights[1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_may_share_a_network(backend):
    """Also one whose parameters and kernels are not there yet."""
    if backend == "numba":
        pytest.importorskip("numba")
    inputs, labels = data("cross_entropy", 20, 5, 64)
    net = MLP([20, *[32] * 4, 5], "elu", dtype="float64", backend=backend)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: net.loss_and_gradients(inputs, labels), range(40)))
    want = MLP([20, *[32] * 4, 5], "elu", dtype="float64", backend=backend).loss_and_gradients(inputs, labels)
    for loss, gradients in found:
        assert loss == want[0]
        for pair, expected in zip(gradients, want[1], strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(pair, expected, strict=True))


@pytest.mark.parametrize("backend", ["compiled", "numba", "numpy"])
def test_out_takes_the_gradients(backend):
    net = fastgrad.MLP([4, 7, 3], seed=1, backend=backend)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 4)), rng.integers(0, 3, 9)
    loss, new = net.loss_and_gradients(X, y)
    out = [(np.full_like(dweight, np.nan), np.full_like(dbias, np.nan)) for dweight, dbias in new]
    again, got = net.loss_and_gradients(X, y, out=out)
    assert again == loss
    for mine, theirs, given in zip(got, new, out, strict=True):
        for i in (0, 1):
            assert mine[i] is given[i]
            np.testing.assert_array_equal(mine[i], theirs[i])
