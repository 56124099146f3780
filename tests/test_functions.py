"""The public functions behave as NumPy's own ufuncs do."""

import ctypes
import importlib
import platform

import numpy as np
import oracle
import pytest

import fastgrad
from fastgrad.kernels import compiled

FUNCTIONS = [getattr(fastgrad, name + suffix) for suffix in ("", "_derivative") for name in fastgrad.ACTIVATIONS]
UFUNCS = [function for function in FUNCTIONS if isinstance(function, np.ufunc)]
by_name = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
REAL_TYPES = [np.bool_, *np.typecodes["AllInteger"], np.float16, np.float32, np.float64, np.longdouble]


def z(dtype=np.float32, size=1000):
    return np.random.default_rng(3).normal(0, 5, size).astype(dtype)


@pytest.mark.parametrize("dtype", REAL_TYPES, ids=lambda t: np.dtype(t).name)
@by_name
def test_floating_types_stay_and_other_real_types_go_to_float64(function, dtype):
    x = np.array([0, 1, 1, 0, 1], dtype)
    result = function(x)
    assert result.dtype == (dtype if dtype in (np.float16, np.float32) else np.float64)
    np.testing.assert_array_equal(result, function(x.astype(result.dtype)))


HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)


def name_and_kind(function):
    """("tanh", "derivative") of tanh_derivative."""
    name = function.__name__.removesuffix("_derivative")
    return name, "value" if name == function.__name__ else "derivative"


def truth(function, z, parameter=None):
    """What the function truly is at z, in float64; at a kink the derivative from the left."""
    name, kind = name_and_kind(function)
    facts = fastgrad.Activation(name, parameter).facts
    true = getattr(facts, kind)(z)
    return np.where(np.isnan(true) & (z == 0), facts.near_zero.left if facts.near_zero else np.nan, true)


def parameters(function):
    return [()] if function in UFUNCS else [(), (0.3,), (1000.0,)]


def right_in_float16(function, *parameter):
    """Rounded once from float32, subnormal numbers too: within half a unit and what float32 is off by."""
    z = HALVES[np.isfinite(HALVES)]
    with np.errstate(over="ignore"):
        true = truth(function, z.astype(np.float64), *parameter)
    got = function(z, *parameter)
    assert got.dtype == np.float16
    assert (oracle.ulp_error(got, (true, np.zeros_like(true)), np.float16) <= 0.501).all()
    assert got[np.abs(true) >= 0.501 * 2.0**-24].all()


@by_name
def test_every_float16_against_the_true_value(function):
    for parameter in parameters(function):
        right_in_float16(function, *parameter)


@by_name
def test_every_float16_has_the_bits_of_the_float32_result(function):
    for parameter in parameters(function):
        got = function(HALVES, *parameter)
        with np.errstate(over="ignore", invalid="ignore"):
            want = function(HALVES.astype(np.float32), *parameter).astype(np.float16)
        nan = np.isnan(want)
        np.testing.assert_array_equal(np.isnan(got), nan)
        np.testing.assert_array_equal(got[~nan].view(np.uint16), want[~nan].view(np.uint16))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda z: (1 - np.tanh(z) * np.tanh(z)).astype(np.float16),  # in float16
        lambda z: np.where(abs(z) < 5, fastgrad.tanh_derivative(z), np.float16(0)),  # no subnormal numbers
        lambda z: np.nextafter(fastgrad.tanh_derivative(z), np.float16(1)),
        lambda z: fastgrad.tanh_derivative(z.astype(np.float32)),
        lambda z: fastgrad.tanh_derivative(z) * np.float16(np.nan),
    ],
)
def test_the_test_of_float16_sees_what_is_wrong(wrong):
    wrong.__name__ = "tanh_derivative"
    with pytest.raises(AssertionError):
        right_in_float16(wrong)


