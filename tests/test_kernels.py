"""Every kernel of every backend and instruction set, by the same checks."""

import os
import subprocess
import sys

import checks
import emulated
import numpy as np
import oracle
import pytest

from fastgrad import formulas, kernels
from fastgrad.activations import Activation
from fastgrad.kernels import compiled

DTYPES = ("float32", "float64")
CASES = list(checks.cases())


def _of_set(cpu, kind):
    """A backend's face over one instruction set of the compiled backend."""

    def run(name, z, parameter=None):
        ufunc = compiled.SETS[cpu][kind, name]
        return ufunc(z) if parameter is None else ufunc(z, parameter)

    return run


FACES = {f"compiled-{cpu}": (_of_set(cpu, "value"), _of_set(cpu, "derivative")) for cpu in compiled.SETS}
for _name in ("numpy", "numba"):
    FACES[_name] = (kernels.get(_name).value, kernels.get(_name).derivative)
for _name in emulated.MACHINES:
    FACES[f"emulated-{_name}"] = (emulated.face(_name, "value"), emulated.face(_name, "derivative"))


@pytest.fixture(params=FACES)
def face(request):
    return request.param


def _bound(face, kind, name, parameter):
    if face == "numpy":
        return kernels.get("numpy").ULP_BOUND
    return Activation(name, parameter).facts.ulp[kind]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "parameter"), CASES)
