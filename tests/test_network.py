"""Networks: gradients against complex step and PyTorch, reproducible parameters, clear errors."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import checks_network
import numpy as np
import pytest
from checks_network import LIMIT, assert_all_close, data
from sklearn.metrics import accuracy_score, r2_score

import fastgrad
from fastgrad.activations import ACTIVATIONS
from fastgrad.initializers import initializer
from fastgrad.learning.held_out import evaluate
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


@pytest.mark.parametrize("backend", BACKENDS)
def test_forward_gives_outputs_predict_labels_or_values_and_score_how_good_they_are(backend):
    inputs, labels = data("cross_entropy", 4, 3, 60)
    net = MLP([4, 5, 3], seed=2, backend=backend)
    outputs = net.forward(inputs)
    assert (outputs.shape, outputs.dtype) == ((60, 3), np.float32)
    found = net.predict(inputs)
    assert (found.shape, found.dtype) == ((60,), np.int64)
    assert all(outputs[row, label] == outputs[row].max() for row, label in enumerate(found))
    assert net.score(inputs, found) == 1.0
    assert net.score(inputs, (found + 1) % 3) == 0.0
    assert net.score(inputs, labels) == accuracy_score(labels, found)
    assert net.score(inputs, labels) == evaluate(net, inputs, labels)[1]

    inputs, targets = data("mse", 4, 3, 60)
    net = MLP([4, 5, 3], seed=2, loss="mse", backend=backend)
    assert np.array_equal(net.predict(inputs), net.forward(inputs))
    assert net.score(inputs, net.predict(inputs)) == 1.0
    want = r2_score(targets, net.predict(inputs).astype(np.float64))
    assert want < -0.01
    assert abs(net.score(inputs, targets) / want - 1) <= 1e-13


@pytest.mark.filterwarnings("ignore:R.2 score is not well-defined")  # scikit-learn's for a single row
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_r_squared_is_scikit_learns(rows):
    """Also where targets are constant: met (1), not met (0); and of one row (NaN)."""
    inputs = data("mse", 4, 3, rows)[0]
    net = MLP([4, 5, 3], loss="mse", dtype="float64")
    values = net.predict(inputs)
    net.weights[-1][:, 1] = 0  # the second output is its bias, 0
    for constant in (0.0, 2.0):
        targets = values + np.arange(rows)[:, None] % 3
        targets[:, 1] = constant
        want = r2_score(targets, net.predict(inputs))
        got = net.score(inputs, targets)
        assert np.isnan(got) if rows == 1 else abs(got / want - 1) <= 1e-13
    # 0.1 is no binary number, and the mean of ten of them is another: still constant
    one = MLP([4, 5, 1], loss="mse", dtype="float64")
    assert one.score(np.ones((10, 4)), np.full(10, 0.1)) == 0.0


def test_a_network_that_overflows_has_no_labels():
    net = MLP([4, *[8] * 60, 2], "relu", initializer("normal", std=10.0), backend="numpy")
    assert np.isnan(net.forward(X)).any()
    for call in (lambda: net.predict(X), lambda: net.score(X, Y)):
        with pytest.raises(ValueError, match="the network overflows: the outputs of row 0 are NaN"):
            call()
    values = MLP([4, *[8] * 60, 2], "relu", initializer("normal", std=10.0), loss="mse")
    assert np.isnan(values.predict(X)).any()
    assert np.isnan(values.score(X, X[:, :2]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_targets_of_one_output_may_be_a_vector(backend):
    inputs, y = data("mse", 4, 1, 30)
    net = MLP([4, 5, 1], "tanh", loss="mse", backend=backend)
    (loss, gradients), (same, again) = net.loss_and_gradients(inputs, y[:, 0]), net.loss_and_gradients(inputs, y)
    assert loss == same
    for one, other in zip(gradients, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert np.array_equal(
        net.gradient_profile(inputs, y[:, 0]).log10_delta, net.gradient_profile(inputs, y).log10_delta
    )
    assert net.score(inputs, y[:, 0].tolist()) == net.score(inputs, y)
    assert evaluate(net, inputs, y[:, 0]) == evaluate(net, inputs, y)
    vector, column = (
        fastgrad.measure("tanh", "he_normal", 2, 5, inputs, targets, seeds=[0], loss="mse", backend=backend)
        for targets in (y[:, 0], y)
    )
    assert np.array_equal(vector.log10_delta, column.log10_delta)
    losses = []
    for targets in (y[:, 0], y):
        net = MLP([4, 5, 1], "tanh", loss="mse", backend=backend)
        history = fastgrad.fit(net, inputs, targets, epochs=3, batch_size=5, validation=(inputs, targets))
        losses.append((*history.loss, *history.validation_loss, *net.weights[0].ravel()))
    assert losses[0] == losses[1]


NET = MLP([4, 3, 2], backend="numpy")
LINE = MLP([4, 3, 1], loss="mse", backend="numpy")
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
            "dtype must be float32 or float64, got 'float16': weights are not kept in float16, which",
        ),
        (lambda: MLP([4, 3, 2], dtype=complex), TypeError, "dtype must be float32 or float64"),
        (lambda: MLP([4, 3, 2], seed=-1), ValueError, "a seed must be at least 0, got -1"),
        (lambda: MLP([4, 3, 2], seed=1.5), TypeError, "a seed must be an integer"),
        (lambda: MLP([4, 3, 2], bias_std=-0.1), ValueError, "bias_std must be at least 0, got -0.1"),
        (lambda: MLP([4, 3, 2], bias_std=np.nan), ValueError, "bias_std must be finite, got nan"),
        (lambda: NET.forward(X[0]), ValueError, "X must have shape (any, 4), got (4,)"),
        (lambda: NET.forward(X[:, :3]), ValueError, "X must have shape (any, 4), got (5, 3)"),
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
        (lambda: REGRESSION.score(X, Y), ValueError, "y must have shape (5, 2), a column for each output, got (5,)"),
        (lambda: fastgrad.fit(REGRESSION, X, Y), ValueError, "y must have shape (5, 2), a column for each output, got"),
        (lambda: LINE.loss_and_gradients(X, Y[:4]), ValueError, "y must have shape (5, 1), got (4,)"),
        (lambda: LINE.score(X, Y[None]), ValueError, "y must have shape (5, 1), got (1, 5)"),
        (lambda: NET.score(X, Y + 2), ValueError, "y must hold labels from 0 to 1, but row 0 holds 2"),
        (lambda: NET.score(X[:0], Y[:0]), ValueError, "X is an empty batch: it has no rows"),
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


DESCRIPTION = ("sizes", "activation", "initializer", "seed", "dtype", "loss", "bias_std", "backend")
OTHERS = {
    "sizes": [5, 2, 2, 3], "activation": fastgrad.activation("elu", alpha=0.5), "init": "xavier_uniform", "seed": 8,
    "dtype": "float32", "loss": "cross_entropy", "bias_std": None, "backend": "compiled",
}  # fmt: skip


def unusual():
    """A network that has nothing as it is without saying so."""
    phi = fastgrad.activation("leaky_relu", negative_slope=0.3)
    return MLP([5, 4, 6, 3], phi, "torch_linear", 7, "float64", "mse", 0.5, "numpy")


def described(net):
    return {name: getattr(net, name) for name in DESCRIPTION}


def same_parameters(net, other):
    pairs = zip([*net.weights, *net.biases], [*other.weights, *other.biases], strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("changed", OTHERS)
def test_like_changes_what_is_named_and_nothing_else(changed):
    net, name = unusual(), {"init": "initializer"}.get(changed, changed)
    other = net.like(**{changed: OTHERS[changed]})
    before, after = described(net), described(other)
    assert before.pop(name) != after.pop(name)
    assert before == after


def test_like_is_the_network_as_drawn():
    net = unusual()
    net.biases = [bias + 1 for bias in net.biases]
    assert same_parameters(net.like(), unusual())
    anew = MLP([5, 4, 3], seed=None)
    assert same_parameters(anew.like(), anew)
    assert not same_parameters(anew.like(seed=None), anew)
    with pytest.raises(TypeError, match="'slope'"):
        net.like(slope=0.1)
    with pytest.raises(ValueError, match="unknown loss"):
        net.like(loss="hinge")


def test_with_parameters_copies_them_and_keeps_the_description():
    net = unusual()
    weights, biases = [np.asfortranarray(w + 1) for w in net.weights], [b - 1 for b in net.biases]
    other = net.with_parameters(weights, biases)
    assert described(other) == described(net)
    assert all(np.array_equal(a, b) for a, b in zip(other.weights + other.biases, weights + biases, strict=True))
    assert all(array.flags.c_contiguous for array in other.weights)
    weights[0][...], biases[0][...] = 0, 0
    assert other.weights[0].all()
    assert other.biases[0].all()
    assert same_parameters(net, unusual())


def test_with_parameters_refuses_what_does_not_fit():
    net = unusual()
    wide = [np.ones((w.shape[0], w.shape[1] + 1)) for w in net.weights]
    for weights, biases, kind, message in (
        (wide, net.biases, ValueError, r"layer 1: the weight must have shape \(5, 4\), got \(5, 5\)"),
        (net.weights, net.biases[:2], ValueError, "there must be a bias for each of the 3 layers, got 2"),
        ([w.astype(np.float32) for w in net.weights], net.biases, TypeError, "the weight must be float64, got float32"),
        ([w.tolist() for w in net.weights], net.biases, TypeError, "layer 1: the weight must be an array, got list"),
    ):
        with pytest.raises(kind, match=message):
            net.with_parameters(weights, biases)


def trained_by(contestant):
    """What a contestant of the comparison of training returns for a network like :func:`unusual`'s."""
    from fastgrad.bench import training

    net = MLP([64, 4, 3], "tanh", "xavier_uniform", 7, "float64", "cross_entropy", 0.5, "numpy")
    rng = np.random.default_rng(0)
    train = rng.standard_normal((40, 64)), np.arange(40) % 3
    return net, training.PEERS[contestant](net, train, 0)()


