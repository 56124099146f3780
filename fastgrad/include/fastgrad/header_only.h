/* The kernels themselves, in C99 or C++11: a program that includes this in one file, in place of fastgrad.h, needs no
   library. It compiles them all, which takes ten seconds and more; a program that wants some activations only says which,

       #define FASTGRAD_ONLY (1 << FASTGRAD_TANH | 1 << FASTGRAD_ELU)
       #include <fastgrad/header_only.h>

   and compiles those, in a second or two each. Its table knows no others, and ends with `scalar`: no random numbers, layers
   or networks (FASTGRAD_HAS of them is 0).

   Compile with -O3 and what `python -m fastgrad config --cflags` prints (the CMake package and fastgrad.pc say the same)
   for the speed and the bits of the Python package, and link with -lm. */
#ifndef FASTGRAD_HEADER_ONLY_H
#define FASTGRAD_HEADER_ONLY_H

#if defined(FASTGRAD_FASTGRAD_H) && !defined(FASTGRAD_LIBRARY)
#error "include fastgrad/fastgrad.h and link libfastgrad, or include fastgrad/header_only.h: not both in one file"
#endif

#ifdef FASTGRAD_ONLY
#include "kernels.h"
#else
#include "pass.h"
#endif

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

static const fg_set *fastgrad_active = NULL;
enum { FASTGRAD_BLOCK = 4096 }; /* bytes of derivatives on the stack, in the innermost cache */

/* What is wrong with an activation or a size of numbers, or FASTGRAD_OK. */
static inline int fastgrad_check(int activation, size_t item)
{
    if (!fg_of(fastgrad_active, item))
        return FASTGRAD_BAD_ARGUMENT;
    if (activation < 0 || activation >= FG_ACTIVATIONS || !FG_WANTED(activation))
        return FASTGRAD_UNKNOWN_ACTIVATION;
    return FASTGRAD_OK;
}

static int fastgrad_value(int activation, size_t item, size_t n, const void *z, double parameter, void *y)
{
    const int error = fastgrad_check(activation, item);
    if (!error)
        fg_of(fastgrad_active, item)->value[activation](n, z, parameter, y);
    return error;
}

static int fastgrad_derivative(int activation, size_t item, size_t n, const void *z, double parameter, void *d)
{
    const int error = fastgrad_check(activation, item);
    if (!error)
        fg_of(fastgrad_active, item)->derivative[activation](n, z, parameter, d);
    return error;
}

static int fastgrad_value_and_derivative(int activation, size_t item, size_t n, const void *z, double parameter, void *y,
                                         void *d)
{
    const int error = fastgrad_check(activation, item);
    if (!error)
        fg_of(fastgrad_active, item)->both[activation](n, z, parameter, y, d);
    return error;
}

static int fastgrad_backward(int activation, size_t item, size_t n, const void *z, double parameter, const void *dy,
                             void *dz)
{
    double d[FASTGRAD_BLOCK / sizeof(double)];
    const int error = fastgrad_check(activation, item);
    if (error)
        return error;
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    for (size_t start = 0, count, block = FASTGRAD_BLOCK / item; start < n; start += count) {
        const size_t at = start * item;
        count = n - start < block ? n - start : block;
        kernels->derivative[activation](count, (const char *)z + at, parameter, d);
        kernels->multiply(count, (const char *)dy + at, d, (char *)dz + at);
    }
    return FASTGRAD_OK;
}

/* phi or phi' of one number, for integrators and solvers; NaN for an activation that is unknown. */
static double fastgrad_scalar(double z, void *choice)
{
    const fastgrad_choice *const what = (const fastgrad_choice *)choice;
    double result = NAN;
    (void)(what->derivative ? fastgrad_derivative(what->activation, sizeof z, 1, &z, what->parameter, &result)
                            : fastgrad_value(what->activation, sizeof z, 1, &z, what->parameter, &result));
    return result;
}

#ifndef FASTGRAD_ONLY
static int fastgrad_draw(int distribution, size_t item, const uint32_t *key, uint32_t stream, uint64_t first,
                         double scale, size_t n, void *out)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    if (!kernels || distribution < FASTGRAD_UNIFORM || distribution > FASTGRAD_TRUNCATED || first % FG_DRAWN)
        return FASTGRAD_BAD_ARGUMENT;
    kernels->fill(key, stream, distribution, scale, first, n, out);
    return FASTGRAD_OK;
}

/* What can be wrong with a network, or FASTGRAD_OK. */
static inline int fastgrad_check_network(int activation, size_t item, int loss, size_t layers, const size_t *sizes,
                                         size_t batch, const void *targets)
{
    const int error = fastgrad_check(activation, item);
    if (error)
        return error;
    if (layers < 2 || batch < 1 || (loss != FASTGRAD_CROSS_ENTROPY && loss != FASTGRAD_MEAN_SQUARED_ERROR))
        return FASTGRAD_BAD_ARGUMENT;
    for (size_t l = 0; l <= layers; l++)
        if (sizes[l] < 1)
            return FASTGRAD_BAD_ARGUMENT;
    for (size_t b = 0; loss == FASTGRAD_CROSS_ENTROPY && b < batch; b++) {
        const int64_t label = ((const int64_t *)targets)[b];
        if (label < 0 || (uint64_t)label >= sizes[layers])
            return FASTGRAD_BAD_ARGUMENT;
    }
    return FASTGRAD_OK;
}

