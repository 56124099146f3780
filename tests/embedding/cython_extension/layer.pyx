# cython: language_level=3
"""A layer's activation, in place and without the GIL, beside this module's own loops."""

from fastgrad.cykernels cimport ELU, TANH, value_and_derivative_f64, value_f32


def tanh_in_place(float[:, ::1] z):
    """z = tanh(z); nothing is checked beyond what the types say."""
    if z.shape[0] and z.shape[1]:
        with nogil:
            value_f32(TANH, z.shape[0] * z.shape[1], &z[0, 0], 0, &z[0, 0])


def elu_and_derivative(const double[::1] z, double alpha, double[::1] y, double[::1] d):
    """y = elu(z), d = elu'(z)."""
    if not z.shape[0] == y.shape[0] == d.shape[0]:
        raise ValueError("z, y and d must be of one length")
    if z.shape[0]:
        with nogil:
            value_and_derivative_f64(ELU, z.shape[0], &z[0], alpha, &y[0], &d[0])
