/* The templates, once per instruction set that the compiler knows and type, and the list of the sets. */

#include "../turn.h"

#define FG_SET scalar
#define FG_SIMD "simd_scalar.h"
#include "each_type.h"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#include <immintrin.h>

#define FG_SET sse2
#define FG_SIMD "simd_sse2.h"
#include "each_type.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define FG_SET avx2
#define FG_SIMD "simd_avx2.h"
#include "each_type.h"
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
#include "each_type.h"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#include <arm_neon.h>
#define FG_SET neon
#define FG_SIMD "simd_neon.h"
#include "each_type.h"
#endif

FG_PUBLIC const fg_set fg_all_sets[] = {
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    {"avx512", &fg_table_f32_avx512, &fg_table_f64_avx512},
    {"avx2", &fg_table_f32_avx2, &fg_table_f64_avx2},
    {"baseline", &fg_table_f32_sse2, &fg_table_f64_sse2},
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
    {"neon", &fg_table_f32_neon, &fg_table_f64_neon},
#endif
    {"scalar", &fg_table_f32_scalar, &fg_table_f64_scalar},
    {NULL, NULL, NULL},
};
