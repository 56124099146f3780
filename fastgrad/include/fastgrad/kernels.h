/* The kernels of fastgrad for every instruction set: activations and their derivatives as functions of z, layers, whole
   networks, training and random numbers, for float and double.

   fg_find(name) chooses a set, fg_of(set, sizeof(float)) its functions for a type. Everything is static: include this
   file in one C file of your own. */
#ifndef FASTGRAD_KERNELS_H
#define FASTGRAD_KERNELS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "abi.h"
#include "set/activations.h"

/* Design: - The templates in set/ are included once per instruction set and type, between target pragmas, with some
             twenty primitives spelled for that set (set/simd_*.h). Three of them are printed from the Python formulas:
             formulas_f32.h, formulas_f64.h and activations.h, the list that every other list follows from.
           - Functions are called through pointers without types, `void *` and the size of a number: whoever calls them
             declares each once.
           - Not target_clones: helpers do not inline into the clones, and musl and macOS lack it.
           - No contraction of a * b + c by the compiler (-ffp-contract=off): where the formulas want a fused
             multiply-add they say so, so every compiler computes the same bits. */

#define FG_NUMBER(NAME, UPPER, ARGUMENTS) FG_##UPPER,
enum { FG_EACH_ACTIVATION(FG_NUMBER) FG_ACTIVATIONS };
#undef FG_NUMBER

