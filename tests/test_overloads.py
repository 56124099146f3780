"""fastgrad's functions inside compiled user code, found through the entry point."""

import subprocess
import sys

import numba
import numpy as np
import pytest

import fastgrad
from fastgrad import initializers, kernels

FUNCTIONS = [getattr(fastgrad, name + suffix) for name in fastgrad.ACTIVATIONS for suffix in ("", "_derivative")]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_scalars_and_arrays_give_the_kernels_bits(function):
    @numba.njit
    def of_scalar(x):
        return function(x)

    @numba.njit
    def of_array(x):
        return function(x)

    name = function.__name__.removesuffix("_derivative")
    kind = "value" if name == function.__name__ else "derivative"
    face = kernels.get("numba")  # the arithmetic of numbers, whatever set the compiled kernels have chosen
    for dtype in (np.float32, np.float64, np.int64):
        z = np.linspace(-12, 12, 96).astype(dtype)
        true = getattr(face, kind)(name, z, fastgrad.activation(name).parameter)
        np.testing.assert_array_equal([of_scalar(number) for number in z], true)
        true = function(z)  # of arrays the kernel itself
        for given, wanted in ((z, true), (z.reshape(8, 12)[:, ::-2], true.reshape(8, 12)[:, ::-2])):
            for array in (given, np.asfortranarray(given)):
                got = of_array(array)
                assert got.dtype == wanted.dtype
                np.testing.assert_array_equal(got, wanted)
    assert of_array(np.empty((0, 3))).shape == (0, 3)


def test_large_arrays_that_c_cannot_read_as_they_are():
    """Memory of a copy would be given back to the system before the kernel reads it."""
    run = numba.njit(lambda x: (fastgrad.elu(x), fastgrad.value_and_derivative("tanh", x)[1]))
    strided = np.random.default_rng(0).standard_normal((1000, 2000)).astype(np.float32)[:, ::2]
    for z in (strided, np.arange(-500_000, 500_000), np.ones((300, 400), bool)):
        y, d = run(z)
        np.testing.assert_array_equal(y, fastgrad.elu(z))
        np.testing.assert_array_equal(d, fastgrad.value_and_derivative("tanh", z)[1])


def test_an_expression_of_arrays_calls_the_kernel():
    """Numba would make one loop over the formula of a ufunc's expression, which is slower than the kernel."""
    z = np.linspace(-9, 9, 999).astype(np.float32)
    run = numba.njit(lambda x: 2 * fastgrad.tanh(3 * x) + fastgrad.sigmoid(x))
    np.testing.assert_array_equal(run(z), 2 * fastgrad.tanh(3 * z) + fastgrad.sigmoid(z))
    assert "fastgrad_table_value" in next(iter(run.inspect_llvm().values()))


def _layer(shape, fan_out, dtype):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal(shape), rng.standard_normal((shape[-1], fan_out))
    return [array.astype(dtype) for array in (x, weight, rng.standard_normal(fan_out))]


@numba.njit
def _forward(x, weight, bias):
    return fastgrad.dense_forward(x, weight, bias, "elu")


@numba.njit
def _without_bias(x, weight):
    return fastgrad.dense_forward(x, weight)


@numba.njit
def _backward(dy, d, x, weight):
    return fastgrad.dense_backward(dy, d, x, weight)


def _assert_equal(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7), (7,), (0, 7), (33, 40)], ids=str)
def test_layers_have_the_bits_of_the_same_call_outside(shape, dtype):
    x, weight, bias = _layer(shape, 9, dtype)
    y, d = fastgrad.dense_forward(x, weight, bias, "elu")
    _assert_equal(_forward(x, weight, bias), (y, d))
    _assert_equal(_without_bias(x, weight), fastgrad.dense_forward(x, weight))
    dy = np.cos(y)
    _assert_equal(_backward(dy, d, x, weight), fastgrad.dense_backward(dy, d, x, weight))