@pytest.mark.parametrize("kind", ["value", "derivative"])
def test_accuracy_over_bit_patterns(face, kind, name, parameter, dtype):
    if parameter is not None:
        parameter = float(np.dtype(dtype).type(parameter))
    function = FACES[face][kind == "derivative"]
    bound = _bound(face, kind, name, parameter)
    checks.accurate(lambda z: function(name, z, parameter), kind, name, dtype, parameter, bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_special_inputs(face, name, parameter, dtype):
    value, derivative = FACES[face]
    checks.special(
        lambda z: value(name, z, parameter), lambda z: derivative(name, z, parameter), name, dtype, parameter
    )


@pytest.mark.parametrize("alpha", [2.0**40, 2.0**100])
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_alpha_gets_no_false_zero(face, dtype, alpha):
    info = np.finfo(dtype)
    z = np.linspace(np.log(float(info.smallest_normal)) - np.log(alpha), -1, 1001).astype(dtype)
    true = oracle.exact("derivative", "elu", z, alpha)
    error = oracle.ulp_error(FACES[face][1]("elu", z, alpha), true, dtype)
    assert np.max(error) <= _bound(face, "derivative", "elu", alpha)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_both_outputs_are_the_single_ones_bit_for_bit(backend, name, parameter, dtype):
    face = kernels.get(backend)
    z = oracle.bit_patterns(dtype, 1000)
    y, d = np.empty_like(z), np.empty_like(z)
    result = face.value_and_derivative(name, z, parameter, out=(y, d))
    assert result[0] is y
    assert result[1] is d
    np.testing.assert_array_equal(y, face.value(name, z, parameter))
    np.testing.assert_array_equal(d, face.derivative(name, z, parameter))


@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_result_does_not_depend_on_place_stride_or_company(cpu, name, parameter, dtype):
    """Every kind, at every offset and length around the vector width, strided and alone: the same bits."""
    more = () if parameter is None else (parameter,)
    z = np.random.default_rng(1).uniform(-20, 20, 700).astype(dtype)
    wide = np.full((700, 3), np.nan, dtype)
    wide[:, 1] = z
    alone = {}
    for kind in ("value", "derivative"):
        ufunc = compiled.SETS[cpu][kind, name]
        alone[kind] = np.array([ufunc(number, *more) for number in z])
        for start in (0, 1, 5):
            for length in (1, 2, 7, 8, 15, 16, 17, 33, 600, 641):
                got = ufunc(z[start : start + length], *more)
                np.testing.assert_array_equal(got, alone[kind][start : start + length])
        np.testing.assert_array_equal(ufunc(wide[:, 1], *more), alone[kind])
        np.testing.assert_array_equal(ufunc(z[::-1], *more), alone[kind][::-1])
    both = compiled.SETS[cpu]["value_and_derivative", name](wide[::2, 1], *more)
    np.testing.assert_array_equal(both[0], alone["value"][::2])
    np.testing.assert_array_equal(both[1], alone["derivative"][::2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", formulas.VALUES)
@pytest.mark.parametrize("fused", [name for name in FACES if name.endswith(("avx2", "avx512", "neon"))])
def test_every_set_with_fused_multiply_add_gives_the_same_bits(fused, name, dtype):
    """AVX2, AVX-512, NEON and Numba: a result does not depend on the machine."""
    z = oracle.bit_patterns(dtype, 10_000)
    parameter = 0.3 if name in formulas.PARAMETERS else None
    for mine, numba in zip(FACES[fused], FACES["numba"], strict=True):
        np.testing.assert_array_equal(mine(name, z, parameter), numba(name, z, parameter))


def test_spot_values_of_the_tails():
    """Published values where derivatives rebuilt from the output are exactly 0."""
    for name, z, true in [
        ("sigmoid", 16.75, 5.315785e-08),
        ("sigmoid", 30.0, 9.357623e-14),
        ("sigmoid", 85.0, 1.216099e-37),
    ]:
        got = float(compiled.derivative(name, np.float32(z)))
        assert abs(got / true - 1) <= 1e-6
    for name, z, true in [("tanh", 20.0, 1.6993417021166355e-17), ("elu", -40.0, 4.248354255291589e-18)]:
        got = float(compiled.derivative(name, np.float64(z), 1.0 if name == "elu" else None))
        assert abs(got / true - 1) <= 4e-16


@pytest.mark.parametrize(
    ("cpu", "says"),
    [
        ("baseline", "baseline"),
        ("scalar", "scalar"),
        ("avx3", "unknown instruction set in FASTGRAD_CPU 'avx3'; did you mean 'avx"),
    ],
)
def test_environment_chooses_the_instruction_set(cpu, says):
    if cpu == "baseline" and cpu not in compiled.runtime()["built"]:
        pytest.skip("not an x86 build")
    code = "from fastgrad.kernels import compiled; print(compiled.runtime()['cpu'])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FASTGRAD_CPU": cpu},
        capture_output=True,
        text=True,
        check=False,
    )
    assert says in run.stdout + run.stderr


def test_unknown_and_missing_backends(without_numba):
    with pytest.raises(ValueError, match="unknown backend 'numbba'; did you mean 'numba'"):
        kernels.get("numbba")
    with pytest.raises(ImportError, match=r"backend 'numba' is not available: install it with .*fastgrad\[numba\]"):
        kernels.get("numba")


HALF_IMPORTED = """
import sys, threading
from fastgrad import kernels
began, goes_on, found = threading.Event(), threading.Event(), []
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "fastgrad.kernels.exponential":  # which the reference backend imports before it defines anything
            began.set()
            goes_on.wait(10)
sys.meta_path.insert(0, Finder)
run = lambda: found.append(kernels.get("numpy").value("tanh", 0.0))
threads = [threading.Thread(target=run) for _ in range(2)]
threads[0].start()
began.wait(10)
threads[1].start()
threads[1].join(0.2)
goes_on.set()
for thread in threads:
    thread.join()
assert found == [0.0, 0.0], found
"""


def test_a_backend_that_another_thread_is_importing_is_waited_for():
    run = subprocess.run([sys.executable, "-c", HALF_IMPORTED], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(("dtype", "alphas"), [(np.float32, (1e-39, 3e-38)), (np.float64, (1e-310, 4e-308))])
def test_sets_differ_by_the_last_place_of_subnormals_where_alpha_is_near_them(dtype, alphas):
    """And in nothing else: in ELU's derivative, whose exponent is shifted by another instruction."""
    z = np.linspace(-120, 5, 20_001).astype(dtype)
    for alpha in alphas:
        first, *others = (set_of["derivative", "elu"](z, dtype(alpha)) for set_of in compiled.SETS.values())
        for other in others:
            assert np.abs(first - other).max() <= np.finfo(dtype).smallest_subnormal
