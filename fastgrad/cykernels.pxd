# The table of C functions for Cython: `from fastgrad.cykernels cimport FASTGRAD_TANH, fastgrad_import, fastgrad_table`.
#
#     cdef const fastgrad_table *fastgrad = fastgrad_import()
#     ...
#     with nogil:
#         fastgrad.value(FASTGRAD_TANH, sizeof(double), n, &z[0], 0, &y[0])
#
# What each function does and takes is said in include/fastgrad/abi.h. Give the compiler `fastgrad.get_include()`.

from libc.stdint cimport uint32_t, uint64_t

include "activations.pxi"  # FASTGRAD_SIGMOID and so on, printed by the build

cdef extern from "fastgrad/capsule.h" nogil:
    enum:
        FASTGRAD_OK
        FASTGRAD_UNKNOWN_ACTIVATION
        FASTGRAD_BAD_ARGUMENT
        FASTGRAD_OUT_OF_RANGE
    enum:
        FASTGRAD_CROSS_ENTROPY
        FASTGRAD_MEAN_SQUARED_ERROR
    enum:
        FASTGRAD_UNIFORM
        FASTGRAD_NORMAL
        FASTGRAD_TRUNCATED

    ctypedef void (*fastgrad_gemm)(void *context, size_t item, int transpose_a, int transpose_b, size_t m, size_t n,
                                   size_t k, const void *a, const void *b, void *c) noexcept nogil
    ctypedef struct fastgrad_choice:
        int activation
        int derivative
        double parameter
    ctypedef struct fastgrad_table:
        uint32_t abi
        uint32_t size
        const char *version
        const char *cpu
        int (*value)(int activation, size_t item, size_t n, const void *z, double parameter, void *y) noexcept nogil
        int (*derivative)(int activation, size_t item, size_t n, const void *z, double parameter,
                          void *d) noexcept nogil
        int (*value_and_derivative)(int activation, size_t item, size_t n, const void *z, double parameter, void *y,
                                    void *d) noexcept nogil
        int (*backward)(int activation, size_t item, size_t n, const void *z, double parameter, const void *dy,
                        void *dz) noexcept nogil
        double (*scalar)(double z, void *choice) noexcept nogil
        int (*draw)(int distribution, size_t item, const uint32_t *key, uint32_t stream, uint64_t first, double scale,
                    size_t n, void *out) noexcept nogil
        size_t (*network_room)(size_t item, size_t layers, const size_t *sizes, size_t batch) noexcept nogil
        int (*network_gradients)(int activation, size_t item, double parameter, int loss, size_t layers,
                                 const size_t *sizes, size_t batch, const void *const *weights,
                                 const void *const *biases, const void *x, const void *targets, void *room,
                                 double *mean_loss, void *const *dweights, void *const *dbiases) noexcept nogil
        int (*network_profile)(int activation, size_t item, double parameter, int loss, size_t layers,
                               const size_t *sizes, size_t batch, const void *const *weights,
                               const void *const *biases, const void *x, const void *targets, void *room,
                               double *mean_loss, double *log10_delta, double *log10_dweight) noexcept nogil
        size_t (*dense_room)(size_t item, size_t batch, size_t fan_in, size_t fan_out) noexcept nogil
        int (*dense_forward)(int activation, size_t item, double parameter, size_t batch, size_t fan_in,
                             size_t fan_out, const void *x, const void *weight, const void *bias, void *y, void *d,
                             void *room, fastgrad_gemm gemm, void *context) noexcept nogil
        int (*dense_backward)(size_t item, size_t batch, size_t fan_in, size_t fan_out, const void *dy,
                              const void *d, const void *x, const void *weight, void *dx, void *dweight, void *dbias,
                              void *room, fastgrad_gemm gemm, void *context) noexcept nogil
    const fastgrad_table *fastgrad_import() except NULL with gil