def test_layers_of_arrays_that_c_cannot_read_as_they_are():
    x, weight, bias = _layer((400, 300), 200, "float32")
    given = np.asfortranarray(x), weight[::-1, ::2], bias[::2].astype(np.float64)
    wanted = fastgrad.dense_forward(*given, "elu")
    _assert_equal(_forward(*given), wanted)
    back = np.asfortranarray(wanted[0]), wanted[1][::-1], *given[:2]
    _assert_equal(_backward(*back), fastgrad.dense_backward(*back))


def test_layers_refuse_what_does_not_fit():
    x, weight, bias = _layer((5, 7), 9, "float32")
    y, d = _forward(x, weight, bias)
    for says, call in {
        "an input and an output": lambda: _forward(x[:, :0], weight[:0], bias),
        "as long as weight has rows": lambda: _forward(x, weight[:3], bias),
        "as long as weight has columns": lambda: _forward(x, weight, bias[:2]),
        "shape of the layer's output": lambda: _backward(y[:2], d, x, weight),
    }.items():
        with pytest.raises(ValueError, match=says):
            call()
    for says, function in {
        "did you mean 'tanh'": lambda x, w, b: fastgrad.dense_forward(x, w, b, "tahn"),
        "takes no out=": lambda x, w, b: fastgrad.dense_forward(x, w, b, "tanh", out=(x, x)),
        "takes a bias": lambda x, w, b: fastgrad.dense_forward(x, w, w),
        "takes x": lambda x, w, b: fastgrad.dense_forward(x, b),
    }.items():
        with pytest.raises(numba.TypingError, match=says):
            numba.njit(function)(x, weight, bias)


@pytest.mark.parametrize("name", initializers.INITIALIZERS)
def test_initial_weights_have_the_bits_of_the_same_call_outside(name):
    function = getattr(initializers, name)

    @numba.njit
    def single(rows, columns, seed):
        return function((rows, columns), rng=seed)

    @numba.njit
    def double(rows, columns, seed):
        return function((rows, columns), rng=seed, dtype=np.float64)

    for seed in (0, 5, 2**40 + 1):
        _assert_equal([single(9, 300, seed)], [function((9, 300), rng=seed)])
        _assert_equal([double(9, 300, seed)], [function((9, 300), rng=seed, dtype=np.float64)])


def test_initial_weights_take_options_and_draw_others_at_every_call_without_a_seed():
    @numba.njit
    def run():
        he = initializers.kaiming_normal((3, 4), 0.2, mode="fan_avg", rng=1)
        return he, initializers.normal((3, 4), std=2.0, rng=1), initializers.xavier_uniform((3, 4), gain=5 / 3, rng=1)

    rules = initializers.kaiming_normal, initializers.normal, initializers.xavier_uniform
    options = ({"negative_slope": 0.2, "mode": "fan_avg"}, {"std": 2.0}, {"gain": 5 / 3})
    _assert_equal(run(), [rule((3, 4), rng=1, **given) for rule, given in zip(rules, options, strict=True)])
    fresh = numba.njit(lambda: initializers.he_normal((3, 4)))
    assert (fresh() != fresh()).all()


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, np.uint64(2**64 - 1)])
def test_the_key_of_a_seed(seed):
    from fastgrad.in_numba import weights

    np.testing.assert_array_equal(weights._key(seed), np.random.SeedSequence(int(seed)).generate_state(4))


