"""The kernels for other projects' Cython code: ``from fastgrad.cykernels cimport TANH, value_f32``.

The declarations, with what they mean, are in ``cykernels.pxd``.
"""

# Design: this module is one more user of the table that C code gets: it holds no kernel, so a function costs one
#         indirect call more, and what it declares is what include/fastgrad/abi.h promises.

from libc.stdint cimport uint32_t


cdef extern from "fastgrad/capsule.h" nogil:
    ctypedef struct fastgrad_table:
        int (*value_f32)(int, size_t, const float *, float, float *) noexcept nogil
        int (*value_f64)(int, size_t, const double *, double, double *) noexcept nogil
        int (*derivative_f32)(int, size_t, const float *, float, float *) noexcept nogil
        int (*derivative_f64)(int, size_t, const double *, double, double *) noexcept nogil
        int (*value_and_derivative_f32)(int, size_t, const float *, float, float *, float *) noexcept nogil
        int (*value_and_derivative_f64)(int, size_t, const double *, double, double *, double *) noexcept nogil
        int (*backward_f32)(int, size_t, const float *, float, const float *, float *) noexcept nogil
        int (*backward_f64)(int, size_t, const double *, double, const double *, double *) noexcept nogil
        double (*scalar)(double, void *) noexcept nogil
    const fastgrad_table *fastgrad_import() except NULL with gil


cdef const fastgrad_table *table = fastgrad_import()


cdef int value_f32(int activation, size_t n, const float *z, float parameter, float *y) noexcept nogil:
    return table.value_f32(activation, n, z, parameter, y)


cdef int value_f64(int activation, size_t n, const double *z, double parameter, double *y) noexcept nogil:
    return table.value_f64(activation, n, z, parameter, y)


cdef int derivative_f32(int activation, size_t n, const float *z, float parameter, float *d) noexcept nogil:
    return table.derivative_f32(activation, n, z, parameter, d)


cdef int derivative_f64(int activation, size_t n, const double *z, double parameter, double *d) noexcept nogil:
    return table.derivative_f64(activation, n, z, parameter, d)


cdef int value_and_derivative_f32(int activation, size_t n, const float *z, float parameter, float *y,
                                  float *d) noexcept nogil:
    return table.value_and_derivative_f32(activation, n, z, parameter, y, d)


cdef int value_and_derivative_f64(int activation, size_t n, const double *z, double parameter, double *y,
                                  double *d) noexcept nogil:
    return table.value_and_derivative_f64(activation, n, z, parameter, y, d)


cdef int backward_f32(int activation, size_t n, const float *z, float parameter, const float *dy,
                      float *dz) noexcept nogil:
    return table.backward_f32(activation, n, z, parameter, dy, dz)


cdef int backward_f64(int activation, size_t n, const double *z, double parameter, const double *dy,
                      double *dz) noexcept nogil:
    return table.backward_f64(activation, n, z, parameter, dy, dz)


cdef double scalar(double z, void *choice) noexcept nogil:
    return table.scalar(z, choice)
