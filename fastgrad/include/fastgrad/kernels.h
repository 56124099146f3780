/* The kernels of fastgrad for every instruction set: activations and their derivatives as functions of z, layers, whole
   networks, training and random numbers, for float and double.

   fg_find(name) chooses a set, fg_of(set, sizeof(float)) its functions for a type. Everything is static and compiled where
   this is included, unless FASTGRAD_LINKED is defined: then it is in libfastgrad. FASTGRAD_ONLY: see header_only.h. */
#ifndef FASTGRAD_KERNELS_H
#define FASTGRAD_KERNELS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "abi.h"
#include "set/activations.h"

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast" /* C knows no other */
#endif

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
    double *log_p;                          /* twice (outputs, batch), and twice (batch) */

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
    void (*multiply)(size_t n, const void *a, const void *b, void *out);
#ifndef FASTGRAD_ONLY
    fg_one exponential;                /* exp of arguments at most 0: the roof of the others */
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
#endif
} fg_kernels;

typedef struct {
    const char *name;
    const fg_kernels *single, *wide; /* of float, of double */
} fg_set;

#ifdef FASTGRAD_ONLY
#define FG_WANTED(activation) ((FASTGRAD_ONLY) >> (activation) & 1)
#else
#define FG_WANTED(activation) 1
#endif

#if defined(__clang__)
#define FG_INLINE static inline __attribute__((always_inline, unused))
#define FG_UNROLL _Pragma("clang loop unroll(full)")
#define FG_PREFETCH(p) __builtin_prefetch(p, 0, 2) /* into the second-level cache */
#define FG_PREFETCH_NEAR(p) __builtin_prefetch(p, 0, 3)
#define FG_PREFETCH_TO_WRITE(p) __builtin_prefetch(p, 1, 3)
#elif defined(__GNUC__)
#define FG_INLINE static inline __attribute__((always_inline, unused))
#define FG_UNROLL _Pragma("GCC unroll 12") /* else the sums of a GEMM block spill to memory */
#define FG_PREFETCH(p) __builtin_prefetch(p, 0, 2) /* into the second-level cache */
#define FG_PREFETCH_NEAR(p) __builtin_prefetch(p, 0, 3)
#define FG_PREFETCH_TO_WRITE(p) __builtin_prefetch(p, 1, 3)
#else
#define FG_INLINE static inline
#define FG_UNROLL
#define FG_PREFETCH(p) (void)(p)
#define FG_PREFETCH_NEAR(p) (void)(p)
#define FG_PREFETCH_TO_WRITE(p) (void)(p)
#endif

#if defined(__GNUC__) && !defined(__clang__)
/* Ask for gcc's scheduler, or it leaves long chains of operations one after the other. clang has its own. */
#define FG_SCHEDULED _Pragma("GCC push_options") _Pragma("GCC optimize(\"schedule-insns\")")
#define FG_AS_BEFORE _Pragma("GCC pop_options")
#else
#define FG_SCHEDULED
#define FG_AS_BEFORE
#endif

#ifdef _MSC_VER
#define FG_RESTRICT __restrict
#else
#define FG_RESTRICT __restrict__
#endif

/* Names carry type and set; the templates say FG(name). */
#define FG_PASTE_(name, type, set) fg_##name##_##type##_##set
#define FG_PASTE(name, type, set) FG_PASTE_(name, type, set)

/* Numbers that a stream of random ones is drawn in: set/random.h. */
#define FG_DRAWN 256
/* 2^+-FG_WINDOW are the magnitudes outside which a measured pass carries exponents; as a power of two too, the largest
   weights with which no product within the window overflows. */
#define FG_WINDOW 24
#define FG_LARGEST_WEIGHT 64
/* Below it the other classes' log-probability has no digits left for what a layer changes. */
#define FG_LOWEST_LOG -1e9
/* A panel is the rows that meet all their steps while they are in cache (set/network.h): so many at least, whole blocks of
   GEMM, and not many more numbers than the second. */
#define FG_PANEL 24
#define FG_PANEL_NUMBERS 32768
/* Rows of a panel whose rows are ld long; of a panel of the batch's Gram matrices. */
FG_INLINE size_t fg_panel(size_t ld)
{
    const size_t rows = FG_PANEL_NUMBERS / (ld ? ld : 1) / FG_PANEL * FG_PANEL;
    return rows > FG_PANEL ? rows : FG_PANEL;
}
FG_INLINE size_t fg_gram_rows(size_t batch, size_t ld)
{
    return batch < fg_panel(ld) ? batch : fg_panel(ld);
}

#ifdef FASTGRAD_LIBRARY
#define FG_PUBLIC /* what library.c shows to those who link it */
#else
#define FG_PUBLIC static
#endif

/* The sets of this build, the best first; the last has no name. */
#ifdef FASTGRAD_LINKED
extern const fg_set fg_all_sets[];
#else
#include "set/every_set.h"
#endif

/* Whether this processor runs a set. */
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

/* The set of this name, or without one the best, that this processor runs; NULL if there is none. */
FG_INLINE const fg_set *fg_find(const char *name)
{
    for (const fg_set *set = fg_all_sets; set->name; set++)
        if ((!name || strcmp(name, set->name) == 0) && fg_runs(set))
            return set;
    return NULL;
}

/* The functions for numbers of `item` bytes; NULL if there are none. */
FG_INLINE const fg_kernels *fg_of(const fg_set *set, size_t item)
{
    return item == sizeof(float) ? set->single : item == sizeof(double) ? set->wide : NULL;
}

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif
