/* The kernels as the table of abi.h, in C99 or C++11 and without Python: include this in one file of a program.

       const fastgrad_table *fastgrad = fastgrad_open(NULL);
       fastgrad->value_f32(FASTGRAD_TANH, n, z, 0, y);

   Compile with -O3 and what `python -m fastgrad config --cflags` prints (the CMake package and fastgrad.pc say the same)
   for the speed and the bits of the Python package, and link with -lm. */
#ifndef FASTGRAD_FASTGRAD_H
#define FASTGRAD_FASTGRAD_H

#include "abi.h"
#include "kernels.h"

static const fg_set *fastgrad_active = NULL;
#define FASTGRAD_BLOCK 512 /* derivatives on the stack, in the innermost cache */

#define FASTGRAD_FUNCTIONS(SCALAR, TYPE)                                                                       \
    static int fastgrad_value_##TYPE(int activation, size_t n, const SCALAR *z, SCALAR parameter, SCALAR *y)   \
    {                                                                                                          \
        if (activation < 0 || activation >= FG_ACTIVATIONS)                                                    \
            return FASTGRAD_UNKNOWN_ACTIVATION;                                                                \
        fastgrad_active->TYPE->value[activation](n, z, parameter, y);                                          \
        return FASTGRAD_OK;                                                                                    \
    }                                                                                                          \
    static int fastgrad_derivative_##TYPE(int activation, size_t n, const SCALAR *z, SCALAR parameter,         \
                                          SCALAR *d)                                                           \
    {                                                                                                          \
        if (activation < 0 || activation >= FG_ACTIVATIONS)                                                    \
            return FASTGRAD_UNKNOWN_ACTIVATION;                                                                \
        fastgrad_active->TYPE->derivative[activation](n, z, parameter, d);                                     \
        return FASTGRAD_OK;                                                                                    \
    }                                                                                                          \
    static int fastgrad_value_and_derivative_##TYPE(int activation, size_t n, const SCALAR *z, SCALAR parameter, \
                                                    SCALAR *y, SCALAR *d)                                      \
    {                                                                                                          \
        if (activation < 0 || activation >= FG_ACTIVATIONS)                                                    \
            return FASTGRAD_UNKNOWN_ACTIVATION;                                                                \
        fastgrad_active->TYPE->both[activation](n, z, parameter, y, d);                                        \
        return FASTGRAD_OK;                                                                                    \
    }                                                                                                          \
    static int fastgrad_backward_##TYPE(int activation, size_t n, const SCALAR *z, SCALAR parameter,           \
                                        const SCALAR *dy, SCALAR *dz)                                          \
    {                                                                                                          \
        SCALAR d[FASTGRAD_BLOCK];                                                                              \
        if (activation < 0 || activation >= FG_ACTIVATIONS)                                                    \
            return FASTGRAD_UNKNOWN_ACTIVATION;                                                                \
        for (size_t start = 0, count; start < n; start += count) {                                             \
            count = n - start < FASTGRAD_BLOCK ? n - start : FASTGRAD_BLOCK;                                   \
            fastgrad_active->TYPE->derivative[activation](count, z + start, parameter, d);                     \
            for (size_t i = 0; i < count; i++)                                                                 \
                dz[start + i] = dy[start + i] * d[i];                                                          \
        }                                                                                                      \
        return FASTGRAD_OK;                                                                                    \
    }                                                                                                          \
    static int fastgrad_draw_##TYPE(int distribution, const uint32_t *key, uint32_t stream, uint64_t first,    \
                                    double scale, size_t n, SCALAR *out)                                       \
    {                                                                                                          \
        if (distribution < FG_UNIFORM || distribution > FG_TRUNCATED || first % FG_DRAWN)                      \
            return FASTGRAD_BAD_ARGUMENT;                                                                      \
        fastgrad_active->TYPE->fill(key, stream, distribution, scale, first, n, out);                          \
        return FASTGRAD_OK;                                                                                    \
    }
FASTGRAD_FUNCTIONS(float, f32)
FASTGRAD_FUNCTIONS(double, f64)

/* phi or phi' of one number, for integrators and solvers; NaN for an activation that is unknown. */
static double fastgrad_scalar(double z, void *choice)
{
    const fastgrad_choice *const what = (const fastgrad_choice *)choice;
    double result = NAN;
    (void)(what->derivative ? fastgrad_derivative_f64(what->activation, 1, &z, what->parameter, &result)
                            : fastgrad_value_f64(what->activation, 1, &z, what->parameter, &result));
    return result;
}

#include "pass.h"

/* The table over one instruction set (`avx512`, `avx2`, `baseline`, `neon`, `scalar`), or over the best that this processor
   runs if `cpu` is NULL; NULL if there is none of that name or the processor does not run it. Call it before starting
   threads: a program has one table, and a later call for another set changes what it does. */
static inline const fastgrad_table *fastgrad_open(const char *cpu)
{
    static fastgrad_table table;
    const size_t sets = sizeof fg_all_sets / sizeof *fg_all_sets;
    size_t i = 0;
    while (i < sets && ((cpu && strcmp(cpu, fg_all_sets[i].name) != 0) || !fg_runs(&fg_all_sets[i])))
        i++;
    if (i == sets)
        return NULL;
    fastgrad_active = &fg_all_sets[i];
    table.abi = FASTGRAD_ABI;
    table.size = sizeof table;
    table.version = FASTGRAD_VERSION;
    table.cpu = fastgrad_active->name;
    table.value_f32 = fastgrad_value_f32;
    table.value_f64 = fastgrad_value_f64;
    table.derivative_f32 = fastgrad_derivative_f32;
    table.derivative_f64 = fastgrad_derivative_f64;
    table.value_and_derivative_f32 = fastgrad_value_and_derivative_f32;
    table.value_and_derivative_f64 = fastgrad_value_and_derivative_f64;
    table.backward_f32 = fastgrad_backward_f32;
    table.backward_f64 = fastgrad_backward_f64;
    table.scalar = fastgrad_scalar;
    table.draw_f32 = fastgrad_draw_f32;
    table.draw_f64 = fastgrad_draw_f64;
    table.network_room_f32 = fastgrad_network_room_f32;
    table.network_room_f64 = fastgrad_network_room_f64;
    table.network_gradients_f32 = fastgrad_network_gradients_f32;
    table.network_gradients_f64 = fastgrad_network_gradients_f64;
    table.network_profile_f32 = fastgrad_network_profile_f32;
    table.network_profile_f64 = fastgrad_network_profile_f64;
    table.dense_room_f32 = fastgrad_dense_room_f32;
    table.dense_room_f64 = fastgrad_dense_room_f64;
    table.dense_forward_f32 = fastgrad_dense_forward_f32;
    table.dense_forward_f64 = fastgrad_dense_forward_f64;
    table.dense_backward_f32 = fastgrad_dense_backward_f32;
    table.dense_backward_f64 = fastgrad_dense_backward_f64;
    return &table;
}

#undef FASTGRAD_FUNCTIONS
#endif
