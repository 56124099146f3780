# The kernels for Cython: `from fastgrad.cykernels cimport TANH, value_f32`.
#
# They run in any thread without the GIL, on contiguous memory, and return 0, or less for an error. An output of a function
# of z may be written over an input; `parameter` is ELU's alpha or Leaky ReLU's negative slope, and else ignored. What
# include/fastgrad/abi.h says of each holds here.

cdef extern from "<stdint.h>":
    ctypedef unsigned int uint32_t
    ctypedef unsigned long long uint64_t

cdef enum:
    SIGMOID
    TANH
    RELU
    LEAKY_RELU
    ELU
    CROSS_ENTROPY = 0
    MEAN_SQUARED_ERROR
    UNIFORM = 0
    NORMAL
    TRUNCATED

ctypedef void (*gemm_f32)(void *context, int transpose_a, int transpose_b, size_t m, size_t n, size_t k, const float *a,
                          const float *b, float *c) noexcept nogil
ctypedef void (*gemm_f64)(void *context, int transpose_a, int transpose_b, size_t m, size_t n, size_t k, const double *a,
                          const double *b, double *c) noexcept nogil

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

cdef int draw_f32(int distribution, const uint32_t *key, uint32_t stream, uint64_t first, double scale,
                  size_t n, float *out) noexcept nogil
cdef int draw_f64(int distribution, const uint32_t *key, uint32_t stream, uint64_t first, double scale,
                  size_t n, double *out) noexcept nogil
cdef size_t network_room_f32(size_t layers, const size_t *sizes, size_t batch) noexcept nogil
cdef size_t network_room_f64(size_t layers, const size_t *sizes, size_t batch) noexcept nogil
cdef int network_gradients_f32(int activation, float parameter, int loss, size_t layers,
                               const size_t *sizes, size_t batch, const void *const *weights,
                               const void *const *biases, const float *x, const void *targets,
                               void *room, double *mean_loss, void *const *dweights,
                               void *const *dbiases) noexcept nogil
cdef int network_gradients_f64(int activation, double parameter, int loss, size_t layers,
                               const size_t *sizes, size_t batch, const void *const *weights,
                               const void *const *biases, const double *x, const void *targets,
                               void *room, double *mean_loss, void *const *dweights,
                               void *const *dbiases) noexcept nogil
cdef int network_profile_f32(int activation, float parameter, int loss, size_t layers,
                             const size_t *sizes, size_t batch, const void *const *weights,
                             const void *const *biases, const float *x, const void *targets,
                             void *room, double *mean_loss, double *log10_delta, double *log10_dweight) noexcept nogil
cdef int network_profile_f64(int activation, double parameter, int loss, size_t layers,
                             const size_t *sizes, size_t batch, const void *const *weights,
                             const void *const *biases, const double *x, const void *targets,
                             void *room, double *mean_loss, double *log10_delta, double *log10_dweight) noexcept nogil
cdef size_t dense_room_f32(size_t batch, size_t fan_in, size_t fan_out) noexcept nogil
cdef size_t dense_room_f64(size_t batch, size_t fan_in, size_t fan_out) noexcept nogil
cdef int dense_forward_f32(int activation, float parameter, size_t batch, size_t fan_in,
                           size_t fan_out, const float *x, const float *weight, const float *bias,
                           float *y, float *d, void *room, gemm_f32 gemm, void *context) noexcept nogil
cdef int dense_forward_f64(int activation, double parameter, size_t batch, size_t fan_in,
                           size_t fan_out, const double *x, const double *weight, const double *bias,
                           double *y, double *d, void *room, gemm_f64 gemm, void *context) noexcept nogil
cdef int dense_backward_f32(size_t batch, size_t fan_in, size_t fan_out, const float *dy,
                            const float *d, const float *x, const float *weight, float *dx,
                            float *dweight, float *dbias, void *room, gemm_f32 gemm, void *context) noexcept nogil
cdef int dense_backward_f64(size_t batch, size_t fan_in, size_t fan_out, const double *dy,
                            const double *d, const double *x, const double *weight, double *dx,
                            double *dweight, double *dbias, void *room, gemm_f64 gemm, void *context) noexcept nogil
