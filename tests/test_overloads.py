"""fastgrad's functions inside compiled user code, found through the entry point."""

import subprocess
import sys

import numba
import numpy as np
import pytest

import fastgrad
from fastgrad import kernels

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
        if not isinstance(function, np.ufunc):  # of those Numba makes a loop over the formula itself
            true = function(z)
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