@by_name
def test_float16_out_where_and_layouts(function):
    x = z(np.float16)
    expected = function(x)
    out = np.full_like(x, 7)
    mask = x > 1
    assert function(x, out=out, where=mask) is out
    np.testing.assert_array_equal(out, np.where(mask, expected, np.float16(7)))
    raw = np.zeros(x.nbytes + 1, np.uint8)
    misaligned = raw[1:].view(np.float16)
    misaligned[...] = x
    for view in (misaligned, x.astype(">f2"), np.repeat(x, 2)[::2]):
        np.testing.assert_array_equal(function(view), expected)
    np.testing.assert_array_equal(function(x[::-3]), expected[::-3])
    wide = np.empty(x.shape, np.float32)
    np.testing.assert_array_equal(function(x, out=wide), expected)
    assert isinstance(function(np.float16(1)), np.float16)
    with np.errstate(all="raise"):
        function(HALVES)
    function(x, out=x)
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("name", fastgrad.ACTIVATIONS)
def test_float16_value_and_derivative_in_one_pass(name):
    phi = fastgrad.activation(name)
    for got, want in zip(
        fastgrad.value_and_derivative(name, HALVES), (phi(HALVES), phi.derivative(HALVES)), strict=True
    ):
        assert got.dtype == np.float16
        np.testing.assert_array_equal(got, want)


@by_name
@pytest.mark.parametrize("bad", [np.array([1j]), np.array([None]), np.array(["a"]), np.array(["2020"], "M8[Y]")])
def test_types_that_are_not_real_are_refused(function, bad):
    with pytest.raises(TypeError, match="not supported for the input types"):
        function(bad)


