# cython: language_level=3
"""A layer's activation, in place and without the GIL, beside this module's own loops."""

from fastgrad.cykernels cimport FASTGRAD_ELU, FASTGRAD_TANH, fastgrad_import, fastgrad_table

cdef const fastgrad_table *fastgrad = fastgrad_import()


def tanh_in_place(float[:, ::1] z):
    """z = tanh(z); nothing is checked beyond what the types say."""
    if z.shape[0] and z.shape[1]:
        with nogil:
            fastgrad.value(FASTGRAD_TANH, sizeof(float), z.shape[0] * z.shape[1], &z[0, 0], 0, &z[0, 0])


def elu_and_derivative(const double[::1] z, double alpha, double[::1] y, double[::1] d):
    """y = elu(z), d = elu'(z)."""
    if not z.shape[0] == y.shape[0] == d.shape[0]:
        raise ValueError("z, y and d must be of one length")
    if z.shape[0]:
        with nogil:
            fastgrad.value_and_derivative(FASTGRAD_ELU, sizeof(double), z.shape[0], &z[0], alpha, &y[0], &d[0])