#ifdef __cplusplus
#define FG_ASSERT(condition, text) static_assert(condition, text)
#else
#define FG_ASSERT(condition, text) _Static_assert(condition, text)
#endif
#define FG_SAME(NAME, UPPER, ARGUMENTS) \
    FG_ASSERT((int)FG_##UPPER == (int)FASTGRAD_##UPPER, "abi.h has another number for " #NAME);
FG_EACH_ACTIVATION(FG_SAME)
#undef FG_SAME

/* One pass through a network (network.h): what goes in, room to work in, what comes out. Pointers to void are to float
   or double, as the pass is. */
typedef struct {
    size_t layers, batch, ld; /* weight layers; samples; columns: the batch rounded up to whole vectors */
    const size_t *sizes;      /* layers + 1 */
    const void *const *weights, *const *biases; /* (fan_in, fan_out), (fan_out,) */
    int activation;
    double parameter, threshold; /* phi' below the threshold is saturated */
    const void *inputs;          /* (batch, sizes[0]) */
    int cross_entropy;           /* or else the mean squared error */
    const void *targets;         /* int64 labels, (batch,), or (batch, outputs) */
    int measured;                /* the sums below are wanted, and delta is rescaled where it must be */

    size_t block;                           /* layers that are kept at a time; 0: all, and none shares x or d */
    void **x, **d;                          /* inputs of the layers, phi' of the hidden layers */
    void *outputs, *delta, *other, *scratch;
    double *log_p;                          /* twice (batch, outputs) */

    double loss;
    double *signal_squares, *signal_top;   /* per layer, of z: sum of squares and largest magnitude */
    double *saturated, *dead;              /* per hidden layer: numbers, units */
    double *delta_squares, *delta_top;     /* of delta, which is 2^delta_exponent times what they say */
    double *gradient_squares;              /* of dL/dW, in the same unit */
    double *weight_top, *bias_top;         /* largest magnitudes, NaN where one is not finite */
    int64_t *delta_exponent;
    void **dweights, **dbiases;            /* dweights NULL: not wanted */
} fg_network;

/* Part of an epoch (training.h). Pointers to void are to float or double; sizes are in numbers. */
enum { FG_SGD, FG_MOMENTUM, FG_NESTEROV, FG_ADAM };
typedef struct {
    fg_network *net;                   /* its weights and gradients are in w and g; its batch is the largest */
    const void *inputs, *targets;      /* all samples */
    const int64_t *rows;               /* those to train on, in this order */
    size_t count;
    void *batch_inputs, *batch_targets; /* room for one batch */
    int optimizer;
    double rate, weight_decay, options[3]; /* momentum, or beta_1, beta_2, epsilon */
    void *w, *g, *kept[2];             /* flat, of whole cache lines: parameters, gradient, what the optimiser keeps */
    size_t parameters, decaying;       /* numbers; of these the first that decay */
    int64_t step;                      /* steps made so far, counted on */
    double loss;                       /* sums over the samples, added to */
    int64_t correct;
} fg_training;

/* One dense layer (dense.h): x (batch, fan_in), weight (fan_in, fan_out), bias (fan_out). */
typedef struct {
    size_t batch, fan_in, fan_out;
    const void *x, *weight, *bias;
    void *scratch;
    fastgrad_gemm gemm; /* the caller's matrix product, or NULL for ours */
    void *context;
} fg_dense;

/* The functions of one instruction set for one type. Pointers to void are to numbers of `item` bytes. */
typedef void (*fg_one)(size_t n, const void *z, double parameter, void *out);
typedef void (*fg_two)(size_t n, const void *z, double parameter, void *y, void *d);
typedef struct fg_kernels {
    size_t item;                       /* sizeof(float) or sizeof(double) */
    size_t width;                      /* numbers in a vector */
    fg_one value[FG_ACTIVATIONS];      /* set/loops.h */
    fg_one derivative[FG_ACTIVATIONS];
    fg_two both[FG_ACTIVATIONS];       /* value, derivative */
    fg_one exponential;                /* exp of arguments at most 0: the roof of the others */
    void (*multiply)(size_t n, const void *a, const void *b, void *out);
    int (*network)(const struct fg_kernels *, fg_network *);     /* set/network.h */
    double (*largest)(size_t n, const void *a);                  /* magnitude; NaN if one of them is not finite */
    size_t (*train)(const struct fg_kernels *, fg_training *);   /* set/training.h */
    void (*dense_forward)(const struct fg_kernels *, const fg_dense *, int activation, double parameter, void *y,
                          void *d);                              /* set/dense.h */
    void (*dense_backward)(const fg_dense *, const void *dy, const void *d, void *dz, void *dx, void *dweight,
                           void *dbias);
    size_t (*dense_scratch)(size_t batch, size_t fan_in, size_t fan_out, int backward); /* in numbers */
    void (*fill)(const uint32_t *key, uint32_t stream, int distribution, double scale, uint64_t first, size_t count,
                 void *out);                                     /* set/random.h */
    double (*multiply_add)(size_t rounds, double factor);        /* 12 vectors of them a round: set/peak.h */
} fg_kernels;

typedef struct {
    const char *name;
    const fg_kernels *single, *wide; /* of float, of double */
} fg_set;

#if defined(__clang__)
#define FG_INLINE static inline __attribute__((always_inline, unused))
#define FG_UNROLL _Pragma("clang loop unroll(full)")
#define FG_PREFETCH(p) __builtin_prefetch(p, 0, 2)
#elif defined(__GNUC__)
#define FG_INLINE static inline __attribute__((always_inline, unused))
#define FG_UNROLL _Pragma("GCC unroll 12") /* else the sums of a GEMM block spill to memory */
#define FG_PREFETCH(p) __builtin_prefetch(p, 0, 2)
#else
#define FG_INLINE static inline
#define FG_UNROLL
#define FG_PREFETCH(p) (void)(p)
#endif

#ifdef _MSC_VER
#define FG_RESTRICT __restrict
#else
#define FG_RESTRICT __restrict__
#endif

/* Names carry type and set; the templates say FG(name). */
#define FG_PASTE_(name, type, set) fg_##name##_##type##_##set
#define FG_PASTE(name, type, set) FG_PASTE_(name, type, set)

#include "turn.h"

#define FG_SET scalar
#define FG_SIMD "simd_scalar.h"
#include "set/each_type.h"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#include <immintrin.h>

#define FG_SET sse2
#define FG_SIMD "simd_sse2.h"
#include "set/each_type.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define FG_SET avx2
#define FG_SIMD "simd_avx2.h"
#include "set/each_type.h"
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx2,fma,prefer-vector-width=512")
#endif
#define FG_SET avx512
#define FG_SIMD "simd_avx512.h"
#include "set/each_type.h"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#include <arm_neon.h>
#define FG_SET neon
#define FG_SIMD "simd_neon.h"
#include "set/each_type.h"
#endif

/* The sets of this build, the best first, and whether this processor runs one. */
static const fg_set fg_all_sets[] = {
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    {"avx512", &fg_table_f32_avx512, &fg_table_f64_avx512},
    {"avx2", &fg_table_f32_avx2, &fg_table_f64_avx2},
    {"baseline", &fg_table_f32_sse2, &fg_table_f64_sse2},
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
    {"neon", &fg_table_f32_neon, &fg_table_f64_neon},
#endif
    {"scalar", &fg_table_f32_scalar, &fg_table_f64_scalar},
};

FG_INLINE int fg_runs(const fg_set *set)
{
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    __builtin_cpu_init();
    if (strcmp(set->name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if (strcmp(set->name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)set;
    return 1;
}

enum { FG_SETS = sizeof fg_all_sets / sizeof *fg_all_sets };

/* The set of this name, or without one the best, that this processor runs; NULL if there is none. */
FG_INLINE const fg_set *fg_find(const char *name)
{
    for (size_t i = 0; i < FG_SETS; i++)
        if ((!name || strcmp(name, fg_all_sets[i].name) == 0) && fg_runs(&fg_all_sets[i]))
            return &fg_all_sets[i];
    return NULL;
}

/* The functions for numbers of `item` bytes; NULL if there are none. */
FG_INLINE const fg_kernels *fg_of(const fg_set *set, size_t item)
{
    return item == sizeof(float) ? set->single : item == sizeof(double) ? set->wide : NULL;
}

#endif