@by_name
def test_out_where_and_in_place(function):
    x = z()
    expected = function(x)
    out = np.zeros_like(x)
    assert function(x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert function(x, out=(out,)) is out  # as every ufunc takes it
    mask = x > 1
    out = np.full_like(x, 7)
    function(x, out=out, where=mask)
    np.testing.assert_array_equal(out, np.where(mask, expected, np.float32(7)))
    function(x, out=x)
    np.testing.assert_array_equal(x, expected)


@by_name
def test_any_memory_layout_gives_the_same_bits(function):
    x = z()
    expected = function(x)
    spread = np.zeros((1000, 2), np.float32)
    spread[:, 1] = x
    raw = np.zeros(x.nbytes + 1, np.uint8)
    misaligned = raw[1:].view(np.float32)
    misaligned[...] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    for view in (
        spread[:, 1],
        misaligned,
        x.astype(">f4"),
        frozen,
        x.reshape(10, 100).T.copy().T.reshape(-1),
    ):
        np.testing.assert_array_equal(function(view), expected)
    np.testing.assert_array_equal(function(x.reshape(20, 50).T), expected.reshape(20, 50).T)
    np.testing.assert_array_equal(function(x.reshape(20, 50)[::-3, ::2]), expected.reshape(20, 50)[::-3, ::2])


@by_name
def test_overlapping_output(function):
    x = z()
    expected = function(x[:-1])
    buffer = x.copy()
    function(buffer[:-1], out=buffer[1:])
    np.testing.assert_array_equal(buffer[1:], expected)


@by_name
def test_shapes_empty_scalar_and_many_dimensions(function):
    assert function(np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert isinstance(function(np.float32(1)), np.float32)
    assert isinstance(function(1.0), np.float64)
    assert function([1.0, 2.0]).shape == (2,)
    assert function(np.zeros((2, 1, 3, 1))).shape == (2, 1, 3, 1)


@by_name
def test_no_floating_point_warnings_whatever_comes(function):
    x = np.array([np.nan, np.inf, -np.inf, 1e-45, -1e38, -95, -200, 95, 3e38], np.float32)
    with np.errstate(all="raise"):
        function(x)
        function(x.astype(np.float64) * 10)
        function(np.tile(x, 100)[::2])


@by_name
def test_dispatch_hands_over_to_other_array_types(function):
    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return ufunc.__name__, method

    name, method = function(Other())
    assert (name, method) == (function.__name__, "__call__")
    masked = np.ma.masked_array(z(size=4), mask=[0, 1, 0, 1])
    assert isinstance(function(masked), np.ma.MaskedArray)


@by_name
def test_pandas_xarray_and_dask_come_back_as_themselves(function):
    x = z(np.float64, 12)
    expected = function(x)
    if pandas := _installed("pandas"):
        series = function(pandas.Series(x, name="z"))
        assert isinstance(series, pandas.Series)
        assert series.name == "z"
        np.testing.assert_array_equal(series, expected)
        assert isinstance(function(pandas.DataFrame({"a": x})), pandas.DataFrame)
    if xarray := _installed("xarray"):
        labelled = function(xarray.DataArray(x.reshape(3, 4), dims=("a", "b")))
        assert labelled.dims == ("a", "b")
    if dask := _installed("dask.array"):
        lazy = function(dask.from_array(x, chunks=5))
        assert isinstance(lazy, dask.Array)
        np.testing.assert_array_equal(lazy.compute(), expected)


def _installed(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


KEYWORDS = [
    lambda out: {"out": (out,)},
    lambda out: {"out": (None,)},
    lambda out: {"out": out, "where": out < 3},
    lambda out: {"dtype": np.float64},
    lambda out: {"order": "F"},
    lambda out: {"subok": False},
]


@pytest.mark.parametrize("keywords", KEYWORDS)
@by_name
def test_every_keyword_of_a_ufunc_is_taken_as_numpys_own_take_it(function, keywords):
    x = z(size=12).reshape(3, 4)
    for parameter in parameters(function):
        plain = function(x, *parameter)
        (given, theirs) = (keywords(np.full_like(x, 2)) for _ in range(2))
        got, numpys = function(x, *parameter, **given), np.negative(x, **theirs)
        assert (got.dtype, got.flags.f_contiguous) == (numpys.dtype, numpys.flags.f_contiguous)
        np.testing.assert_allclose(got, plain, rtol=1e-6)
        out = given.get("out")
        out = out[0] if isinstance(out, tuple) else out
        assert out is None or got is out


@by_name
def test_documented(function):
    assert function.__doc__


def test_value_and_derivative_in_one_pass():
    x = z(np.float64)
    for name, parameter in [("tanh", {}), ("elu", {"alpha": 0.7}), ("leaky_relu", {"negative_slope": 0.2})]:
        y, d = fastgrad.value_and_derivative(name, x, **parameter)
        phi = fastgrad.activation(name, **parameter)
        np.testing.assert_array_equal(y, phi(x))
        np.testing.assert_array_equal(d, phi.derivative(x))
        out = (np.empty_like(x), np.empty_like(x))
        result = fastgrad.value_and_derivative(phi, x, out=out)
        assert result[0] is out[0]
        np.testing.assert_array_equal(out[1], d)
        value_in_place = x.copy()
        fastgrad.value_and_derivative(phi, value_in_place, out=(value_in_place, out[1]))
        np.testing.assert_array_equal(value_in_place, y)
        np.testing.assert_array_equal(out[1], d)


PLACES = {
    "new arrays": lambda x: (None, None),
    "arrays that are there": lambda x: (np.empty_like(x), np.empty_like(x)),
    "one of them": lambda x: (None, np.empty_like(x)),
    "every second number": lambda x: tuple(np.empty((*x.shape, 2), x.dtype)[..., 0] for _ in range(2)),
    "x itself": lambda x: (x, np.empty_like(x)),
    "a part of x": lambda x: (x[::-1], np.empty_like(x)),
    "another type": lambda x: (np.empty(x.shape, np.longdouble), np.empty_like(x)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0,), (7,), (3, 501), (2, 1, 5)])
def test_the_short_way_of_plain_arrays_gives_the_ufuncs_bits(place, dtype, shape):
    """In one C call, or by the ufunc where that cannot read or write the arrays."""
    x = np.random.default_rng(0).normal(0, 3, shape).astype(dtype)
    for name, parameter in (("tanh", {}), ("leaky_relu", {}), ("elu", {"alpha": 0.3})):
        arguments = (x, *parameter.values())
        kind = (name,) if parameter else (name, "default")
        expected = compiled.UFUNCS["value_and_derivative", *kind](*arguments)
        given = x.copy()
        out = PLACES[place](given)
        found = fastgrad.value_and_derivative(name, given, out=out, **parameter)
        for got, there, true in zip(found, out, expected, strict=True):
            assert there is None or got is there
            assert np.array_equal(got, true)
            assert got.dtype == true.dtype or there is not None
            assert got.shape == shape


def test_the_short_way_leaves_other_arrays_to_the_ufunc():
    class Own(np.ndarray):
        """A subclass, which keeps its type."""

    x = np.ones((4, 6), np.float32)
    assert type(fastgrad.value_and_derivative("tanh", x.view(Own))[1]) is Own
    assert fastgrad.value_and_derivative("tanh", x.T)[0].flags.f_contiguous
    assert isinstance(fastgrad.value_and_derivative("tanh", x[0, 0])[0], np.float32)
    assert fastgrad.value_and_derivative("tanh", x.astype(x.dtype.newbyteorder()))[0].dtype == x.dtype
    still = np.ones(6, np.float32)
    still.flags.writeable = False
    assert fastgrad.value_and_derivative("tanh", still)[0][0] == fastgrad.tanh(still)[0]
    for out, message in (((still, x[0]), "read-only"), ((np.empty(5, np.float32), x[0]), "broadcast")):
        with pytest.raises(ValueError, match=message):
            fastgrad.value_and_derivative("tanh", x[1], out=out)


@pytest.mark.parametrize("size", [10, 600])
def test_the_short_way_leaves_no_floating_point_flag(size):
    """None that NumPy looks at, though the exponential underflows."""
    process = ctypes.CDLL(None)
    flags = 0x1D if platform.machine() in ("x86_64", "AMD64") else 0x0F  # all but inexact
    x = np.full(size, -95, np.float32)
    out = np.empty_like(x), np.empty_like(x)
    process.feclearexcept(flags)
    fastgrad.value_and_derivative("elu", x, out=out)
    assert process.fetestexcept(flags) == 0
    assert 0 < out[1][0] < np.finfo(np.float32).tiny


def test_ufunc_methods_and_pickling():
    import pickle

    for ufunc in UFUNCS:
        assert pickle.loads(pickle.dumps(ufunc)) is ufunc
    assert (fastgrad.tanh.nin, fastgrad.tanh.nout) == (1, 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fastgrad.elu(1.0, -1), ValueError, r"alpha must be between 0 and 2\*\*100, got -1"),
        (lambda: fastgrad.elu(1.0, np.nan), ValueError, r"alpha must be between 0 and 2\*\*100, got nan"),
        (lambda: fastgrad.elu(1.0, np.inf), ValueError, r"alpha must be between 0 and 2\*\*100, got inf"),
        (lambda: fastgrad.elu(1.0, "big"), TypeError, "alpha must be a real number, got 'big'"),
        (lambda: fastgrad.leaky_relu(1.0, -0.01), ValueError, "negative_slope must be between 0"),
        (
            lambda: fastgrad.leaky_relu(1.0, negative_slope=1j),
            TypeError,
            "negative_slope must be a real number",
        ),
        (
            lambda: fastgrad.value_and_derivative("tahn", 1.0),
            ValueError,
            "unknown activation 'tahn'; did you mean 'tanh'",
        ),
        (
            lambda: fastgrad.value_and_derivative("tanh", 1.0, alpha=1),
            TypeError,
            "tanh takes no parameter, got alpha",
        ),
        (lambda: fastgrad.relu([1.0, 2.0], out=np.zeros(3)), ValueError, "broadcast"),
    ],
)
def test_wrong_calls(call, error, message):
    with pytest.raises(error, match=message):
        call()
