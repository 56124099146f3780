/* The table of functions that fastgrad lends to other projects: its layout, and no code.

   A Python extension gets it from fastgrad_import() (capsule.h), a program without Python from fastgrad_open()
   (fastgrad.h). Every function may be called from any thread, without the GIL, on contiguous memory; it allocates nothing
   and keeps nothing. Floating-point exception flags are undefined after a call.

   There is one function for float and double: `item` is the size of a number, sizeof(float) or sizeof(double), and every
   pointer to void without another word is to such numbers. Any other `item` is FASTGRAD_BAD_ARGUMENT. */
#ifndef FASTGRAD_ABI_H
#define FASTGRAD_ABI_H

/* Design: - The promise: within one FASTGRAD_ABI this table only grows, at its end. A field never moves, changes its
             type or its meaning, and numbers of activations and errors are never used again for something else.
           - An activation is a number rather than a field, so that one more activation is no new field, and a library
             that does not know a number says so instead of calling into nowhere.
           - `cffi` and `ctypes` read the declarations below as they stand (fastgrad/ffi.py), so they keep to what
             a small parser understands: one field per statement, no macros between them. */

#include <stddef.h>
#include <stdint.h>

#define FASTGRAD_ABI 1
#define FASTGRAD_VERSION "0.1.0"

enum fastgrad_activation {
    FASTGRAD_SIGMOID = 0,
    FASTGRAD_TANH = 1,
    FASTGRAD_RELU = 2,
    FASTGRAD_LEAKY_RELU = 3,
    FASTGRAD_ELU = 4
};

/* What functions that return int return. */
enum fastgrad_error {
    FASTGRAD_OK = 0,
    FASTGRAD_UNKNOWN_ACTIVATION = -1,
    FASTGRAD_BAD_ARGUMENT = -2,
    FASTGRAD_OUT_OF_RANGE = -3
};
enum fastgrad_loss { FASTGRAD_CROSS_ENTROPY = 0, FASTGRAD_MEAN_SQUARED_ERROR = 1 };
enum fastgrad_distribution { FASTGRAD_UNIFORM = 0, FASTGRAD_NORMAL = 1, FASTGRAD_TRUNCATED = 2 };

/* The caller's own matrix product: c (m, n) = op(a) op(b), all in C order without gaps; a is (m, k), or (k, m) if it is
   to be transposed, b (k, n) or (n, k). `context` is handed through. */
typedef void (*fastgrad_gemm)(void *context, size_t item, int transpose_a, int transpose_b, size_t m, size_t n,
                              size_t k, const void *a, const void *b, void *c);

/* One function of one number, as `scalar` reads it. */
typedef struct fastgrad_choice {
    int activation;
    int derivative; /* 0: the value, 1: the derivative */
    double parameter;
} fastgrad_choice;

/* z are pre-activations; y = phi(z), d = phi'(z) and dz = dy phi'(z) may be written over an input. `parameter` is ELU's
   alpha or Leaky ReLU's negative slope, from 0 to 2^100; the other activations ignore it.

   draw: out = scale times the numbers of a stream from number `first` on, a multiple of 256: uniform on (-1, 1), normal,
   or normal cut off at +-2. A number depends on key (four words), stream and its place alone. Xavier's standard deviation
   is sqrt(2 / (fan_in + fan_out)), He's sqrt(2 / fan_in); a uniform number's scale is sqrt(3) times it.

   dense: y (batch, fan_out) = phi(x W + b) and d = phi' there; backward from dy and d, with dz = dy d: dx = dz W^T,
   dweight = x^T dz, dbias = the sum of dz over the batch. x is (batch, fan_in), weight (fan_in, fan_out), bias (fan_out).
   room is memory of dense_room bytes for one call at a time; gemm is the caller's product, or NULL for fastgrad's.

   network: layers is the number of weight layers, two at least; sizes are layers + 1; weights[l] is (sizes[l],
   sizes[l + 1]), biases[l] (sizes[l + 1]), x (batch, sizes[0]), all in C order; targets are int64_t labels for the
   cross-entropy, or (batch, outputs) numbers; room is memory of network_room bytes for one call at a time, asked for with
   the instruction set in use that the call runs with. gradients writes the mean loss and its gradients, shaped as weights
   and biases; profile the log10 of the root mean square of delta = dL/dz and of dL/dW per layer, at any depth, or returns
   FASTGRAD_OUT_OF_RANGE where z leaves the range of ordinary numbers on the way forward, or a weight or bias is not finite
   or a weight above 2^64. */
typedef struct fastgrad_table {
    uint32_t abi;
    uint32_t size;
    const char *version;
    const char *cpu;
    int (*value)(int activation, size_t item, size_t n, const void *z, double parameter, void *y);
    int (*derivative)(int activation, size_t item, size_t n, const void *z, double parameter, void *d);
    int (*value_and_derivative)(int activation, size_t item, size_t n, const void *z, double parameter, void *y, void *d);
    int (*backward)(int activation, size_t item, size_t n, const void *z, double parameter, const void *dy, void *dz);
    double (*scalar)(double z, void *choice);
    int (*draw)(int distribution, size_t item, const uint32_t *key, uint32_t stream, uint64_t first, double scale,
        size_t n, void *out);
    size_t (*network_room)(size_t item, size_t layers, const size_t *sizes, size_t batch);
    int (*network_gradients)(int activation, size_t item, double parameter, int loss, size_t layers,
        const size_t *sizes, size_t batch, const void *const *weights, const void *const *biases, const void *x,
        const void *targets, void *room, double *mean_loss, void *const *dweights, void *const *dbiases);
    int (*network_profile)(int activation, size_t item, double parameter, int loss, size_t layers,
        const size_t *sizes, size_t batch, const void *const *weights, const void *const *biases, const void *x,
        const void *targets, void *room, double *mean_loss, double *log10_delta, double *log10_dweight);
    size_t (*dense_room)(size_t item, size_t batch, size_t fan_in, size_t fan_out);
    int (*dense_forward)(int activation, size_t item, double parameter, size_t batch, size_t fan_in, size_t fan_out,
        const void *x, const void *weight, const void *bias, void *y, void *d, void *room, fastgrad_gemm gemm,
        void *context);
    int (*dense_backward)(size_t item, size_t batch, size_t fan_in, size_t fan_out, const void *dy, const void *d,
        const void *x, const void *weight, void *dx, void *dweight, void *dbias, void *room, fastgrad_gemm gemm,
        void *context);
} fastgrad_table;

/* Whether a table has a field that came after the first release: FASTGRAD_HAS(table, scalar). */
#define FASTGRAD_UP_TO(field) (offsetof(fastgrad_table, field) + sizeof(void *))
#define FASTGRAD_HAS(table, field) ((table)->size >= FASTGRAD_UP_TO(field))

#endif