@pytest.mark.parametrize("contestant", ["scikit-learn", "torch"])
def test_the_comparison_of_training_keeps_the_description(contestant):
    pytest.importorskip({"scikit-learn": "sklearn"}.get(contestant, contestant))
    net, trained = trained_by(contestant)
    assert described(trained) == described(net)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_arrays_that_c_code_reads_are_looked_at_in_c_alone(loss, monkeypatch):
    """And the others in Python, with the same numbers."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(7, 5)).astype(np.float32)
    y = np.arange(7) % 3 if loss == "cross_entropy" else rng.normal(size=(7, 3)).astype(np.float32)
    net = fastgrad.MLP([5, 6, 4, 3], "tanh", "xavier_normal", seed=0, loss=loss)
    true, gradients = net.loss_and_gradients(X, y)
    profile = net.gradient_profile(X, y)
    checks = []
    check = fastgrad.MLP.check
    monkeypatch.setattr(fastgrad.MLP, "check", lambda *given: checks.append(1) or check(*given))

    def same(*arrays, checked, **more):
        got, found = net.loss_and_gradients(*arrays, **more)
        assert got == true
        assert all(np.array_equal(a, b) for a, b in zip(sum(found, ()), sum(gradients, ()), strict=True))
        assert np.array_equal(net.gradient_profile(*arrays).log10_delta, profile.log10_delta)
        assert bool(checks) == checked
        checks.clear()

    same(X, y, checked=False)
    same(X, y, checked=False, out=[(np.empty_like(w), np.empty_like(b)) for w, b in gradients])
    same(X.astype(np.float64), y, checked=True)
    same(X.tolist(), y, checked=True)
    same(np.asfortranarray(X), y, checked=True)
    same(X, y.astype(np.int32) if loss == "cross_entropy" else y.astype(np.float64), checked=True)
    net.weights[1] = np.asfortranarray(net.weights[1])
    same(X, y, checked=True)
    net.weights = tuple(map(np.ascontiguousarray, net.weights))
    same(X, y, checked=True)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_one_output_that_is_nan_makes_the_loss_nan(column):
    for backend in ("compiled", "numpy"):
        net = MLP([4, 5, 3], "tanh", backend=backend)
        net.biases[-1][column] = np.nan
        loss, gradients = net.loss_and_gradients(np.ones((2, 4)), [1, 2])
        assert np.isnan(loss)
        assert np.isnan(gradients[0][0]).all()


def test_data_of_the_wrong_width_are_refused_before_room_is_asked_for():
    """A pass over so many rows would take hundreds of gigabytes."""
    net = MLP([4, 4096, 4096, 2])
    X, y = np.zeros((10**7, 5), np.float32), np.zeros(10**7, np.int64)
    for call in (net.loss_and_gradients, net.gradient_profile):
        with pytest.raises(ValueError, match=r"X must have shape \(any, 4\), got \(10000000, 5\)"):
            call(X, y)
