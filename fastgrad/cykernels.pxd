# The kernels for Cython: `from fastgrad.cykernels cimport TANH, value_f32`.
#
# They run in any thread without the GIL, on contiguous memory; an output may be written over an input. `parameter` is ELU's alpha or
# Leaky ReLU's negative slope, from 0 to 2**100, and else ignored. They return 0, or -1 for an unknown activation.

cdef enum:
    SIGMOID
    TANH
    RELU
    LEAKY_RELU
    ELU

cdef int value_f32(int activation, size_t n, const float *z, float parameter, float *y) noexcept nogil
cdef int value_f64(int activation, size_t n, const double *z, double parameter, double *y) noexcept nogil
cdef int derivative_f32(int activation, size_t n, const float *z, float parameter, float *d) noexcept nogil
cdef int derivative_f64(int activation, size_t n, const double *z, double parameter, double *d) noexcept nogil
cdef int value_and_derivative_f32(int activation, size_t n, const float *z, float parameter, float *y,
                                  float *d) noexcept nogil
cdef int value_and_derivative_f64(int activation, size_t n, const double *z, double parameter, double *y,
                                  double *d) noexcept nogil
cdef int backward_f32(int activation, size_t n, const float *z, float parameter, const float *dy,
                      float *dz) noexcept nogil
cdef int backward_f64(int activation, size_t n, const double *z, double parameter, const double *dy,
                      double *dz) noexcept nogil
cdef double scalar(double z, void *choice) noexcept nogil