/* `net` with all that a caller says of it, or what is wrong with that. */
static inline int fastgrad_describe(fg_network *net, int activation, size_t item, double parameter, int loss,
                                    size_t layers, const size_t *sizes, size_t batch, const void *const *weights,
                                    const void *const *biases, const void *x, const void *targets)
{
    memset(net, 0, sizeof *net);
    net->layers = layers, net->sizes = sizes, net->batch = batch, net->weights = weights, net->biases = biases;
    net->activation = activation, net->parameter = parameter, net->cross_entropy = loss == FASTGRAD_CROSS_ENTROPY;
    net->inputs = x, net->targets = targets;
    return fastgrad_check_network(activation, item, loss, layers, sizes, batch, targets);
}

static size_t fastgrad_network_room(size_t item, size_t layers, const size_t *sizes, size_t batch)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    fg_network net;
    memset(&net, 0, sizeof net);
    net.layers = layers, net.sizes = sizes, net.batch = batch;
    return kernels ? fastgrad_furnish(&net, NULL, kernels) : 0;
}

static int fastgrad_network_gradients(int activation, size_t item, double parameter, int loss, size_t layers,
                                      const size_t *sizes, size_t batch, const void *const *weights,
                                      const void *const *biases, const void *x, const void *targets, void *room,
                                      double *mean_loss, void *const *dweights, void *const *dbiases)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    fg_network net;
    const int error = fastgrad_describe(&net, activation, item, parameter, loss, layers, sizes, batch, weights, biases,
                                        x, targets);
    if (error)
        return error;
    net.dweights = (void **)dweights, net.dbiases = (void **)dbiases;
    fastgrad_furnish(&net, (char *)room, kernels);
    kernels->network(kernels, &net);
    *mean_loss = net.loss;
    return FASTGRAD_OK;
}

static int fastgrad_network_profile(int activation, size_t item, double parameter, int loss, size_t layers,
                                    const size_t *sizes, size_t batch, const void *const *weights,
                                    const void *const *biases, const void *x, const void *targets, void *room,
                                    double *mean_loss, double *log10_delta, double *log10_dweight)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    fg_network net;
    const int error = fastgrad_describe(&net, activation, item, parameter, loss, layers, sizes, batch, weights, biases,
                                        x, targets);
    if (error)
        return error;
    net.measured = 1;
    fastgrad_furnish(&net, (char *)room, kernels);
    if (kernels->network(kernels, &net))
        return FASTGRAD_OUT_OF_RANGE;
    for (size_t l = 0; l < layers; l++)
        if (!fastgrad_holds(&net, l))
            return FASTGRAD_OUT_OF_RANGE;
    *mean_loss = net.loss;
    fastgrad_root_mean_squares(&net, NULL, log10_delta, log10_dweight);
    return FASTGRAD_OK;
}

static size_t fastgrad_dense_room(size_t item, size_t batch, size_t fan_in, size_t fan_out)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    if (!kernels)
        return 0;
    const size_t forward = kernels->dense_scratch(batch, fan_in, fan_out, 0);
    const size_t backward = kernels->dense_scratch(batch, fan_in, fan_out, 1);
    return 64 + fg_lines(batch * fan_out * item) + fg_larger(forward, backward) * item;
}

static int fastgrad_dense_forward(int activation, size_t item, double parameter, size_t batch, size_t fan_in,
                                  size_t fan_out, const void *x, const void *weight, const void *bias, void *y, void *d,
                                  void *room, fastgrad_gemm gemm, void *context)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    const fg_dense layer = {batch, fan_in, fan_out, x, weight, bias, fastgrad_aligned(room), gemm, context};
    const int error = fastgrad_check(activation, item);
    if (error)
        return error;
    if (!batch || !fan_in || !fan_out)
        return FASTGRAD_BAD_ARGUMENT;
    kernels->dense_forward(kernels, &layer, activation, parameter, y, d);
    return FASTGRAD_OK;
}

static int fastgrad_dense_backward(size_t item, size_t batch, size_t fan_in, size_t fan_out, const void *dy,
                                   const void *d, const void *x, const void *weight, void *dx, void *dweight,
                                   void *dbias, void *room, fastgrad_gemm gemm, void *context)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    char *const dz = (char *)fastgrad_aligned(room);
    char *const scratch = dz + fg_lines(batch * fan_out * item);
    const fg_dense layer = {batch, fan_in, fan_out, x, weight, NULL, scratch, gemm, context};
    if (!kernels || !batch || !fan_in || !fan_out)
        return FASTGRAD_BAD_ARGUMENT;
    kernels->dense_backward(&layer, dy, d, dz, dx, dweight, dbias);
    return FASTGRAD_OK;
}

#endif

/* As fastgrad.h has it. */
FG_PUBLIC const fastgrad_table *fastgrad_open(const char *cpu)
{
    static fastgrad_table table;
    const fg_set *const found = fg_find(cpu);
    if (!found)
        return NULL;
    fastgrad_active = found;
    table.abi = FASTGRAD_ABI;
    table.version = FASTGRAD_VERSION;
    table.cpu = found->name;
    table.value = fastgrad_value;
    table.derivative = fastgrad_derivative;
    table.value_and_derivative = fastgrad_value_and_derivative;
    table.backward = fastgrad_backward;
    table.scalar = fastgrad_scalar;
#ifdef FASTGRAD_ONLY
    table.size = FASTGRAD_UP_TO(scalar);
#else
    table.size = sizeof table;
    table.draw = fastgrad_draw;
    table.network_room = fastgrad_network_room;
    table.network_gradients = fastgrad_network_gradients;
    table.network_profile = fastgrad_network_profile;
    table.dense_room = fastgrad_dense_room;
    table.dense_forward = fastgrad_dense_forward;
    table.dense_backward = fastgrad_dense_backward;
#endif
    return &table;
}

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif
