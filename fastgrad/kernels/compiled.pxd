# The kernels for Cython: `from fastgrad.kernels.compiled cimport TANH, value_f32`. They run in any thread without the
# GIL, on contiguous memory; an output may be z itself. `parameter` is alpha or the negative slope, else ignored.

cdef enum Activation:
    SIGMOID
    TANH
    RELU
    LEAKY_RELU
    ELU

cdef void value_f32(Activation phi, size_t n, const float *z, float parameter, float *y) noexcept nogil
cdef void value_f64(Activation phi, size_t n, const double *z, double parameter, double *y) noexcept nogil
cdef void derivative_f32(Activation phi, size_t n, const float *z, float parameter, float *d) noexcept nogil
cdef void derivative_f64(Activation phi, size_t n, const double *z, double parameter, double *d) noexcept nogil
cdef void value_and_derivative_f32(Activation phi, size_t n, const float *z, float parameter, float *y,
                                   float *d) noexcept nogil
cdef void value_and_derivative_f64(Activation phi, size_t n, const double *z, double parameter, double *y,
                                   double *d) noexcept nogil
