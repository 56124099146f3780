"""exp and expm1 for arguments at most 0, made of arithmetic: one algorithm for the compiled and Numba backends.

x = n ln 2 + r with n an integer and |r| <= ln 2 / 2; then e^x = 2^n (1 + p) with p = e^r - 1 from a polynomial.
The same subset of Python as ``formulas.py``: the build prints these functions as C, Numba compiles them.
"""

# Design: - All functions of one argument share n and p: the compilers see common subexpressions.
#         - ``shifter`` rounds to the nearest integer: adding it pushes the fraction out of the mantissa. Its own low
#           bits are the bias of an exponent, raised so that n + shifter, shifted left, is the number 2^n / lowered,
#           which never is subnormal.
#         - ln 2 is split so that n * ln2_high is exact with and without fused multiply-add.
#         - ``maximum(lowest, x)`` keeps NaN: x86's MAX returns its second operand when either is NaN.
#         - x is bounded by who calls. At ``faintest`` 2^n rounds to 0; below ``lowest`` 2^100 times it does, and
#           ``ldexp`` scales in two steps.
#         - 1 + p by Horner's rule, without p, is an operation less, and sigmoid then falls at 2,673 floats.
# Polynomials: minimax in the relative error of e^r - 1 over |r| <= ln 2 / 2, coefficients rounded one at a
# time: 2^-31.1 (float32) and 2^-61.6 (float64).

# ruff: noqa: F821 - the names below are bound per backend


def shifted(x):
    """n + shifter, n the integer nearest to x / ln 2."""
    return mad(x, log2_e, shifter)


def exponent(x):
    """n."""
    return shifted(x) - shifter


def p(x):
    """e^r - 1, where r = x - n ln 2."""
    r = mad(-exponent(x), ln2_low, mad(-exponent(x), ln2_high, x))
    return mad(r * r, polynomial(r), r)


def significand(x):
    """1 + p = e^x / 2^n, between 0.7 and 1.42."""
    return one + p(x)


def scaled(a, x):
    """a 2^n, n at least -152 (float32) or -1078 (float64)."""
    return shift_exponent(a, shifted(x), shifter, lowered)


def exp(x):
    """e^x, for any x at most 0."""
    bounded = maximum(lowest, x)
    return ldexp(significand(bounded), exponent(bounded))


def scaled_exp(c, x):
    """c e^x, also where e^x underflows and c e^x does not; c at most 2^100."""
    return ldexp(c * significand(x), exponent(x))


def expm1(x):
    """e^x - 1 = 2^n p + (2^n - 1); 2^n stops falling far below the rounding of 1."""
    s = ldexp(one, maximum(least, exponent(x)))
    return fma(s, p(x), s - one)


def polynomial_f32(r):
    """(e^r - 1 - r) / r^2."""
    return mad(mad(mad(mad(mad(c7, r, c6), r, c5), r, c4), r, c3), r, c2)


def polynomial_f64(r):
    """(e^r - 1 - r) / r^2."""
    low = mad(mad(mad(mad(c6, r, c5), r, c4), r, c3), r, c2)
    high = mad(mad(mad(mad(mad(c12, r, c11), r, c10), r, c9), r, c8), r, c7)
    r2 = r * r
    return mad(high, r2 * r2 * r, low)


CONSTANTS = {
    "f32": {
        "zero": 0.0,
        "one": 1.0,
        "half": 0.5,
        "lowered": 2.0**-26,
        "least": -60.0,
        "faintest": -105.5,
        "lowest": -174.0,
        "log2_e": float.fromhex("0x1.715476p+0"),
        "shifter": 1.5 * 2.0**23 + 127 + 26,
        "ln2_high": float.fromhex("0x1.62e4p-1"),
        "ln2_low": float.fromhex("0x1.7f7d1cp-20"),
        "c2": 0.5,
        "c3": float.fromhex("0x1.555554p-3"),
        "c4": float.fromhex("0x1.5554f8p-5"),
        "c5": float.fromhex("0x1.1112e8p-7"),
        "c6": float.fromhex("0x1.6d3a44p-10"),
        "c7": float.fromhex("0x1.9e4edcp-13"),
    },
    "f64": {
        "zero": 0.0,
        "one": 1.0,
        "half": 0.5,
        "lowered": 2.0**-56,
        "least": -120.0,
        "faintest": -747.0,
        "lowest": -1416.0,
        "log2_e": float.fromhex("0x1.71547652b82fep+0"),
        "shifter": 1.5 * 2.0**52 + 1023 + 56,
        "ln2_high": float.fromhex("0x1.62e42fefap-1"),
        "ln2_low": float.fromhex("0x1.cf79abc9e3b3ap-40"),
        "c2": 0.5,
        "c3": float.fromhex("0x1.5555555555559p-3"),
        "c4": float.fromhex("0x1.5555555555552p-5"),
        "c5": float.fromhex("0x1.111111110f653p-7"),
        "c6": float.fromhex("0x1.6c16c16c186dep-10"),
        "c7": float.fromhex("0x1.a01a01b004d21p-13"),
        "c8": float.fromhex("0x1.a01a01996532fp-16"),
        "c9": float.fromhex("0x1.71ddf80ac2bbcp-19"),
        "c10": float.fromhex("0x1.27e4fb579e408p-22"),
        "c11": float.fromhex("0x1.af5f367ea1677p-26"),
        "c12": float.fromhex("0x1.1f3e49fe3ee72p-29"),
    },
}
POLYNOMIALS = {"f32": polynomial_f32, "f64": polynomial_f64}
