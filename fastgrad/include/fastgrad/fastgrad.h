/* The kernels as the table of abi.h, in C99 or C++11 and without Python: include this in one file of a program.

       const fastgrad_table *fastgrad = fastgrad_open(NULL);
       fastgrad->value(FASTGRAD_TANH, sizeof *z, n, z, 0, y);

   Compile with -O3 and what `python -m fastgrad config --cflags` prints (the CMake package and fastgrad.pc say the same)
   for the speed and the bits of the Python package, and link with -lm. */
#ifndef FASTGRAD_FASTGRAD_H
#define FASTGRAD_FASTGRAD_H

#include "abi.h"
#include "kernels.h"

static const fg_set *fastgrad_active = NULL;
enum { FASTGRAD_BLOCK = 4096 }; /* bytes of derivatives on the stack, in the innermost cache */

/* What is wrong with an activation or a size of numbers, or FASTGRAD_OK. */
static inline int fastgrad_check(int activation, size_t item)
{
    if (!fg_of(fastgrad_active, item))
        return FASTGRAD_BAD_ARGUMENT;
    return activation < 0 || activation >= FG_ACTIVATIONS ? FASTGRAD_UNKNOWN_ACTIVATION : FASTGRAD_OK;
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

static int fastgrad_draw(int distribution, size_t item, const uint32_t *key, uint32_t stream, uint64_t first,
                         double scale, size_t n, void *out)
{
    const fg_kernels *const kernels = fg_of(fastgrad_active, item);
    if (!kernels || distribution < FASTGRAD_UNIFORM || distribution > FASTGRAD_TRUNCATED || first % FG_DRAWN)
        return FASTGRAD_BAD_ARGUMENT;
    kernels->fill(key, stream, distribution, scale, first, n, out);
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

#include "pass.h"

/* The table over one instruction set (`avx512`, `avx2`, `baseline`, `neon`, `scalar`), or over the best that this processor
   runs if `cpu` is NULL; NULL if there is none of that name or the processor does not run it. Call it before starting
   threads: a program has one table, and a later call for another set changes what it does. */
static inline const fastgrad_table *fastgrad_open(const char *cpu)
{
    static fastgrad_table table;
    const fg_set *const found = fg_find(cpu);
    if (!found)
        return NULL;
    fastgrad_active = found;
    table.abi = FASTGRAD_ABI;
    table.size = sizeof table;
    table.version = FASTGRAD_VERSION;
    table.cpu = found->name;
    table.value = fastgrad_value;
    table.derivative = fastgrad_derivative;
    table.value_and_derivative = fastgrad_value_and_derivative;
    table.backward = fastgrad_backward;
    table.scalar = fastgrad_scalar;
    table.draw = fastgrad_draw;
    table.network_room = fastgrad_network_room;
    table.network_gradients = fastgrad_network_gradients;
    table.network_profile = fastgrad_network_profile;
    table.dense_room = fastgrad_dense_room;
    table.dense_forward = fastgrad_dense_forward;
    table.dense_backward = fastgrad_dense_backward;
    return &table;
}

#endif
