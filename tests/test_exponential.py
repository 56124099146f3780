"""The constants of the exponential: how near its polynomials are, and that C and Numba have these numbers."""

import re
from pathlib import Path

import mpmath as mp
import pytest

import fastgrad
from fastgrad.kernels import exponential, jit

# log2 of the largest relative error of e^r - 1 over |r| <= ln 2 / 2, with exact arithmetic
ERROR = {"f32": -31.079410113330578, "f64": -61.579556657663524}
HEADERS = Path(fastgrad.get_include()) / "fastgrad" / "set"


def coefficients(dtype):
    """c2, c3 and so on."""
    constants = exponential.CONSTANTS[dtype]
    return [constants[f"c{i}"] for i in range(2, len(constants)) if f"c{i}" in constants]


def log2_error(numbers):
    """Of r + r^2 (c2 + c3 r + ...) as e^r - 1, over 201 places."""
    with mp.workdps(40):
        highest = [mp.mpf(number) for number in reversed(numbers)]
        worst = mp.mpf(0)
        for r in mp.linspace(-mp.log(2) / 2, mp.log(2) / 2, 201):
            if r:
                worst = max(worst, abs((r + r * r * mp.polyval(highest, r)) / mp.expm1(r) - 1))
        return float(mp.log(worst, 2))


@pytest.mark.parametrize("dtype", ERROR)
def test_the_polynomials_are_as_near_as_is_said_and_no_other(dtype):
    numbers = coefficients(dtype)
    assert abs(log2_error(numbers) / ERROR[dtype] - 1) <= 1e-5
    for place, number in enumerate(numbers):
        changed = [*numbers[:place], number * (1 + 1e-5), *numbers[place + 1 :]]
        assert abs(log2_error(changed) / ERROR[dtype] - 1) > 1e-5


@pytest.mark.parametrize("dtype", ERROR)
def test_c_and_numba_have_these_numbers(dtype):
    header = (HEADERS / f"formulas_{dtype}.h").read_text()
    body = re.search(r"^FG_INLINE FG_REAL FG\(polynomial\)\(FG_REAL r\)\n\{(.*?)^\}", header, re.S | re.M)[1]
    printed = {float(number) for number in re.findall(r"FG_SET1\(([^()]+)\)", body)}
    assert printed == set(coefficients(dtype))
    in_numba = jit.scalar_function(exponential.POLYNOMIALS[dtype], dtype).py_func.__globals__
    assert [float(in_numba[f"c{i + 2}"]) for i in range(len(printed))] == coefficients(dtype)
