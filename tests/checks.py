"""The checks that every kernel must pass, as functions, so that ``test_saboteurs.py`` can show that they fail."""

from functools import cache

import numpy as np
import oracle

from fastgrad import formulas

# Points per case; every binade's and every branch point's neighbours come on top.
SWEEP = 100_000
SHORT_SWEEP = 10_000  # for further values of a parameter


@cache
def truth(kind, name, dtype, parameter):
    """The sweep's inputs and their true results for one formula."""
    usual = parameter is None or parameter == np.dtype(dtype).type(formulas.PARAMETERS[name][1])
    z = oracle.bit_patterns(dtype, SWEEP if usual else SHORT_SWEEP)
    return z, oracle.exact(kind, name, z, parameter)


def accurate(function, kind, name, dtype, parameter, bound):
    """``function(z)`` is within ``bound`` ULP of the truth, and never 0 where the truth is a normal number."""
    z, true = truth(kind, name, dtype, parameter)
    got = np.asarray(function(z))
    assert got.dtype == z.dtype
    error = oracle.ulp_error(got, true, z.dtype)
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    assert error[worst] <= bound, (
        f"{kind} of {name}: {error[worst]:.2f} ULP at z = {z[worst]!r}: {got[worst]!r}, true {true[0][worst]!r}"
    )
    normal = np.abs(true[0]) >= float(np.finfo(dtype).smallest_normal)
    zeros = z[normal & (got == 0)]
    assert zeros.size == 0, f"{kind} of {name} is 0 at {zeros[:3]}, where the truth is a normal number"


def special(value, derivative, name, dtype, parameter):
    """NaN stays NaN; infinities, both zeros, and the kink give what the docstring of ``formulas`` says."""
    real = np.dtype(dtype).type
    nan = np.array([np.nan, -np.nan], dtype)
    assert np.isnan(value(nan)).all(), f"{name}: NaN did not stay NaN in the value"
    assert np.isnan(derivative(nan)).all(), f"{name}: NaN did not stay NaN in the derivative"
    for z, *expected in oracle.SPECIAL[name]:
        for function, want in zip((value, derivative), expected, strict=True):
            want = real(want(real(parameter)) if callable(want) else want)
            got = function(np.array([z], dtype))[0]
            same = got == want and (want != 0 or z != 0 or np.signbit(got) == np.signbit(want))
            assert same, f"{name}: {got!r} at {z!r}, expected {want!r}"


def cases():
    """(name, parameter) of every activation, with the parameters worth testing."""
    for name in formulas.VALUES:
        if name not in formulas.PARAMETERS:
            yield name, None
        else:
            default = formulas.PARAMETERS[name][1]
            yield from ((name, parameter) for parameter in (default, 0.0, 0.3, 1.75))