@pytest.mark.parametrize(
    ("says", "call"),
    [
        ("must be at least 1", lambda: initializers.he_normal((0, 4), rng=1)),
        ("negative_slope must be from 0", lambda: initializers.he_normal((3, 4), -1.0, rng=1)),
        ("mode must be", lambda: initializers.he_normal((3, 4), mode="fan", rng=1)),
        ("gain must be from", lambda: initializers.xavier_normal((3, 4), gain=0.0, rng=1)),
        ("std must be 0 or from", lambda: initializers.normal((3, 4), float("nan"), rng=1)),
        ("at least 0", lambda: initializers.xavier_normal((3, 4), rng=-1)),
        ("too large for the dtype", lambda: initializers.normal((3, 4), 1e100, rng=1)),
        ("a shape .fan_in, fan_out.", lambda: initializers.xavier_normal(3, rng=1)),
        ("float32 or float64 as dtype", lambda: initializers.xavier_normal((3, 2), rng=1, dtype=np.int64)),
        ("an integer as rng", lambda: initializers.xavier_normal((3, 2), rng=1.5)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_initial_weights_refuse_what_is_wrong(says, call):
    with pytest.raises((ValueError, numba.TypingError), match=says):
        numba.njit(call)()


def test_parameters():
    @numba.njit
    def run(x):
        return fastgrad.elu(x, 0.5), fastgrad.elu(x, alpha=2.0), fastgrad.leaky_relu(x, negative_slope=0.3)

    assert run(-1.0) == (fastgrad.elu(-1.0, 0.5), fastgrad.elu(-1.0, 2.0), fastgrad.leaky_relu(-1.0, 0.3))


@pytest.mark.parametrize("name", fastgrad.ACTIVATIONS)
def test_value_and_derivative_in_one_pass(name):
    @numba.njit
    def run(x):
        return fastgrad.value_and_derivative(name, x)

    z = np.linspace(-12, 12, 96).reshape(8, 12).astype(np.float32)[::2]
    for got, wanted in zip(run(z), fastgrad.value_and_derivative(name, z), strict=True):
        np.testing.assert_array_equal(got, wanted)
    face = kernels.get("numba")
    true = face.value_and_derivative(name, z[:1, :1], fastgrad.activation(name).parameter)
    assert run(z[0, 0]) == (true[0][0, 0], true[1][0, 0])


def test_what_numba_has_cached_runs_in_another_process(tmp_path):
    """The kernels are called by name: code with their address would call into nowhere."""
    (tmp_path / "cached.py").write_text(
        "import numba, numpy as np, fastgrad\n"
        "@numba.njit(cache=True)\n"
        "def run(x):\n"
        "    return fastgrad.elu(x), fastgrad.value_and_derivative('tanh', x)[1]\n"
        "z = np.linspace(-9, 9, 999)\n"
        "y, d = run(z)\n"
        "assert (y == fastgrad.elu(z)).all() and (d == fastgrad.tanh_derivative(z)).all()\n"
        "print(sum(run.stats.cache_hits.values()))\n"
    )
    for hits in ("0", "1"):
        done = subprocess.run([sys.executable, "cached.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, hits), done.stderr


def test_value_and_derivative_takes_parameters_and_refuses_the_rest():
    @numba.njit
    def run(x):
        one = fastgrad.value_and_derivative("elu", x, alpha=0.5)
        return one[1], fastgrad.value_and_derivative("leaky_relu", x, negative_slope=0.3)[1]

    assert run(-1.0) == (fastgrad.elu_derivative(-1.0, 0.5), 0.3)
    wrong = {
        "did you mean 'tanh'": lambda x: fastgrad.value_and_derivative("tahn", x),
        "takes no out=": lambda x: fastgrad.value_and_derivative("tanh", x, (x, x)),
    }
    for says, function in wrong.items():
        with pytest.raises(numba.TypingError, match=says):
            numba.njit(function)(np.ones(3))
    with pytest.raises(numba.TypingError, match="takes a literal name"):
        numba.njit(lambda name, x: fastgrad.value_and_derivative(name, x))("tanh", 1.0)


def test_a_read_only_array():
    z = np.linspace(-2, 2, 9)
    z.flags.writeable = False
    np.testing.assert_array_equal(numba.njit(lambda x: fastgrad.relu(x))(z), fastgrad.relu(z))


def test_other_types_are_refused():
    @numba.njit
    def run(x):
        return fastgrad.tanh(x)

    with pytest.raises(numba.TypingError, match="complex128"):
        run(1j)


def test_a_user_of_numba_pays_for_the_names_only():
    """The entry point registers without an import of the user's; what compiles our functions waits for the first."""
    code = """if True:
        import sys, numba
        ours = lambda: sorted(name for name in sys.modules if name.startswith("fastgrad"))
        numba.njit(lambda x: x + 1)(1)
        assert "fastgrad.in_numba" in ours() and "fastgrad.kernels.jit" not in ours(), ours()
        import fastgrad
        print(numba.njit(lambda x: fastgrad.tanh(x))(0.5))
        assert "fastgrad.kernels.jit" in ours()
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) == float(fastgrad.tanh(0.5))
