"""What a sweep finds about one kernel: errors in ULP, false zeros, order, symmetry, range."""

# Design: - One Numba pass per kernel: in NumPy the tally takes longer than the kernels. It holds sums and maxima
#           only, without branches, so that LLVM vectorises it (the maxima as integers: errors are not negative,
#           and so ordered as their bits are). Where the worst is gets looked up when there is a new worst.
#         - JAX flushes subnormal numbers to zero on the CPU: that is millions of ULP at results that hardly
#           matter. So errors are kept apart by whether the true result is a normal number.

from dataclasses import dataclass
from functools import cache

import numpy as np

TINY = 2.0**-126  # the smallest normal number
JUDGE = 2  # counted up when a finding changes its meaning: stored ones of another number are not used


@dataclass
class Tally:
    """What a sweep found about one kernel; parts are joined by :meth:`join`.

    Attributes
    ----------
    count : int
        Inputs.
    count_normal : int
        Inputs whose true result is a normal number and whose result is finite; of the others with a finite result,
        the true one is 0 or subnormal.
    max_ulp, worst_input : float, float or None
        The largest error where the true result is normal, in units in its last place, and where.
    sum_ulp : float
        The sum of those errors.
    max_ulp_subnormal, worst_input_subnormal : float, float or None
        The largest error where the true result is 0 or subnormal, in units of 2^-149, and where.
    false_zeros, first_false_zero : int, float or None
        Inputs whose true result is normal and whose result is 0; the one of least magnitude.
    not_monotonic : int
        Neighbours among the inputs between which the result goes the wrong way.
    not_symmetric : int
        Pairs +z and -z whose results are not, bit for bit, those of an odd or even function, where it is one.
    out_of_range : int
        Results beyond the function's range, or infinite where the true result is not, or the other way round.
    nan : int
        NaN for a number.
    """

    count: int = 0
    count_normal: int = 0
    max_ulp: float = 0.0
    worst_input: float | None = None
    sum_ulp: float = 0.0
    max_ulp_subnormal: float = 0.0
    worst_input_subnormal: float | None = None
    false_zeros: int = 0
    first_false_zero: float | None = None
    not_monotonic: int = 0
    not_symmetric: int = 0
    out_of_range: int = 0
    nan: int = 0

    @property
    def mean_ulp(self) -> float | None:
        """Mean error where the true result is normal; None if it never is."""
        return self.sum_ulp / self.count_normal if self.count_normal else None

    def join(self, other: "Tally") -> None:
        """Add another part's findings."""
        for worst, at in (("max_ulp", "worst_input"), ("max_ulp_subnormal", "worst_input_subnormal")):
            if getattr(other, worst) > getattr(self, worst):
                setattr(self, worst, getattr(other, worst))
                setattr(self, at, getattr(other, at))
        firsts = [t.first_false_zero for t in (self, other) if t.first_false_zero is not None]
        self.first_false_zero = min(firsts, key=abs, default=None)
        for name in ("count", "count_normal", "sum_ulp", "false_zeros", *SHAPE_FAULTS):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def add(self, sums: tuple, z: np.ndarray, got: np.ndarray, true: np.ndarray) -> None:
        """Add what :func:`sums_of` returned for these inputs, looking up where the extremes are."""
        count_normal, sum_ulp, max_ulp, max_ulp_subnormal, zeros, not_monotonic, out_of_range, nan = sums
        part = Tally(
            count=z.size, count_normal=count_normal, max_ulp=max_ulp, sum_ulp=sum_ulp,
            max_ulp_subnormal=max_ulp_subnormal, false_zeros=zeros, not_monotonic=not_monotonic,
            out_of_range=out_of_range, nan=nan,
        )  # fmt: skip
        where = _compiled()[1]
        if max_ulp > self.max_ulp:
            part.worst_input = float(z[where(got, true, max_ulp, True)])
        if max_ulp_subnormal > self.max_ulp_subnormal:
            part.worst_input_subnormal = float(z[where(got, true, max_ulp_subnormal, False)])
        if zeros:
            part.first_false_zero = float(z[np.argmax((got == 0) & (np.abs(true) >= TINY))])
        self.join(part)


SHAPE_FAULTS = ("not_monotonic", "not_symmetric", "out_of_range", "nan")


def sums_of(got, true, before, direction: int, low: float, high: float) -> tuple:
    """The findings in one chunk of inputs of one sign, ascending in magnitude, that need no place.

    Parameters
    ----------
    got, true : arrays of float32 and float64
        Results of the kernel, and the true ones.
    before : float32
        The kernel's result at the neighbour before the first; NaN if there is none.
    direction : int
        1 if the function does not fall as \\|z\\| grows, -1 if it does not rise.
    low, high : float
        The function's range.

    Returns
    -------
    tuple
        The fields of :class:`Tally` count_normal, sum_ulp, max_ulp, max_ulp_subnormal, false_zeros, not_monotonic,
        out_of_range and nan.
    """
    return _compiled()[0](got, true, np.float32(before), np.float32(direction), low, high)


def asymmetries(positive: np.ndarray, negative: np.ndarray, symmetry: int) -> int:
    """How many results at +z and -z are not the same bits (``symmetry`` 1), or not with the other sign (-1)."""
    flipped = np.uint32(0x80000000 if symmetry < 0 else 0)
    return int(np.count_nonzero(positive.view(np.uint32) ^ negative.view(np.uint32) != flipped))


@cache
def _compiled():
    """The loop over a chunk, and the search for a place in it."""
    import numba as nb

    @nb.njit(inline="always")
    def ulp(got, true):
        exponent = max(np.float64(abs(true)).view(np.int64) >> 52, 1023 - 126)
        per_unit = np.int64((1023 + 23 + 1023 - exponent) << 52).view(np.float64)  # type: ignore[operator]
        return abs(np.float64(got) - true) * per_unit

    # reassociation lets the sum be vectorised
    @nb.njit(nogil=True, error_model="numpy", fastmath={"reassoc"})
    def sums(got, true, before, direction, low, high):
        count, total, worst, worst_subnormal = 0, 0.0, np.int64(0), np.int64(0)
        zeros, out, nan = 0, 0, 0
        for i in range(got.size):
            g, t = got[i], true[i]
            finite = abs(g) <= np.float32(3.4028235e38) and abs(t) < np.inf
            normal = abs(t) >= TINY
            error = ulp(g, t) if finite else 0.0
            judged = finite and normal
            ordered = error if judged else 0.0
            total += ordered
            count += judged
            worst = max(worst, np.float64(ordered).view(np.int64))
            worst_subnormal = max(worst_subnormal, np.float64(0.0 if normal else error).view(np.int64))
            zeros += normal and g == 0
            out += g < low or g > high or (g == g and (abs(g) == np.inf) != (abs(t) == np.inf))
            nan += g != g
        wrong_way = np.int64(direction * got[0] < direction * before)
        for i in range(1, got.size):
            # a step from where the result is a convention is none
            wrong_way += (direction * got[i] < direction * got[i - 1]) & (true[i - 1] == true[i - 1])
        return (
            count,
            total,
            np.int64(worst).view(np.float64),
            np.int64(worst_subnormal).view(np.float64),
            zeros,
            wrong_way,
            out,
            nan,
        )

    @nb.njit(nogil=True)
    def where(got, true, error, normal):
        for i in range(got.size):
            if (abs(true[i]) >= TINY) == normal and ulp(got[i], true[i]) == error:
                return i
        return -1

    return sums, where
