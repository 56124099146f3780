"""The kernels for other projects' Cython code: ``from fastgrad.cykernels cimport TANH, value_f32``.

The declarations, with what they mean, are in ``cykernels.pxd``.
"""

# Design: this module is one more user of the table that C code gets: it holds no kernel, so a function costs one
#         indirect call more, and what it declares is what include/fastgrad/abi.h promises.

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
        int (*draw_f32)(int, const uint32_t *, uint32_t, uint64_t, double, size_t, float *) noexcept nogil
        int (*draw_f64)(int, const uint32_t *, uint32_t, uint64_t, double, size_t, double *) noexcept nogil
        size_t (*network_room_f32)(size_t, const size_t *, size_t) noexcept nogil
        size_t (*network_room_f64)(size_t, const size_t *, size_t) noexcept nogil
        int (*network_gradients_f32)(int, float, int, size_t, const size_t *, size_t,
                                     const void *const *, const void *const *, const float *,
                                     const void *, void *, double *, void *const *, void *const *) noexcept nogil
        int (*network_gradients_f64)(int, double, int, size_t, const size_t *, size_t,
                                     const void *const *, const void *const *, const double *,
                                     const void *, void *, double *, void *const *, void *const *) noexcept nogil
        int (*network_profile_f32)(int, float, int, size_t, const size_t *, size_t,
                                   const void *const *, const void *const *, const float *,
                                   const void *, void *, double *, double *, double *) noexcept nogil
        int (*network_profile_f64)(int, double, int, size_t, const size_t *, size_t,
                                   const void *const *, const void *const *, const double *,
                                   const void *, void *, double *, double *, double *) noexcept nogil
        size_t (*dense_room_f32)(size_t, size_t, size_t) noexcept nogil
        size_t (*dense_room_f64)(size_t, size_t, size_t) noexcept nogil
        int (*dense_forward_f32)(int, float, size_t, size_t, size_t, const float *, const float *,
                                 const float *, float *, float *, void *, gemm_f32, void *) noexcept nogil
        int (*dense_forward_f64)(int, double, size_t, size_t, size_t, const double *, const double *,
                                 const double *, double *, double *, void *, gemm_f64, void *) noexcept nogil
        int (*dense_backward_f32)(size_t, size_t, size_t, const float *, const float *, const float *,
                                  const float *, float *, float *, float *, void *, gemm_f32, void *) noexcept nogil
        int (*dense_backward_f64)(size_t, size_t, size_t, const double *, const double *,
                                  const double *, const double *, double *, double *, double *, void *,
                                  gemm_f64, void *) noexcept nogil
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


cdef int draw_f32(int distribution, const uint32_t *key, uint32_t stream, uint64_t first,
                  double scale, size_t n, float *out) noexcept nogil:
    return table.draw_f32(distribution, key, stream, first, scale, n, out)


cdef int draw_f64(int distribution, const uint32_t *key, uint32_t stream, uint64_t first,
                  double scale, size_t n, double *out) noexcept nogil:
    return table.draw_f64(distribution, key, stream, first, scale, n, out)


cdef size_t network_room_f32(size_t layers, const size_t *sizes, size_t batch) noexcept nogil:
    return table.network_room_f32(layers, sizes, batch)


cdef size_t network_room_f64(size_t layers, const size_t *sizes, size_t batch) noexcept nogil:
    return table.network_room_f64(layers, sizes, batch)


cdef int network_gradients_f32(int activation, float parameter, int loss, size_t layers,
                               const size_t *sizes, size_t batch, const void *const *weights,
                               const void *const *biases, const float *x, const void *targets,
                               void *room, double *mean_loss, void *const *dweights,
                               void *const *dbiases) noexcept nogil:
    return table.network_gradients_f32(activation, parameter, loss, layers, sizes, batch, weights, biases, x, targets,
                                       room, mean_loss, dweights, dbiases)


cdef int network_gradients_f64(int activation, double parameter, int loss, size_t layers,
                               const size_t *sizes, size_t batch, const void *const *weights,
                               const void *const *biases, const double *x, const void *targets,
                               void *room, double *mean_loss, void *const *dweights,
                               void *const *dbiases) noexcept nogil:
    return table.network_gradients_f64(activation, parameter, loss, layers, sizes, batch, weights, biases, x, targets,
                                       room, mean_loss, dweights, dbiases)


cdef int network_profile_f32(int activation, float parameter, int loss, size_t layers,
                             const size_t *sizes, size_t batch, const void *const *weights,
                             const void *const *biases, const float *x, const void *targets,
                             void *room, double *mean_loss, double *log10_delta,
                             double *log10_dweight) noexcept nogil:
    return table.network_profile_f32(activation, parameter, loss, layers, sizes, batch, weights, biases, x, targets,
                                     room, mean_loss, log10_delta, log10_dweight)


cdef int network_profile_f64(int activation, double parameter, int loss, size_t layers,
                             const size_t *sizes, size_t batch, const void *const *weights,
                             const void *const *biases, const double *x, const void *targets,
                             void *room, double *mean_loss, double *log10_delta,
                             double *log10_dweight) noexcept nogil:
    return table.network_profile_f64(activation, parameter, loss, layers, sizes, batch, weights, biases, x, targets,
                                     room, mean_loss, log10_delta, log10_dweight)


cdef size_t dense_room_f32(size_t batch, size_t fan_in, size_t fan_out) noexcept nogil:
    return table.dense_room_f32(batch, fan_in, fan_out)


cdef size_t dense_room_f64(size_t batch, size_t fan_in, size_t fan_out) noexcept nogil:
    return table.dense_room_f64(batch, fan_in, fan_out)


cdef int dense_forward_f32(int activation, float parameter, size_t batch, size_t fan_in,
                           size_t fan_out, const float *x, const float *weight, const float *bias,
                           float *y, float *d, void *room, gemm_f32 gemm, void *context) noexcept nogil:
    return table.dense_forward_f32(activation, parameter, batch, fan_in, fan_out, x, weight, bias, y, d, room, gemm,
                                   context)


cdef int dense_forward_f64(int activation, double parameter, size_t batch, size_t fan_in,
                           size_t fan_out, const double *x, const double *weight, const double *bias,
                           double *y, double *d, void *room, gemm_f64 gemm, void *context) noexcept nogil:
    return table.dense_forward_f64(activation, parameter, batch, fan_in, fan_out, x, weight, bias, y, d, room, gemm,
                                   context)


cdef int dense_backward_f32(size_t batch, size_t fan_in, size_t fan_out, const float *dy,
                            const float *d, const float *x, const float *weight, float *dx,
                            float *dweight, float *dbias, void *room, gemm_f32 gemm, void *context) noexcept nogil:
    return table.dense_backward_f32(batch, fan_in, fan_out, dy, d, x, weight, dx, dweight, dbias, room, gemm, context)


cdef int dense_backward_f64(size_t batch, size_t fan_in, size_t fan_out, const double *dy,
                            const double *d, const double *x, const double *weight, double *dx,
                            double *dweight, double *dbias, void *room, gemm_f64 gemm, void *context) noexcept nogil:
    return table.dense_backward_f64(batch, fan_in, fan_out, dy, d, x, weight, dx, dweight, dbias, room, gemm, context)
